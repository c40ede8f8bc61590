"""A document is out of memory while what is stored of it is changed (PRV-6)."""

from __future__ import annotations

import asyncio

import pytest

from persistence.ports import StorageUnavailable
from server import room_directory
from tests.server.rooms import NAME, House, Person


async def test_prv_6_who_is_there_reconnects_and_finds_everything() -> None:
    async with House() as house:
        ana = await house.sit(Person(1))
        await house.settle()
        ana.person.set("a", 1)
        ana.pump()
        async with house.directory.set_aside(NAME):
            assert ana.channel.closed is not None
            assert ana.channel.closed[0] == 1012
            assert house.directory.find(NAME) is None
            assert house.directory.is_at_rest(NAME)
            assert len(await house.store.read_log(NAME)) >= 1
        house.stand_up(ana)
        ben = await house.sit(Person(2))
        await house.settle()
        assert ben.person.json() == {"a": 1}


async def test_prv_6_who_comes_meanwhile_waits() -> None:
    async with House() as house:
        async with house.directory.set_aside(NAME):
            opening = asyncio.create_task(house.directory.open(NAME))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert not opening.done()
        host = await opening
        assert house.directory.find(NAME) is host


async def test_prv_6_one_at_a_time() -> None:
    async with House() as house, house.directory.set_aside(NAME):
        with pytest.raises(StorageUnavailable):
            async with house.directory.set_aside(NAME):
                raise AssertionError("not twice")


async def test_prv_6_a_document_that_is_being_opened_is_waited_for() -> None:
    async with House() as house:
        house.store.pause()
        opening = asyncio.create_task(house.directory.open(NAME))
        await asyncio.sleep(0)
        house.store.resume()
        async with house.directory.set_aside(NAME):
            assert house.directory.find(NAME) is None
        await opening


async def test_prv_6_what_cannot_be_stored_is_not_set_aside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room_directory, "ASIDE_SECONDS", 0.01)
    async with House() as house:
        ana = await house.sit(Person(1))
        await house.settle()
        house.store.pause()
        ana.person.set("a", 1)
        ana.pump()
        with pytest.raises(StorageUnavailable, match="in time"):
            async with house.directory.set_aside(NAME):
                raise AssertionError("not before all is stored")
        house.store.resume()
        house.seats.clear()
        ben = await house.sit(Person(2))
        await house.settle()
        assert ben.person.json() == {"a": 1}
