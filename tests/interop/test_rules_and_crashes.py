"""What was refused has left no trace, also when everything is killed in the middle of it (RUL)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Self
from uuid import UUID, uuid4

import pytest

from tests.helpers.node_clients import NodeClient
from tests.helpers.places import PLACES
from tests.helpers.proving import few_or_many
from tests.helpers.rule_breakers import LOCKED, Boards, RuledPlace
from tests.helpers.server_process import ServerProcess
from tests.helpers.verifying import findings
from tests.interop.agreement import agree
from tests.server.test_upkeep_commands import Command


@dataclass
class Mischief:
    """One who breaks rules in a place where a host watches what is locked."""

    board: RuledPlace
    ada: NodeClient
    eve: NodeClient
    culprit: UUID
    before: str

    @classmethod
    async def begin(cls, board: RuledPlace) -> Self:
        """The host has furnished the place, and eve is there."""
        ada, culprit = await board.furnished(), uuid4()
        eve = await board.enter("eve", user_id=culprit)
        await agree(board.live, ada, eve)
        before = (await board.watch(ada))[ada]
        return cls(board, ada, eve, culprit, before)

    async def go_on(self, seed: int) -> None:
        """Break some rules."""
        await self.eve.run(
            "return tools.ruled.misbehave(client, args)",
            name="eve",
            seed=seed,
            rounds=few_or_many(8, 50),
            before=self.before,
        )

    async def left_no_trace(self) -> None:
        """Neither in anybody's copy nor in history. What a host has heard of before a crash and
        brings back afterwards is the host's upload (ACC-5), whoever wrote it."""
        live, culprit = self.board.live, str(self.culprit)
        await agree(live, self.ada, self.eve)
        await self.board.nothing_was_seen()
        for key in LOCKED:
            versions = (await live.request("GET", f"/objects/{key}/history"))["items"]
            assert versions
            traces = [
                version
                for version in versions
                if version["relayed_by"] == culprit
                or (
                    version["relayed_by"] is None
                    and culprit in (version["changed_by"], *version["contributors"])
                )
            ]
            assert traces == [], (live.name, key)
        assert await findings(live.server.database_dsn(), live.name) == []


@pytest.mark.timeout(180)
async def test_rul_5_history_says_nothing_of_it_and_all_of_it_outlives_a_crash(
    server: ServerProcess, boards: Boards
) -> None:
    """In a session and a room of one server."""
    everywhere = [await Mischief.begin(await boards.new(place)) for place in PLACES]

    async def misbehave(seed: int) -> None:
        await asyncio.gather(*(each.go_on(seed) for each in everywhere))

    async def is_clean() -> None:
        for each in everywhere:
            await each.left_no_trace()

    await misbehave(1)
    await is_clean()
    busy = asyncio.create_task(misbehave(2))
    await asyncio.sleep(0.1)
    server.worker().kill()
    await busy
    await is_clean()
    await asyncio.to_thread(server.kill, everything=True)
    ids = [each.board.live.id for each in everywhere]
    told = await Command(server.data_dir).run("rebuild", *ids, "--whole-log")
    assert "0 of them rebuilt" in told
    await asyncio.to_thread(server.start)
    for each in everywhere:
        await each.eve.until("provider.synced")
    await is_clean()
    await misbehave(3)
    await is_clean()
