"""What tests of the load test share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from loadtest.targets.collab import Collab


@pytest.fixture(scope="session")
def server() -> Iterator[Collab]:
    """This server, started as for a run, once for each test process."""
    with Collab() as running:
        yield running
