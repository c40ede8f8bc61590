"""What every `xr_people_ports.AvatarStore` keeps, in memory and in PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from persistence.ports import InvalidCursor
from persistence.xr_people_ports import Avatar, AvatarStore
from tests.helpers.commits import ANA, BEN
from tests.helpers.xr import MINUTE, NOON, xr_stores

MISSING = UUID(int=404)


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> AvatarStore:
    return xr_stores(request).avatars


def avatar(number: int, *, by: UUID = ANA, is_default: bool = False, minutes: int = 0) -> Avatar:
    return Avatar(
        UUID(int=number),
        by,
        f"Avatar {number}",
        {"hat": number, "list": [1.5, None, "é"]},
        is_default,
        NOON + minutes * MINUTE,
    )


async def defaults(store: AvatarStore, user_id: UUID = ANA) -> list[int]:
    return [each.id.int for each in (await store.of_user(user_id)).items if each.is_default]


async def test_an_avatar_comes_back_as_it_was(store: AvatarStore) -> None:
    await store.create(avatar(1))
    await store.create(avatar(2, is_default=True))
    assert await store.get(UUID(int=1)) == avatar(1)
    assert await store.get(UUID(int=2)) == avatar(2, is_default=True)
    assert await store.default_of(ANA) == avatar(2, is_default=True)


async def test_what_is_not_there(store: AvatarStore) -> None:
    await store.create(avatar(1))
    assert await store.get(MISSING) is None
    assert await store.default_of(ANA) is None
    assert await store.default_of(BEN) is None
    assert await store.delete(MISSING) is False
    for changes in (True, False):
        assert await store.change(MISSING, {"is_default": changes}) is None
    assert (await store.of_user(BEN)).items == ()


async def test_xrs_6_a_new_default_takes_the_place_of_the_other(store: AvatarStore) -> None:
    await store.create(avatar(9, by=BEN, is_default=True))
    for number in (1, 2, 3):
        await store.create(avatar(number, is_default=number < 3))
    assert await defaults(store) == [2]
    assert await store.change(UUID(int=3), {"is_default": True}) == avatar(3, is_default=True)
    assert await defaults(store) == [3]
    assert await store.change(UUID(int=3), {"is_default": True}) == avatar(3, is_default=True)
    assert await store.change(UUID(int=3), {"is_default": False}) == avatar(3)
    assert await defaults(store) == []
    assert await defaults(store, BEN) == [9]


async def test_xrs_6_of_many_that_become_the_default_one_is(store: AvatarStore) -> None:
    for number in range(4):
        await store.create(avatar(number))
    await asyncio.gather(
        *(store.change(UUID(int=number), {"is_default": True}) for number in range(4)),
        *(store.create(avatar(number, is_default=True)) for number in range(4, 8)),
    )
    assert len(await defaults(store)) == 1
    assert len((await store.of_user(ANA)).items) == 8


async def test_creating_an_id_again_changes_nothing(store: AvatarStore) -> None:
    await store.create(avatar(1, is_default=True))
    await store.create(avatar(2))
    await store.create(replace(avatar(2, by=BEN, is_default=True), name="another"))
    await store.create(avatar(2, is_default=True))
    assert await store.get(UUID(int=2)) == avatar(2)
    assert await defaults(store) == [1]


async def test_what_is_given_is_changed_and_nothing_else(store: AvatarStore) -> None:
    await store.create(avatar(1, is_default=True))
    renamed = replace(avatar(1, is_default=True), name="Owl")
    assert await store.change(UUID(int=1), {"name": "Owl"}) == renamed
    changed = replace(renamed, config={})
    assert await store.change(UUID(int=1), {"config": {}}) == changed
    assert await store.change(UUID(int=1), {}) == changed
    assert await store.get(UUID(int=1)) == changed


async def test_an_avatar_is_deleted(store: AvatarStore) -> None:
    await store.create(avatar(1, is_default=True))
    assert await store.delete(UUID(int=1)) is True
    assert await store.delete(UUID(int=1)) is False
    assert await store.default_of(ANA) is None


async def test_a_persons_avatars_are_listed_newest_first(store: AvatarStore) -> None:
    for number in range(1, 6):
        await store.create(avatar(number, minutes=number // 2))
    await store.create(avatar(9, by=BEN))
    seen: list[int] = []
    cursor = None
    for expected in (2, 2, 1):
        page = await store.of_user(ANA, limit=2, cursor=cursor)
        assert len(page.items) == expected
        seen += [each.id.int for each in page.items]
        cursor = page.next_cursor
    assert cursor is None
    assert seen == [5, 4, 3, 2, 1]
    with pytest.raises(InvalidCursor):
        await store.of_user(ANA, cursor="made up")
