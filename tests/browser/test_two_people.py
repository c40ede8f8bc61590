"""Two people at two browsers on one canvas."""

from __future__ import annotations

from uuid import uuid4

import pytest
from playwright.async_api import Locator, WebSocket, expect

from tests.browser.conftest import SitDown
from tests.browser.person import Person, middle, place
from tests.helpers.server_process import LiveSession

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("browser")]

SYNC, AWARENESS = 0, 1
UPDATE = 2


async def two_people(session: LiveSession, sit_down: SitDown) -> tuple[Person, Person]:
    ada, bob = await sit_down(), await sit_down()
    await ada.open(session.server.port, session.invite(name="Ada"))
    await bob.open(session.server.port, session.invite(name="Bob"))
    return ada, bob


async def same_place(one: Locator, other: Locator) -> None:
    """Wait until two pages have it at the same place."""
    await expect(other).to_have_css("translate", await place(one))


async def test_what_one_does_the_other_sees(session: LiveSession, sit_down: SitDown) -> None:
    ada, bob = await two_people(session, sit_down)
    await ada.write_note("buy milk", 400, 300)
    await expect(bob.note("buy milk")).to_be_visible()
    await expect(bob.note("buy milk")).to_have_text("buy milkAda · " + await label_of(ada))

    start = await place(ada.note("buy milk"))
    await ada.drag(ada.note("buy milk"), 200, 120)
    assert await place(ada.note("buy milk")) != start
    await same_place(ada.note("buy milk"), bob.note("buy milk"))
    await ada.click("Undo")
    await expect(bob.note("buy milk")).to_have_css("translate", start)

    await bob.note("buy milk").click()
    await bob.page.keyboard.press("Delete")
    await expect(ada.objects).to_have_count(0)
    await bob.page.keyboard.press("Control+z")
    await expect(ada.note("buy milk")).to_be_visible()


async def label_of(person: Person) -> str:
    return (await person.own_name()).partition(" · ")[2]


async def test_everybodys_cursor_has_their_name_and_colour(
    session: LiveSession, sit_down: SitDown
) -> None:
    ada, bob = await two_people(session, sit_down)
    await ada.page.mouse.move(300, 250)
    await bob.page.mouse.move(700, 450)
    for watcher, watched, at in ((ada, bob, (700, 450)), (bob, ada, (300, 250))):
        await expect(watcher.cursors).to_have_count(1)
        await expect(watcher.cursors).to_have_text(await watched.own_name())
        await expect(watcher.people).to_have_count(2)
        await expect(watcher.cursors).to_have_css("translate", f"{at[0]}px {at[1]}px")
    color = "element => getComputedStyle(element).getPropertyValue('--color')"
    assert await ada.cursors.evaluate(color) != await bob.cursors.evaluate(color)

    await bob.context.close()
    await expect(ada.cursors).to_have_count(0)
    await expect(ada.people).to_have_count(1)


async def test_one_link_opened_twice_is_two_people(session: LiveSession, sit_down: SitDown) -> None:
    ada, twin = await sit_down(), await sit_down()
    invitation = session.invite(name="Demo", user_id=uuid4())
    for person in (ada, twin):
        await person.open(session.server.port, invitation)
    await expect(ada.people).to_have_count(2)
    await expect(twin.people).to_have_count(2)
    names = await ada.people.all_inner_texts()
    assert all(name.startswith("Demo · ") for name in names)
    assert len(set(names)) == 2
    assert set(await twin.people.all_inner_texts()) == set(names)


async def test_two_people_typing_in_one_note_keep_their_places(
    session: LiveSession, sit_down: SitDown
) -> None:
    ada, bob = await two_people(session, sit_down)
    await ada.write_note("middle", 500, 300)
    for person, key in ((ada, "Home"), (bob, "End")):
        await person.note("middle").dblclick()
        await expect(person.page.get_by_role("textbox")).to_be_focused()
        await person.page.keyboard.press(key)
    for first, second in zip("ABCDEF", "uvwxyz", strict=True):
        await ada.page.keyboard.type(first)
        await bob.page.keyboard.type(second)
    for person in (ada, bob):
        await expect(person.page.get_by_role("textbox")).to_have_value("ABCDEFmiddleuvwxyz")
    # The caret is still where it was, and undo takes back one's own letters only.
    await ada.page.keyboard.press("Control+z")
    await expect(bob.page.get_by_role("textbox")).to_have_value("middleuvwxyz")


async def test_shapes_are_made_coloured_resized_and_labelled(
    session: LiveSession, sit_down: SitDown
) -> None:
    ada, bob = await two_people(session, sit_down)
    await ada.click("Add an ellipse")
    await ada.click("Pink")
    await ada.drag(ada.page.locator(".resize-handle"), 60, 40)
    await ada.page.keyboard.press("Enter")
    await ada.page.keyboard.type("Design")
    ellipse = bob.page.get_by_role("group", name="Ellipse: Design")
    await expect(ellipse).to_be_visible()
    await expect(ellipse).to_have_css("width", "260px")
    await expect(ellipse).to_have_css("height", "170px")
    objects = (await session.state())["objects"]
    (written,) = objects.values()
    assert written["object_type"] == "shape"
    assert written["properties"]["kind"] == "ellipse"
    assert written["properties"]["color"] == "#f9a8d4"
    assert written["size"] == {"width": 260, "height": 170}


async def test_everything_can_be_done_by_keyboard(session: LiveSession, sit_down: SitDown) -> None:
    ada, bob = await two_people(session, sit_down)
    keyboard = ada.page.keyboard
    await ada.page.locator("#stage").focus()
    await keyboard.press("n")
    await keyboard.type("typed")
    await keyboard.press("Escape")
    start = await place(ada.note("typed"))
    await keyboard.press("ArrowRight")
    await keyboard.press("Shift+ArrowUp")
    x, y = (float(part.removesuffix("px")) for part in start.split())
    await expect(bob.note("typed")).to_have_css("translate", f"{x + 8:g}px {y - 1:g}px")
    await keyboard.press("Delete")
    await expect(bob.objects).to_have_count(0)
    await keyboard.press("Control+z")
    await expect(bob.objects).to_have_count(1)
    await keyboard.press("Control+Shift+z")
    await expect(bob.objects).to_have_count(0)


# By the page itself: a pointer moved from outside moves no faster than its moves may be sent.
MOVE_250_TIMES = """async () => {
  const stage = document.getElementById('stage')
  const began = performance.now()
  for (let step = 1; step <= 250; step++) {
    const at = { clientX: 400 + step, clientY: 300 + step / 2, bubbles: true }
    stage.dispatchEvent(new PointerEvent('pointermove', at))
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  return performance.now() - began
}"""


async def test_a_drag_is_sent_thirty_times_a_second_and_a_cursor_twenty(
    session: LiveSession, sit_down: SitDown
) -> None:
    ada = await sit_down()
    sent: list[bytes] = []

    def record(frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            sent.append(frame)

    def listen(socket: WebSocket) -> None:
        socket.on("framesent", record)

    ada.page.on("websocket", listen)
    await ada.open(session.server.port, session.invite(name="Ada"))
    await ada.write_note("heavy", 400, 300)
    x, y = await middle(ada.note("heavy"))
    await ada.page.mouse.move(x, y)
    await ada.page.mouse.down()
    sent.clear()
    seconds = await ada.page.evaluate(MOVE_250_TIMES) / 1000
    await ada.page.mouse.up()
    await expect(ada.saved).to_have_text("Saved")
    updates = sum(frame[0] == SYNC and frame[1] == UPDATE for frame in sent)
    presence = sum(frame[0] == AWARENESS for frame in sent)
    assert 1 < updates <= 30.5 * seconds + 2
    assert 1 < presence <= 20 * seconds + 2
