"""What holds for every test."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest
from blockbuster import BlockBuster

from tests.helpers.proving import few_or_many, is_proving

pytest_plugins = ["tests.helpers.database"]

# No deadline: a test that is too slow is pytest-timeout's business, and machines are busy at times.
hypothesis.settings.register_profile(
    "collab",
    deadline=None,
    derandomize=not is_proving(),
    max_examples=few_or_many(100, 2_000),
    database=None,
)
hypothesis.settings.load_profile("collab")

OUR_PACKAGES = ["crdt_docs", "loadtest", "persistence", "server"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `prove` run with PROVE=1 only."""
    if is_proving():
        return
    skipped = pytest.mark.skip(reason="many seeds and real clocks: `make prove`")
    for item in items:
        if "prove" in item.keywords:
            item.add_marker(skipped)


@pytest.fixture(autouse=True)
def blocking_calls_fail() -> Iterator[BlockBuster]:
    """A blocking call that our code makes in an event loop fails the test.

    A test that has to run a supervisor and an event loop in one thread may switch it off.
    """
    guard = BlockBuster(OUR_PACKAGES)
    for function in guard.functions.values():
        # Drawing a traceback reads the sources; in production one JSON line is written instead.
        function.can_block_in("structlog/_base.py", "_proxy_to_logger")
    guard.activate()
    try:
        yield guard
    finally:
        guard.deactivate()
