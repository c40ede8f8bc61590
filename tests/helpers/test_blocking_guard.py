"""The guard that `tests/conftest.py` puts around every test."""

from __future__ import annotations

import pytest
from blockbuster import BlockingError

from persistence.migrations import known_migrations


async def test_our_code_must_not_block_the_event_loop() -> None:
    with pytest.raises(BlockingError):
        known_migrations()


def test_it_may_outside_of_one() -> None:
    assert known_migrations()
