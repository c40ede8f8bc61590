"""One real server and one Node process for all interop tests of a test process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.helpers.hocuspocus_clients import HocuspocusClients
from tests.helpers.node_clients import NodeClients, NodeProcess
from tests.helpers.rule_breakers import Boards
from tests.helpers.server_process import LiveSession, ServerProcess, running_server


@pytest.fixture(scope="session")
def shared_server() -> Iterator[ServerProcess]:
    # Rooms leave memory soon, so that tests meet loaded documents as well as open ones.
    with running_server(COLLAB_ROOM_IDLE_SECONDS="1") as server:
        yield server


@pytest.fixture
def server(shared_server: ServerProcess) -> ServerProcess:
    """A server as users run it. A test may restart it, and must leave it running."""
    if not shared_server.is_running:
        shared_server.start()
    return shared_server


@pytest.fixture(scope="session")
def node_process() -> Iterator[NodeProcess]:
    process = NodeProcess()
    yield process
    process.close()


@pytest.fixture
async def clients(node_process: NodeProcess) -> AsyncIterator[NodeClients]:
    """Stock JavaScript clients, destroyed when the test ends."""
    async with NodeClients(node_process) as made:
        yield made


@pytest.fixture
async def session(server: ServerProcess) -> LiveSession:
    """A new session whose members are those with a grant in their token."""
    return await server.create_session()


@pytest.fixture
async def hocuspocus(node_process: NodeProcess) -> AsyncIterator[HocuspocusClients]:
    """Sockets of stock Hocuspocus providers, closed when the test ends."""
    async with HocuspocusClients(node_process) as made:
        yield made


@pytest.fixture
def boards(server: ServerProcess, clients: NodeClients, hocuspocus: HocuspocusClients) -> Boards:
    return Boards(server, clients, hocuspocus)
