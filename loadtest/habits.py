"""What people do at a board: the pieces that stories are made of.

Everything ends when the run does. Whoever moves something moves the cursor with it, 20 times a
second, as stock clients send it at most.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import Final

from loadtest.marks import LENGTH
from loadtest.person import Person

HERTZ: Final = 20.0
WIDTH: Final = 4000.0
HEIGHT: Final = 3000.0
"""Of the part of the board where people are."""

KEPT: Final = 30
"""Objects of one person that stay, where a story does not say how many."""

WORDS_A_SECOND: Final = 2.5


async def steps(me: Person, seconds: float, hertz: float = HERTZ) -> AsyncIterator[float]:
    """Parts of a movement, from above 0 to 1, each when it is due."""
    count = max(round(seconds * hertz), 1)
    for number in range(1, count + 1):
        await me.pause(1 / hertz)
        if not me.is_running:
            return
        yield number / count


async def look(me: Person, calm: float = 1.0) -> None:
    """Look at what the others do."""
    await me.pause(calm * me.random.uniform(1.0, 4.0))


async def wander(me: Person) -> None:
    """Move the cursor somewhere."""
    (x, y), (to_x, to_y) = spot(me), spot(me)
    async for part in steps(me, me.random.uniform(0.5, 1.5)):
        me.point(x + part * (to_x - x), y + part * (to_y - y))


async def draw(me: Person) -> None:
    """Draw a stroke of 30 to 80 points within a second."""
    x, y = spot(me)
    points = _stroke(me, me.random.randint(30, 80))
    drawing, update = me.board.drawing(x, y)
    me.edit(update)
    drawn = 0
    async for part in steps(me, 1.0):
        until = max(round(part * len(points)), drawn + 1)
        me.edit(me.board.extend(drawing, points[drawn:until]))
        drawn = until
        me.point(x + points[until - 1][0], y + points[until - 1][1])


async def build(me: Person) -> None:
    """Put a shape on the board, and bring it to where it belongs."""
    put(me)
    await drag(me)


async def drag(me: Person) -> None:
    """Drag one of the last things that one made, pause in between, and drag on."""
    if not me.board.objects:
        put(me)
    dragged, (x, y) = me.random.choice(me.board.objects[-3:]), spot(me)
    for _ in range(2):
        to_x, to_y = spot(me)
        async for part in steps(me, me.random.uniform(0.4, 1.2)):
            at = x + part * (to_x - x), y + part * (to_y - y)
            me.edit(me.board.move(dragged, *at))
            me.point(*at)
        x, y = to_x, to_y
        await me.pause(me.random.uniform(0.2, 0.8))


async def write(me: Person) -> None:
    """Put a sticky there, and type some words, of which the last one is taken back."""
    sticky, update = me.board.sticky(*spot(me))
    me.edit(update)
    words = me.random.randint(3, 10)
    async for _ in steps(me, words / WORDS_A_SECOND, WORDS_A_SECOND):
        me.edit(me.board.type_word(sticky))
    await me.pause(0.5)
    if me.is_running:
        me.edit(me.board.erase(sticky, LENGTH + 1))


async def work(me: Person, calm: float = 1.0, kept: int = KEPT) -> None:
    """Work at the board: mostly look, then drag, point, draw and write.

    Args:
        calm: how much longer than usual one looks.
        kept: objects that stay of one's own; then the oldest goes for each new one.
    """
    await look(me, calm)
    while me.is_running:
        if len(me.board.objects) > kept:
            me.edit(me.board.delete(me.board.objects[0]))
        (habit,) = me.random.choices((drag, wander, draw, write, build), weights=(3, 3, 2, 2, 1))
        await habit(me)
        await look(me, calm)


async def watch(me: Person, seconds: float) -> None:
    """Look on, and move the cursor now and then: once in so many seconds."""
    while me.is_running:
        await me.pause(me.random.uniform(0.5, 1.5) * seconds)
        await wander(me)


def put(me: Person) -> str:
    """Put a shape on the board."""
    shape, update = me.board.shape(*spot(me))
    me.edit(update)
    return shape


def spot(me: Person) -> tuple[float, float]:
    """Somewhere on the board."""
    return me.random.uniform(0, WIDTH), me.random.uniform(0, HEIGHT)


def _stroke(me: Person, count: int) -> list[tuple[float, float]]:
    """A curve as a hand draws it, from its first point."""
    reach, turns = me.random.uniform(50, 300), me.random.uniform(0.3, 2.0)
    angles = (turns * math.tau * number / count for number in range(1, count + 1))
    return [(round(reach * angle, 1), round(reach * math.sin(angle), 1)) for angle in angles]
