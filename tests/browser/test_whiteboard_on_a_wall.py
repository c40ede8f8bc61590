"""A whiteboard in a room shows the OCW session that it names, and is written on."""

from __future__ import annotations

import json
import math
import re
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from playwright.async_api import Locator, WebSocket, expect

from tests.browser.conftest import WAIT_MILLISECONDS, SitDown
from tests.browser.person import Person
from tests.browser.test_xr_page import DEPTH, SELF, WIDTH, enter, place, walk
from tests.helpers.live_rooms import LiveRoom, live_room
from tests.helpers.server_process import Invitation, LiveSession, ServerProcess, mint

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("browser")]

PIXELS_PER_METRE = 180 / max(WIDTH, DEPTH)
"""Of the plan."""

MIDDLE = (240, 160)
"""Of the window that `enter` makes, where a board hangs that `hang_before` hung."""


@pytest.fixture
async def room(server: ServerProcess) -> LiveRoom:
    return await live_room(server, dimensions={"width": WIDTH, "depth": DEPTH, "height": 4})


def invite(room: LiveRoom, session: LiveSession, role: str | None, name: str) -> Invitation:
    """A way into the room, with a token that grants a role in the session as well."""
    user, way_in = uuid4(), room.invite()
    grants = {f"xr/{room.id}": "editor"}
    if role is not None:
        grants[f"ocw/{session.id}"] = role
    return Invitation(way_in.base, way_in.room, mint(user, name=name, grants=grants), user)


async def hang(room: LiveRoom, session: str, transform: dict[str, Any] | None = None) -> str:
    """Put a whiteboard into the room that names a session; its id."""
    body = {
        "object_type": "whiteboard",
        "properties": {"session_id": session},
        **({} if transform is None else transform),
    }
    answer = await room.server.request("POST", f"/xr/rooms/{room.id}/objects", json=body)
    answer.raise_for_status()
    return str(answer.json()["data"]["id"])


async def hang_before(person: Person, room: LiveRoom, session: LiveSession) -> str:
    """The same in the middle of the room, turned to somebody who has just come in: they look
    there."""
    left, top = await place(person, SELF)
    x, z = left / PIXELS_PER_METRE - WIDTH / 2, top / PIXELS_PER_METRE - DEPTH / 2
    half = math.atan2(x, z) / 2
    return await hang(
        room,
        session.id,
        {
            "position": {"x": 0, "y": 1.65, "z": 0},
            "rotation": {"x": 0, "y": math.sin(half), "z": 0, "w": math.cos(half)},
        },
    )


async def take_down(room: LiveRoom, board: str) -> None:
    answer = await room.server.request("DELETE", f"/xr/rooms/{room.id}/objects/{board}")
    answer.raise_for_status()


def boards(person: Person) -> Locator:
    """The pictures of all whiteboards; they hang in the scene, and are no elements to be seen."""
    return person.page.locator("#scene > canvas")


async def reads(person: Person, words: str) -> None:
    """Wait until the one whiteboard is told to say this to who cannot see it."""
    await expect(boards(person)).to_have_attribute("aria-label", f"Whiteboard: {words}")


SHOWS = """([canvas, color, least, tolerance]) => {
    const picture = document.querySelector(canvas)
    if (picture === null) return false
    const copy = document.createElement('canvas')
    copy.width = picture.width
    copy.height = picture.height
    const context = copy.getContext('2d')
    const count = () => {
      context.drawImage(picture, 0, 0)
      const { data } = context.getImageData(0, 0, copy.width, copy.height)
      const wanted = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16))
      let found = 0
      for (let at = 0; at < data.length; at += 4) {
        if (wanted.every((value, n) => Math.abs(data[at + n] - value) <= tolerance)) found += 1
      }
      return found
    }
    // What WebGL drew can be read before the picture is over.
    return new Promise((done) => requestAnimationFrame(() => done(count() >= least)))
  }"""

BOARD, SCENE = "#scene > canvas", "#scene"
YELLOW, INK = "#fde68a", "#22252b"


async def shows(person: Person, picture: str, color: str, least: int) -> None:
    """Wait until a picture has so many pixels of a colour."""
    await person.page.wait_for_function(
        SHOWS, arg=[picture, color, least, 3], timeout=WAIT_MILLISECONDS
    )


async def test_what_is_drawn_on_the_canvas_page_is_on_the_wall(
    room: LiveRoom, session: LiveSession, sit_down: SitDown
) -> None:
    ada, bob = await sit_down(), await sit_down()
    await enter(ada, room.server, invite(room, session, "viewer", "Ada"))
    await hang_before(ada, room, session)
    await reads(ada, "empty")
    await bob.open(room.server.port, session.invite(name="Bob"))
    await bob.write_note("buy milk", 500, 300)
    await reads(ada, "Note: buy milk")
    await shows(ada, BOARD, YELLOW, 10_000)
    await shows(ada, SCENE, YELLOW, 100)
    await bob.page.mouse.move(900, 500)
    color = await bob.page.locator("#participants li").first.evaluate(
        "element => element.style.getPropertyValue('--color')"
    )
    await shows(ada, BOARD, color, 50)
    await bob.note("buy milk").click()
    await bob.page.keyboard.press("Delete")
    await reads(ada, "empty")


async def test_what_is_written_on_the_wall_is_on_the_canvas_page_and_in_the_rows(
    room: LiveRoom, session: LiveSession, sit_down: SitDown
) -> None:
    ada, bob = await sit_down(), await sit_down()
    way_in = invite(room, session, "editor", "Ada")
    await enter(ada, room.server, way_in)
    await hang_before(ada, room, session)
    await bob.open(room.server.port, session.invite(name="Bob"))
    await reads(ada, "empty")
    start = await place(ada, SELF)
    await ada.page.mouse.move(*MIDDLE)
    await expect(bob.cursors).to_have_text(re.compile("^Ada · "))
    await ada.page.mouse.click(*MIDDLE)
    await write(ada, "seen")
    await ada.page.keyboard.press("n")  # where she looks: in the same one
    await write(ada, " by all")
    await expect(bob.note("seen by all")).to_be_visible()
    await ada.page.mouse.click(MIDDLE[0] - 60, MIDDLE[1])
    await expect(bob.objects).to_have_count(2)
    await ada.page.keyboard.press("Escape")  # nothing was written
    await expect(bob.objects).to_have_count(1)
    assert await place(ada, SELF) == start, "who types does not walk"
    (row,) = await rows(session)
    assert row["properties"]["text"] == "seen by all"
    assert row["created_by"] == str(way_in.user_id)


async def write(person: Person, words: str) -> None:
    await expect(person.page.locator("#note-text")).to_be_focused()
    await person.page.keyboard.type(words)
    await person.page.keyboard.press("Enter")


async def rows(session: LiveSession) -> list[dict[str, Any]]:
    """Its objects, as the table has them."""
    connection = await asyncpg.connect(session.server.database_dsn())
    try:
        await connection.set_type_codec(
            "jsonb", schema="pg_catalog", encoder=str, decoder=json.loads
        )
        found = await connection.fetch(
            "SELECT properties, created_by FROM ocw_objects"
            " WHERE session_id = $1 AND deleted_at IS NULL",
            session.id,
        )
    finally:
        await connection.close()
    return [dict(row) for row in found]


async def test_a_board_says_why_it_shows_or_takes_nothing_and_the_room_goes_on(
    room: LiveRoom, session: LiveSession, sit_down: SitDown
) -> None:
    ada = await sit_down()
    way_in = invite(room, session, None, "Ada")
    await enter(ada, room.server, way_in)
    await hang_before(ada, room, session)
    await reads(ada, "You have no access to this session")
    await shows(ada, BOARD, INK, 100)
    await walk(ada, "w")
    await expect(ada.link).to_have_text("Connected")
    await expect(ada.farewell).to_be_hidden()
    await let_in(session, way_in.user_id)
    await ada.page.mouse.click(*MIDDLE)
    await reads(ada, "empty")
    await ada.page.mouse.click(*MIDDLE)
    await expect(ada.page.get_by_text("The board does not take it")).to_be_visible()
    await expect(ada.page.locator("#note")).to_be_hidden()
    await reads(ada, "empty")
    assert (await session.state())["objects"] == {}
    await session.end()
    await reads(ada, "This session has ended")
    await expect(ada.link).to_have_text("Connected")


async def let_in(session: LiveSession, user_id: UUID) -> None:
    """Make somebody a viewer of the session."""
    connection = await asyncpg.connect(session.server.database_dsn())
    try:
        await connection.execute(
            "INSERT INTO ocw_participants (session_id, user_id, role) VALUES ($1, $2, 'viewer')",
            session.id,
            user_id,
        )
    finally:
        await connection.close()


async def test_a_session_is_joined_once_and_left_when_no_board_names_it(
    server: ServerProcess, room: LiveRoom, session: LiveSession, sit_down: SitDown
) -> None:
    ada, bob = await sit_down(), await sit_down()
    opened: list[WebSocket] = []

    def note(socket: WebSocket) -> None:
        opened.append(socket)

    ada.page.on("websocket", note)
    await enter(ada, server, invite(room, session, "editor", "Ada"))
    await bob.open(server.port, session.invite(name="Bob"))
    first, second = await hang(room, session.id), await hang(room, session.id)
    await expect(boards(ada)).to_have_count(2)
    await expect(bob.people).to_have_count(2)
    assert [session.id in socket.url for socket in opened] == [False, True]
    await take_down(room, first)
    await expect(boards(ada)).to_have_count(1)
    await expect(bob.people).to_have_count(2)
    other = await server.create_session(default_role="editor")
    path = f"/xr/rooms/{room.id}/objects/{second}"
    patch = {"properties": {"session_id": other.id}}
    assert (await server.request("PATCH", path, json=patch)).is_success
    await expect(bob.people).to_have_count(1)
    await bob.open(server.port, other.invite(name="Bob"))
    await expect(bob.people).to_have_count(2)
    await take_down(room, second)
    await expect(bob.people).to_have_count(1)
    if not opened[-1].is_closed():
        await opened[-1].wait_for_event("close")
    assert [socket.is_closed() for socket in opened] == [False, True, True]
