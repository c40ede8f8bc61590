"""Links, tokens, refusals and the words for them."""

from __future__ import annotations

from uuid import uuid4

import pytest
from playwright.async_api import expect

from tests.browser.conftest import SitDown
from tests.helpers.server_process import Invitation, LiveSession, ServerProcess

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("browser")]


async def test_the_token_is_not_left_in_the_address_and_a_reload_works(
    session: LiveSession, sit_down: SitDown
) -> None:
    ada = await sit_down()
    invitation = session.invite(name="Ada")
    await ada.open(session.server.port, invitation)
    assert "token" not in ada.page.url
    assert session.id in ada.page.url
    await ada.write_note("still here", 400, 300)
    await expect(ada.saved).to_have_text("Saved")
    await ada.page.reload()
    await expect(ada.note("still here")).to_be_visible()
    assert (await ada.own_name()).startswith("Ada · ")


async def test_a_copied_link_brings_somebody_else_in(
    session: LiveSession, sit_down: SitDown
) -> None:
    ada, bob = await sit_down(), await sit_down()
    await ada.open(session.server.port, session.invite(name="Ada"))
    await ada.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await ada.click("Copy link")
    await expect(ada.page.get_by_text("Link copied")).to_be_visible()
    link = await ada.page.evaluate("navigator.clipboard.readText()")
    await bob.page.goto(link)
    await expect(ada.people).to_have_count(2)


async def test_an_ended_session_says_so_and_can_be_edited_no_more(
    session: LiveSession, sit_down: SitDown
) -> None:
    ada = await sit_down()
    await ada.open(session.server.port, session.invite())
    await ada.write_note("last words", 400, 300)
    await expect(ada.saved).to_have_text("Saved")
    await session.end()
    await expect(ada.farewell).to_contain_text("This session has ended")
    await expect(ada.farewell).to_contain_text("4410")
    await expect(ada.link).to_have_text("Disconnected")
    await ada.page.mouse.dblclick(200, 500)
    await ada.page.keyboard.press("Control+z")
    await expect(ada.objects).to_have_count(1)
    await expect(ada.page.get_by_role("button", name="Add a note")).to_be_disabled()


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("bad token", "Your link is not valid any more"),
        ("no access", "You have no access to this session"),
        ("no session", "There is no such session"),
    ],
)
async def test_who_cannot_come_in_is_told_why(
    server: ServerProcess, session: LiveSession, sit_down: SitDown, case: str, words: str
) -> None:
    ada = await sit_down()
    invitations: dict[str, Invitation] = {
        "bad token": session.invite_with("not.a.token"),
        "no access": session.invite(role=None),
        "no session": LiveSession(server, str(uuid4())).invite(),
    }
    await ada.follow(server.port, invitations[case])
    await expect(ada.farewell).to_contain_text(words)


async def test_without_a_link_the_page_says_where_to_get_one(
    server: ServerProcess, sit_down: SitDown
) -> None:
    ada = await sit_down()
    await ada.page.goto(f"http://127.0.0.1:{server.port}/")
    await expect(ada.farewell).to_contain_text("No session is open")


async def test_a_viewers_edit_is_refused_and_the_viewer_is_told(
    session: LiveSession, sit_down: SitDown
) -> None:
    ada, viewer = await sit_down(), await sit_down()
    await ada.open(session.server.port, session.invite())
    await viewer.open(session.server.port, session.invite("viewer"))
    await viewer.write_note("mine", 400, 300)
    await expect(viewer.page.locator(".notice.denied")).to_contain_text("Not accepted:")
    await expect(viewer.saved).to_have_text("Not accepted")
    await ada.write_note("allowed", 700, 300)
    await expect(viewer.note("allowed")).to_be_visible()
    await expect(ada.objects).to_have_count(1)
    await viewer.click("Reload")
    await expect(viewer.saved).to_have_text("Saved")
    await expect(viewer.objects).to_have_count(1)
