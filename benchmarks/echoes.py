"""Stock clients send back all presence that they are told: what that costs beside silence.

A `WebsocketProvider` passes every change of presence on to the server, whoever it came from. In a
room of N that makes N further frames of each that the server sends. The same people who do not
are the measure.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from benchmarks import workloads
from benchmarks.fanout import other_note
from benchmarks.load import Kind, Load, Outcome
from benchmarks.report import Row, at_most
from benchmarks.scale import Scale
from benchmarks.targets import Collab
from loadtest.processes import cpu_seconds
from loadtest.targets.peers import install
from tests.helpers.node_clients import HARNESS, NodeClient, NodeProcess
from tests.helpers.server_process import LiveSession

PEOPLE = 30
RATE = 10.0
STATE_BYTES = 100
"""Of a presence state as JSON, for both kinds of people alike."""

ROUNDS = 2
"""The two kinds take turns, so that what disturbs the machine disturbs both."""

IN_TICKS = {"COLLAB_PRESENCE_AT_ONCE": "1"}
"""Both are told as often: otherwise those who echo nothing would be told more often (ROM-7)."""

MOVE = """
const { number, count, rate, bytes } = args
const period = 1000 / rate
const begin = performance.now() + period * number / count
const send = provider.ws.send
client.sent = 0
provider.ws.send = function (...frame) { client.sent++; return send.apply(this, frame) }
client.moves = 0
const move = () => {
  client.moves++
  const state = { user: { name: 'Person ' + number }, cursor: String(client.moves) }
  state.cursor = state.cursor.padEnd(bytes - JSON.stringify(state).length + state.cursor.length)
  awareness.setLocalState(state)
  client.timer = setTimeout(move, begin + client.moves * period - performance.now())
}
client.timer = setTimeout(move, begin - performance.now())
"""
"""The next move is due at a fixed time, however late this one was."""

COUNT = "return [client.moves, client.sent, client.frames, client.sockets]"


@dataclass(frozen=True, slots=True)
class Crowd:
    """What came of a crowd of stock clients.

    Attributes:
        moves: presence changes a second, of all together.
        echoes: frames a second that they sent besides.
        frames: that they received, a second.
        server_share: percent of a core that the server used.
        others_share: likewise those who have nothing to do with this.
    """

    moves: float
    echoes: float
    frames: float
    server_share: float
    others_share: float


def measure(scale: Scale) -> Iterator[Row]:
    """The same room with people who echo and with people who do not."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        yield Row("stock clients need Node and npm", float("nan"), "")
        return
    install(HARNESS)
    people = scale.pick(PEOPLE, 4)
    silent: list[Outcome] = []
    echoing: list[Crowd] = []
    with Collab(IN_TICKS) as server:
        for _ in range(scale.pick(ROUNDS, 1)):
            silent.append(_silent_crowd(server, people, scale))
            echoing.append(_stock_crowd(server, people, scale))
            workloads.settle(server)
    yield from _rows(
        people,
        min(silent, key=lambda each: each.server_share),
        min(echoing, key=lambda each: each.server_share),
    )


def _rows(people: int, silent: Outcome, echoing: Crowd) -> Iterator[Row]:
    name = f"{people} people at {RATE:.0f} Hz"
    note, details = other_note(silent), silent.details()
    yield Row(
        f"{name} who echo nothing: share of a core", silent.server_share, "%", None, note, details
    )
    yield Row(
        f"{name}, y-websocket: share of a core",
        echoing.server_share,
        "%",
        None,
        f"{echoing.moves:.0f} moves/s and {echoing.echoes:.0f} echoes/s",
        {
            "moves_per_s": echoing.moves,
            "echoes_per_s": echoing.echoes,
            "frames_per_s": echoing.frames,
            "others_share": echoing.others_share,
        },
    )
    ratio = echoing.server_share / silent.server_share
    yield Row("  times what those cost who echo nothing", ratio, "x", at_most(2))
    extra = (echoing.server_share - silent.server_share) * 1e4 / max(echoing.echoes, 1)
    yield Row("  an echo", extra, "us")


def _silent_crowd(server: Collab, people: int, scale: Scale) -> Outcome:
    load = Load(
        RATE,
        scale.pick(8.0, 0.6),
        Kind.PRESENCE,
        warmup=scale.pick(2.0, 0.2),
        drain=0.5,
        size=STATE_BYTES,
    )
    return workloads.put_on(server, 1, people, load)


def _stock_crowd(server: Collab, people: int, scale: Scale) -> Crowd:
    """Providers in one Node process, on the generator's core."""
    (session,) = asyncio.run(server.server.create_sessions(1))
    with closing(NodeProcess()) as node:
        return asyncio.run(_moving(server, node, people, scale, session))


async def _moving(
    server: Collab, node: NodeProcess, people: int, scale: Scale, session: LiveSession
) -> Crowd:
    clients = []
    for number in range(people):
        client = await NodeClient.create(node, f"person {number}", session.invite())
        clients.append(await client.synced())
    for number, client in enumerate(clients):
        await client.run(MOVE, number=number, count=people, rate=RATE, bytes=STATE_BYTES)
    await asyncio.sleep(scale.pick(2.0, 0.2))
    before = await _counted(clients)
    node_before = await asyncio.to_thread(cpu_seconds, (node.pid,))
    meter, begin = await asyncio.to_thread(server.meter), time.monotonic()
    await asyncio.sleep(scale.pick(8.0, 0.6))
    seconds, use = time.monotonic() - begin, await asyncio.to_thread(meter.use)
    node_use = await asyncio.to_thread(cpu_seconds, (node.pid,)) - node_before
    moves, sent, frames, sockets = (
        after - then for after, then in zip(await _counted(clients), before, strict=True)
    )
    if sockets:
        raise ConnectionError(f"{sockets} connections of stock clients were lost meanwhile")
    return Crowd(
        moves=moves / seconds,
        echoes=(sent - moves) / seconds,
        frames=frames / seconds,
        server_share=100 * use.server / seconds,
        others_share=100 * max(use.other - node_use, 0.0) / seconds,
    )


async def _counted(clients: list[NodeClient]) -> list[int]:
    """Moves, frames sent, frames received and sockets opened, of all together."""
    counts = [await client.run(COUNT) for client in clients]
    return [sum(column) for column in zip(*counts, strict=True)]
