"""Long work lets others have their turn."""

from __future__ import annotations

import asyncio

from server.breath import AT_A_STRETCH, Breath


async def test_others_have_their_turn_only_after_a_while() -> None:
    now, turns = 0.0, 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    breath = Breath(lambda: now)
    await breath.take()
    assert turns == 0
    now = AT_A_STRETCH
    await breath.take()
    assert turns == 1
    await breath.take()
    assert turns == 1, "not again at once"
    task.cancel()
