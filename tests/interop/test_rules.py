"""Rules, tried with stock clients: y-websocket 3.0 and 3.1, Hocuspocus providers 2, 3 and 4 (RUL).

What they do, and how it is noted that others see nothing of it, is in `node/ruled.mjs`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from statistics import quantiles

import pytest

from tests.helpers.hocuspocus_clients import HocuspocusClients
from tests.helpers.node_clients import NodeClients, NodeProcess
from tests.helpers.proving import few_or_many
from tests.helpers.rule_breakers import KINDS, RuledSession, refusals
from tests.helpers.server_process import LiveSession, ServerProcess
from tests.interop.agreement import agree

BACK_MS = 2000
"""An author's copy is to be the server's within 200 ms; a test must not fail for a busy machine."""

ROUNDS = few_or_many(8, 200)
"""Of each kind of client."""

BREAK_ONE = "return tools.ruled.breakOne(client, tools.ruled[args.deeds], args.name, args.key)"
LEGAL = "doc.getMap('objects').set(args.key, new Y.Map([['object_type', 'shape']]))"

each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
async def hocuspocus(node_process: NodeProcess) -> AsyncIterator[HocuspocusClients]:
    """Sockets of stock Hocuspocus providers, closed when the test ends."""
    async with HocuspocusClients(node_process) as made:
        yield made


@pytest.fixture
async def board(
    session: LiveSession, clients: NodeClients, hocuspocus: HocuspocusClients
) -> RuledSession:
    """A session without rules of its own."""
    return RuledSession(session, clients, hocuspocus)


@pytest.fixture
async def strict_board(
    server: ServerProcess, clients: NodeClients, hocuspocus: HocuspocusClients
) -> RuledSession:
    """One with a schema."""
    session = await server.create_session(strict_schema=True)
    return RuledSession(session, clients, hocuspocus)


@pytest.fixture
async def own_board(
    server: ServerProcess, clients: NodeClients, hocuspocus: HocuspocusClients
) -> RuledSession:
    """One in which editors change only what they created."""
    session = await server.create_session(own_objects_only=True)
    return RuledSession(session, clients, hocuspocus)


def in_time(took: Sequence[float], kind: str) -> None:
    """All were back in time; says how long it took."""
    cuts = quantiles(took, n=20)
    told = f"{kind}: back after p50 {cuts[9]:.1f} ms, p95 {cuts[18]:.1f} ms, {len(took)} times"
    print(told)  # noqa: T201 - shown with -s
    assert max(took) < BACK_MS


@each_kind
async def test_rul_1_whatever_is_done_to_a_locked_object_is_undone_for_its_author_alone(
    board: RuledSession, kind: str
) -> None:
    ada = await board.furnished()
    ben, eve = await board.enter("ben"), await board.enter("eve", kind=kind)
    await agree(board.session, ada, ben, eve)
    await board.watch(ada, ben)
    took = []
    for name in await eve.run("return Object.keys(tools.ruled.BREAKS)"):
        took.append(await eve.run(BREAK_ONE, deeds="BREAKS", name=name, key="l1"))
        await eve.run(LEGAL, key=f"after {name}")
        await ben.until("doc.getMap('objects').has(args.key)", key=f"after {name}")
        told = await eve.run(f"return {refusals(kind)}")
        assert len(told) == len(took), name
        assert "locked" in told[-1]
    in_time(took, kind)
    await board.nothing_was_seen()
    await agree(board.session, ada, ben, eve)


@each_kind
async def test_rul_5_its_author_is_back_soon(board: RuledSession, kind: str) -> None:
    await board.furnished()
    eve = await board.enter("eve", kind=kind)
    await eve.until("doc.getMap('objects').has('o3')")
    took = [
        await eve.run(BREAK_ONE, deeds="BREAKS", name=name, key="l2")
        for name in ("moves it", "types in it", "deletes it", "replaces it") * few_or_many(2, 25)
    ]
    in_time(took, kind)


@each_kind
async def test_rul_3_the_schema_of_a_strict_session_holds(
    strict_board: RuledSession, kind: str
) -> None:
    board = strict_board
    ada = await board.furnished()
    ben, eve = await board.enter("ben"), await board.enter("eve", kind=kind)
    await agree(board.session, ada, ben, eve)
    await board.watch(ada, ben, places=[["objects", ["o1", "extra"]]])
    took = []
    for name in await eve.run("return Object.keys(tools.ruled.FAULTS)"):
        took.append(await eve.run(BREAK_ONE, deeds="FAULTS", name=name, key="o1"))
        await eve.run(LEGAL, key=f"after {name}")
        await ben.until("doc.getMap('objects').has(args.key)", key=f"after {name}")
    in_time(took, kind)
    assert len(await eve.run(f"return {refusals(kind)}")) == len(took)
    await board.nothing_was_seen()
    await agree(board.session, ada, ben, eve)


@each_kind
@pytest.mark.timeout(180)
async def test_rul_5_at_random_online_and_offline_while_others_edit(
    board: RuledSession, kind: str
) -> None:
    """What is legal survives, also in a transaction with what is not; nobody sees the rest; undo
    and redo of its author do not bring it back."""
    ada = await board.furnished()
    ben, eve = await board.enter("ben"), await board.enter("eve", kind=kind)
    await agree(board.session, ada, ben, eve)
    before = (await board.watch(ada, ben))[ada]
    chats = [
        asyncio.create_task(person.run("await tools.ruled.chat(client, args.seed, 7)", seed=seed))
        for seed, person in enumerate((ada, ben))
    ]
    [locked] = before.split("\n")
    result = await eve.run(
        "return tools.ruled.misbehave(client, args)",
        name="eve",
        seed=KINDS.index(kind),
        rounds=ROUNDS,
        before=locked,
    )
    for person in (ada, ben):
        await person.run("client.chats = false")
    await asyncio.gather(*chats)
    in_time(result["took"], kind)
    await agree(board.session, ada, ben, eve)
    await board.nothing_was_seen()
    assert await ben.field("looks") > ROUNDS, "the others did see what is legal"
    objects = (await board.session.state())["objects"]
    legal = {key: objects[key]["layer"] for key in result["legal"]}
    assert legal == result["legal"]


@each_kind
async def test_rul_5_undoing_everything_brings_nothing_back(board: RuledSession, kind: str) -> None:
    ada = await board.furnished()
    ben, eve = await board.enter("ben"), await board.enter("eve", kind=kind)
    await agree(board.session, ada, ben, eve)
    before = (await board.watch(ada, ben))[ada]
    await eve.run("undo.clear()")
    for name in await eve.run("return Object.keys(tools.ruled.BREAKS)"):
        await eve.run(BREAK_ONE, deeds="BREAKS", name=name, key="l3")
    for step in ("undo", "redo"):
        await eve.run(
            """for (let left = 25; left > 0; left--) {
                 undo[args.step]()
                 await tools.ruled.back(client, 'objects', ['l1', 'l2', 'l3'], args.before, 'undo')
               }""",
            step=step,
            before=before,
        )
    await agree(board.session, ada, ben, eve)
    await board.nothing_was_seen()
