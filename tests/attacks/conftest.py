"""A server as its users run it, with the limits that it has by default, and people beside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.attacks.neighbours import Neighbours, living_beside
from tests.helpers.server_process import ServerProcess, running_server


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """Settings of a module are its `SETTINGS`."""
    settings: dict[str, str] = getattr(request.module, "SETTINGS", {})
    with running_server(
        database_url=None, has_limits=True, certificate=None, **settings
    ) as process:
        yield process


@pytest.fixture
async def neighbours(server: ServerProcess) -> AsyncIterator[Neighbours]:
    """Whatever a test does: these edit before it, and after it on the same connections."""
    async with living_beside(server) as people:
        yield people
