"""A board as SVG, in a browser: things are where the objects say, and words stay within them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from crdt_docs.svg.geometry import Box
from crdt_docs.svg.items import item_of
from crdt_docs.svg.metrics import width_of
from crdt_docs.svg.page import render
from tests.browser.conftest import SitDown
from tests.helpers.boards import OBJECTS, objects, remarks
from tests.helpers.server_process import LiveSession, ServerProcess

pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.asyncio(loop_scope="session"),
]

BODIES = {
    "frame": "rect",
    "text": "rect",
    "sticky": "path:nth-of-type(4)",  # three of them are its shadow
    "shape": "rect, ellipse, polygon, path",
    "image": "rect, image",
    "drawing": "rect",
    "poll": "rect",
}
"""Which element of an object's group covers its box."""

MEASURE = """
([bodies, inner]) => Object.fromEntries(
  [...document.querySelectorAll('[data-object-id]')].flatMap(group => {
    const body = group.querySelector(inner ? 'text' : bodies[group.dataset.objectType])
    if (!body) return []
    const {x, y, width, height} = body.getBoundingClientRect()
    return [[group.dataset.objectId, [x, y, width, height]]]
  }))
"""


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, tmp_path: Path) -> AsyncIterator[Page]:
    """A page that shows the sample board."""
    file = tmp_path / "board.svg"
    file.write_text(render(objects(), remarks(), "A workshop"), encoding="utf-8")
    context = await browser.new_context(viewport={"width": 1300, "height": 560})
    page = await context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(file.as_uri())
    yield page
    await page.screenshot(path=str(tmp_path / "board.png"))
    await context.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


async def measured(page: Page, *, words: bool) -> dict[str, Box]:
    """What the objects cover on the screen, or what their words do, in pixels of the board."""
    found: dict[str, Any] = await page.evaluate(MEASURE, [BODIES, words])
    left, top, *_ = await page.evaluate(
        "() => { const v = document.documentElement.viewBox.baseVal; return [v.x, v.y] }"
    )
    return {
        identifier: Box(x + left, y + top, width, height)
        for identifier, (x, y, width, height) in found.items()
    }


async def test_every_type_is_drawn_where_its_object_is(page: Page) -> None:
    shown = await measured(page, words=False)
    for identifier, state in objects().items():
        item = item_of(identifier, state)
        if item.kind == "connector" or identifier == "rising":
            continue
        expected = item.box.rotated(item.rotation)
        assert shown[identifier] == pytest.approx(expected, abs=1.5), identifier


async def test_a_line_leads_from_corner_to_corner(page: Page) -> None:
    line = (await measured(page, words=False))["rising"]
    box = item_of("rising", objects()["rising"]).box
    head = 7 + 2.6 * 4  # the shaft ends within its head
    assert line.x == pytest.approx(box.x, abs=3)
    assert line.bottom == pytest.approx(box.bottom, abs=3)
    assert box.right - head < line.right < box.right + 3


async def test_connectors_lead_from_edge_to_edge(page: Page) -> None:
    path = "[data-object-id='first arrow'] path"
    ends = await page.evaluate(
        """selector => {
          const [shaft, head] = document.querySelectorAll(selector)
          const start = shaft.getPointAtLength(0)
          const tip = head.getPointAtLength(0)
          return [start.x, start.y, tip.x, tip.y]
        }""",
        path,
    )
    assert ends == pytest.approx([450 + 3, 200, 530 - 3, 200], abs=1.5)


async def test_words_stay_within_their_objects(page: Page) -> None:
    shown = await measured(page, words=True)
    assert {"note", "start", "choice", "build", "wedge", "picture", "heading"} <= set(shown)
    for identifier, words in shown.items():
        if OBJECTS[identifier]["object_type"] in ("frame", "connector"):
            continue
        item = item_of(identifier, objects()[identifier])
        room = item.box.rotated(item.rotation).inset(-2, -2)
        assert room.x <= words.x, identifier
        assert words.right <= room.right, identifier
        assert room.y <= words.y, identifier
        assert words.bottom <= room.bottom, identifier


async def test_widths_of_words_are_those_of_the_browser(page: Page) -> None:
    text = "Deployments on Fridays went well: nobody had to stay late. Ça, l'été (1984) @ 50 %!"
    for weight, most in (("normal", 0.01), ("bold", 0.04)):
        width = await page.evaluate(
            """([text, weight]) => {
              const probe = document.querySelector('text').cloneNode()
              probe.textContent = text
              probe.setAttribute('font-size', '20')
              probe.setAttribute('font-weight', weight)
              document.documentElement.append(probe)
              const width = probe.getComputedTextLength()
              probe.remove()
              return width
            }""",
            [text, weight],
        )
        expected = width_of(text, 20, "sans", is_bold=weight == "bold")
        assert width == pytest.approx(expected, rel=most)


async def test_an_embedded_image_is_shown(page: Page) -> None:
    count = await page.evaluate(
        """async () => {
          const image = new Image()
          image.src = document.querySelector('image').getAttribute('href')
          await image.decode()
          return [image.naturalWidth, image.naturalHeight]
        }"""
    )
    assert count == [4, 4]


async def test_an_export_shows_what_the_page_shows(
    browser: Browser, server: ServerProcess, session: LiveSession, sit_down: SitDown
) -> None:
    """The same objects, as far from one another, as large, in the same colours, saying the same."""
    ada = await sit_down()
    await ada.open(server.port, session.invite(name="Ada"))
    await ada.write_note("buy milk", 300, 250)
    await ada.click("Add an ellipse")
    await ada.click("Pink")
    await expect(ada.saved).to_have_text("Saved")
    on_page = await ada.page.evaluate(
        """() => [...document.querySelectorAll('.object')].map(object => {
          const {x, y, width, height} = object.getBoundingClientRect()
          const color = getComputedStyle(object.querySelector('.object-body')).backgroundColor
          return [object.dataset.objectId, x, y, width, height, color, object.innerText.trim()]
        })"""
    )
    answer = await server.request("GET", f"/ocw/sessions/{session.id}/export?format=svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    context = await browser.new_context(viewport={"width": 1300, "height": 700})
    page = await context.new_page()
    await page.set_content(f"<body style='margin: 0'>{answer.text}</body>")
    exported = await page.evaluate(
        """() => [...document.querySelectorAll('[data-object-id]')].map(group => {
          const body = group.querySelector('ellipse, path:nth-of-type(4)')
          const {x, y, width, height} = body.getBoundingClientRect()
          const {fill} = getComputedStyle(body)
          return [group.dataset.objectId, x, y, width, height, fill, group.textContent]
        })"""
    )
    await context.close()
    shown, drawn = ({row[0]: row for row in rows} for rows in (on_page, exported))
    assert shown.keys() == drawn.keys()
    first, *_ = shown
    for identifier, row in shown.items():
        other = drawn[identifier]
        for axis in (1, 2):
            apart = row[axis] - shown[first][axis]
            assert other[axis] - drawn[first][axis] == pytest.approx(apart, abs=2.5)
        assert other[3:5] == pytest.approx(row[3:5], abs=2.5)
        assert _rgb(other[5]) == pytest.approx(_rgb(row[5]), abs=2)
        assert other[6] == row[6]


def _rgb(color: str) -> list[float]:
    """The parts of a computed colour: `rgb(…)` from 0 to 255, or `color(srgb …)` from 0 to 1."""
    parts = [float(part) for part in re.findall(r"[\d.]+", color)][:3]
    return [part * 255 for part in parts] if color.startswith("color(") else parts
