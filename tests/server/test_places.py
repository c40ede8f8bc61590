"""Places for work that needs memory or time."""

from __future__ import annotations

import asyncio

import pytest

from server.places import AllTaken, Places


class _Busy(AllTaken):
    pass


async def test_some_at_once_some_wait_and_the_rest_is_refused() -> None:
    places = Places(at_once=1, waiting=1, refusal=_Busy)
    await places.take()
    second = asyncio.create_task(places.take())
    await asyncio.sleep(0)
    with pytest.raises(_Busy):
        await places.take()
    assert not second.done()
    places.leave()
    await second


async def test_who_gives_up_waiting_makes_room_for_another() -> None:
    places = Places(at_once=1, waiting=1, refusal=_Busy)
    await places.take()
    first = asyncio.create_task(places.take())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    second = asyncio.create_task(places.take())
    await asyncio.sleep(0)
    places.leave()
    await second
