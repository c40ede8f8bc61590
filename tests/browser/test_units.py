"""The page's own tests of what needs no browser: board, texts, saved mark, presence."""

from __future__ import annotations

import re

import pytest

from tests.browser.built_page import run_npm

pytestmark = pytest.mark.xdist_group("browser")  # one process installs and builds, not two at once


def test_board_texts_saved_mark_and_presence_hold_without_a_browser() -> None:
    printed = run_npm("test")
    passed = re.search(r"^\S pass (\d+)$", printed, re.MULTILINE)
    assert passed is not None, printed
    assert int(passed[1]) >= 40
