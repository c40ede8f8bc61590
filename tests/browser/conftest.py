"""One headless Chromium and one real server for all tests of the page."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.built_page import ensure_built
from tests.browser.person import Person
from tests.helpers.proving import missing
from tests.helpers.server_process import LiveSession, ServerProcess, running_server

WAIT_MILLISECONDS = 15_000

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",  # WebGL without a graphics card; only our own pages use it
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

SitDown = Callable[[], Awaitable[Person]]


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path is not None:
            return path
    pytest.skip(missing("install Chromium (Debian: apt-get install chromium)"))


@pytest.fixture(scope="session")
def server(chromium: str) -> Iterator[ServerProcess]:
    """A server as users run it, with the page."""
    ensure_built()
    with running_server() as process:
        yield process


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    expect.set_options(timeout=WAIT_MILLISECONDS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def session(server: ServerProcess) -> LiveSession:
    """A new session whose members are those with a grant in their token."""
    return await server.create_session()


@pytest_asyncio.fixture(loop_scope="session")
async def sit_down(browser: Browser) -> AsyncIterator[SitDown]:
    """People at browsers of their own; none may have seen a fault of the page at the end."""
    people: list[Person] = []

    async def one_more() -> Person:
        people.append(await Person.sit_down(browser))
        return people[-1]

    yield one_more
    for person in people:
        await person.context.close()
    assert [fault for person in people for fault in person.faults] == []
