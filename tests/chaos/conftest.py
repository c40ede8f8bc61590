"""A real server for each file of these tests, which break it and leave it running."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.helpers.server_process import ServerProcess, running_server


@pytest.fixture(scope="module")
def settings() -> Mapping[str, Any]:
    """What differs from the defaults, as `COLLAB_…` variables; a file may say otherwise."""
    return {}


@pytest.fixture(scope="module")
def server(settings: Mapping[str, Any]) -> Iterator[ServerProcess]:
    with running_server(**settings) as started:
        yield started
