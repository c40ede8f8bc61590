"""Somebody in front of the page: what they do, and what they see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from tests.helpers.server_process import Invitation

STATUS = "#saved-state"
LINK = "#link-state"


@dataclass
class Person:
    """One browser with one page, sharing nothing with any other."""

    page: Page
    context: BrowserContext
    faults: list[str] = field(default_factory=list)

    @classmethod
    async def sit_down(cls, browser: Browser) -> Self:
        """A new browser profile with an empty page."""
        context = await browser.new_context(viewport={"width": 1200, "height": 700})
        person = cls(await context.new_page(), context)
        person.page.on("pageerror", lambda error: person.faults.append(str(error)))
        person.page.on("console", person._on_console)
        return person

    def _on_console(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Unable to compute" in message.text:
            self.faults.append(message.text)

    async def open(self, port: int, invitation: Invitation) -> None:
        """Follow a link and wait until everything there has arrived."""
        await self.follow(port, invitation)
        await expect(self.page.locator(STATUS)).to_have_text("Saved")

    async def follow(self, port: int, invitation: Invitation) -> None:
        """Follow a link, whatever comes of it."""
        session = invitation.room.removesuffix("/ws")
        await self.page.goto(f"http://127.0.0.1:{port}/#session={session}&token={invitation.token}")

    # What they do

    async def write_note(self, text: str, x: int, y: int) -> None:
        """Double click somewhere and type."""
        await self.page.mouse.dblclick(x, y)
        await expect(self.page.get_by_role("textbox")).to_be_focused()
        await self.page.keyboard.type(text)
        await self.page.keyboard.press("Escape")

    async def click(self, button: str) -> None:
        """Press a button of the page."""
        await self.page.get_by_role("button", name=button, exact=True).click()

    async def drag(self, thing: Locator, dx: int, dy: int, *, steps: int = 10) -> None:
        """Drag something by so many pixels."""
        x, y = await middle(thing)
        await self.page.mouse.move(x, y)
        await self.page.mouse.down()
        await self.page.mouse.move(x + dx, y + dy, steps=steps)
        await self.page.mouse.up()

    # What they see

    @property
    def objects(self) -> Locator:
        """Everything on the board."""
        return self.page.locator(".object")

    def note(self, text: str) -> Locator:
        """The note that says this."""
        return self.page.get_by_role("group", name=f"Note: {text}", exact=True)

    @property
    def saved(self) -> Locator:
        """The mark that says whether everything is stored."""
        return self.page.locator(STATUS)

    @property
    def link(self) -> Locator:
        """The state of the connection."""
        return self.page.locator(LINK)

    @property
    def cursors(self) -> Locator:
        """Everybody else's cursor."""
        return self.page.locator(".cursor")

    @property
    def people(self) -> Locator:
        """Those in the list of participants."""
        return self.page.locator("#participants li .name")

    @property
    def farewell(self) -> Locator:
        """What stands there when it is over."""
        return self.page.get_by_role("alertdialog")

    async def own_name(self) -> str:
        """What the others see this person as."""
        return await self.people.first.inner_text()


async def middle(thing: Locator) -> tuple[float, float]:
    """The middle of something, in pixels of its page."""
    box = await thing.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def place(thing: Locator) -> Any:
    """Where something is on the board."""
    return await thing.evaluate("element => element.style.translate")
