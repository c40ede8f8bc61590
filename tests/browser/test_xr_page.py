"""The page of XR rooms: people and things, on two browsers at once."""

from __future__ import annotations

import pytest
from playwright.async_api import expect
from pycrdt import Map

from tests.browser.conftest import WAIT_MILLISECONDS, SitDown
from tests.browser.person import STATUS, Person
from tests.helpers.live_rooms import LiveRoom, live_room
from tests.helpers.server_process import Invitation, ServerProcess
from tests.helpers.yjs_peer import YjsPeer

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("browser")]

WIDTH, DEPTH = 12, 8


@pytest.fixture
async def room(server: ServerProcess) -> LiveRoom:
    """A room with a name and a size."""
    size = {"width": WIDTH, "depth": DEPTH, "height": 4}
    return await live_room(server, name="Atelier", dimensions=size)


async def enter(person: Person, server: ServerProcess, invitation: Invitation) -> None:
    """Follow the link, and wait until everything there has arrived."""
    # A small window: there is no graphics card, and several pages share a core.
    await person.page.set_viewport_size({"width": 480, "height": 320})
    session = invitation.room.removesuffix("/ws")
    link = f"http://127.0.0.1:{server.port}/xr.html#session={session}&token={invitation.token}"
    await person.page.goto(link)
    await expect(person.page.locator(STATUS)).to_have_text("Saved")


async def two_people(room: LiveRoom, sit_down: SitDown) -> tuple[Person, Person]:
    ada, bob = await sit_down(), await sit_down()
    await enter(ada, room.server, room.invite(name="Ada"))
    await enter(bob, room.server, room.invite(name="Bob"))
    return ada, bob


# Marks on the plan of the room.
SELF = "#plan .mark.self"
OTHER = "#plan .mark.person"
THING = "#plan .mark.thing"
HELD = "#plan .mark.held"

PLACE = """(mark) => {
    const [x, y] = document.querySelector(mark).style.translate.split(' ')
    return [parseFloat(x), parseFloat(y)]
  }"""

IS_AT = """([mark, x, y, tolerance, isThere]) => {
    const element = document.querySelector(mark)
    if (element === null) return false
    const [left, top] = element.style.translate.split(' ').map(parseFloat)
    return (Math.hypot(left - x, top - y) <= tolerance) === isThere
  }"""

PIXELS = 0.4
"""Poses are rounded, and so is where a mark is."""


async def place(person: Person, mark: str) -> list[float]:
    """Where a page shows the first of these marks."""
    found: list[float] = await person.page.evaluate(PLACE, mark)
    return found


async def shows(person: Person, mark: str, at: list[float], *, there: bool = True) -> None:
    """Wait until the first of these marks is at some place, or is elsewhere."""
    await person.page.wait_for_function(
        IS_AT, arg=[mark, *at, PIXELS, there], timeout=WAIT_MILLISECONDS
    )


async def walk(person: Person, key: str, pixels: int = 8) -> None:
    """Hold a key until one is so far from where one was."""
    x, y = await place(person, SELF)
    await person.page.keyboard.down(key)
    await person.page.wait_for_function(
        IS_AT, arg=[SELF, x, y, pixels, False], timeout=WAIT_MILLISECONDS
    )
    await person.page.keyboard.up(key)


async def test_who_walks_is_seen_walking(room: LiveRoom, sit_down: SitDown) -> None:
    ada, bob = await two_people(room, sit_down)
    await expect(ada.page.locator("#title")).to_have_text("Atelier")
    await expect(ada.page.locator(OTHER)).to_have_attribute("title", await bob.own_name())
    await shows(ada, OTHER, await place(bob, SELF))
    await walk(bob, "w")
    await shows(ada, OTHER, await place(bob, SELF))
    await walk(ada, "ArrowDown")
    await shows(bob, OTHER, await place(ada, SELF))
    await bob.context.close()
    await expect(ada.page.locator(OTHER)).to_have_count(0)


async def test_what_one_carries_moves_for_both_and_stays_where_it_is_put(
    room: LiveRoom, sit_down: SitDown
) -> None:
    ada, bob = await two_people(room, sit_down)
    await ada.page.keyboard.press("b")
    await expect(bob.page.locator(THING)).to_have_count(1)
    start = await place(bob, THING)
    await ada.page.keyboard.press("e")
    await expect(bob.page.locator(HELD)).to_have_count(1)
    await walk(ada, "s")
    await shows(bob, THING, start, there=False)
    await shows(bob, THING, await place(ada, THING))
    await ada.page.keyboard.press("e")
    await expect(bob.page.locator(HELD)).to_have_count(0)
    put = await place(ada, THING)
    await shows(bob, THING, put)
    # It is in the document: whoever comes later finds it there.
    await bob.page.reload()
    await shows(bob, THING, put)


async def put_box(room: LiveRoom) -> None:
    """Something in the middle of the room, put there by somebody who has gone."""
    zero = {"x": 0.0, "y": 0.0, "z": 0.0}
    transform = {"position": {**zero, "y": 0.2}, "rotation": {**zero, "w": 1.0}}
    async with await YjsPeer.join(room.invite().url_with(ack="1")) as somebody:
        objects = somebody.doc.get("objects", type=Map)
        objects["box"] = Map({"object_type": "box", "transform": transform})
        await somebody.until_stored()


async def test_who_may_only_look_is_told_so(room: LiveRoom, sit_down: SitDown) -> None:
    viewer = await sit_down()
    await put_box(room)
    await enter(viewer, room.server, room.invite("viewer"))
    await expect(viewer.page.locator(THING)).to_have_count(1)
    await viewer.page.keyboard.press("e")
    await expect(viewer.page.get_by_text("Nothing is in reach")).to_be_visible()
    await walk(viewer, "w", pixels=22)
    await viewer.page.keyboard.press("e")
    await expect(viewer.page.get_by_text("You may look, but not move anything")).to_be_visible()


async def test_who_has_no_avatar_looks_on(room: LiveRoom, sit_down: SitDown) -> None:
    """Spectators see who is there, and are not seen."""
    ada, spectator = await sit_down(), await sit_down()
    await enter(ada, room.server, room.invite(name="Ada"))
    await enter(spectator, room.server, room.invite("spectator"))
    await expect(spectator.page.get_by_text("You are looking on")).to_be_visible()
    await expect(spectator.page.locator(OTHER)).to_have_attribute("title", await ada.own_name())
    await walk(ada, "w")
    await shows(spectator, OTHER, await place(ada, SELF))
    await expect(ada.page.locator(OTHER)).to_have_count(0)
    await ada.context.close()
    await expect(spectator.page.locator(OTHER)).to_have_count(0)


async def test_the_room_is_drawn(room: LiveRoom, sit_down: SitDown) -> None:
    """In more than one colour: the picture itself is for people to judge."""
    ada, bob = await two_people(room, sit_down)
    await ada.page.keyboard.press("b")
    await expect(bob.page.locator(THING)).to_have_count(1)
    await expect(bob.page.locator(OTHER)).to_have_count(1)
    assert await bob.page.evaluate(COLOURS) > 5


COLOURS = """() => new Promise((resolve) => requestAnimationFrame(() => {
    const small = document.createElement('canvas')
    small.width = small.height = 32
    const context = small.getContext('2d')
    context.drawImage(document.getElementById('scene'), 0, 0, 32, 32)
    resolve(new Set(new Uint32Array(context.getImageData(0, 0, 32, 32).data.buffer)).size)
  }))"""


async def test_without_a_link_the_page_says_where_to_get_one(
    server: ServerProcess, sit_down: SitDown
) -> None:
    ada = await sit_down()
    await ada.page.goto(f"http://127.0.0.1:{server.port}/xr.html")
    await expect(ada.farewell).to_contain_text("No room is open")
