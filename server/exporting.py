"""Boards gathered and drawn for whoever asks: a few at once, and others are served in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from crdt_docs.identifiers import DocumentKind
from crdt_docs.object_fields import project
from crdt_docs.object_kinds import KINDS, ObjectKind
from crdt_docs.projection import (
    AnnotationState,
    ObjectState,
    is_projected_id,
)
from persistence.object_ports import ObjectReader, ObjectRow
from persistence.object_rows import stated
from server.breath import Breath
from server.places import AllTaken, Places

AT_ONCE = 2
"""Boards that are gathered at the same time; each is in memory as a whole."""

WAITING = 16
"""Who may wait for one of these places."""

ROWS_AT_ONCE = 500


class ExportBusy(AllTaken):
    """Too many export boards already; it may work in a moment."""


class Exported(NamedTuple):
    """One object or annotation.

    Attributes:
        state: as its row has it, without the search text.
        row: with its version and times; None for one of the past.
    """

    state: Mapping[str, Any]
    row: ObjectRow | None


@dataclass(frozen=True, slots=True)
class Board:
    """What is on a board, by id, ordered by it."""

    objects: dict[str, Exported] = field(default_factory=dict)
    annotations: dict[str, Exported] = field(default_factory=dict)

    def of(self, kind: ObjectKind) -> dict[str, Exported]:
        """All of one kind."""
        return self.objects if kind is ObjectKind.OCW_OBJECT else self.annotations


class Exports:
    """Hands out the places."""

    def __init__(self) -> None:
        self._places = Places(AT_ONCE, WAITING, ExportBusy)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place for as long as this lasts.

        Raises:
            ExportBusy: too many wait for one.
        """
        await self._places.take()
        try:
            yield
        finally:
            self._places.leave()


async def stored_board(objects: ObjectReader, session_id: UUID) -> Board:
    """What the rows of a session say.

    Raises:
        StorageUnavailable: they cannot be read.
    """
    board = Board()
    for kind in KINDS[DocumentKind.OCW]:
        after = ""
        while True:
            rows = await objects.objects(session_id, kind, after=after, limit=ROWS_AT_ONCE)
            board.of(kind).update((row.id, Exported(row.state, row)) for row in rows)
            if len(rows) < ROWS_AT_ONCE:
                break
            after = rows[-1].id
    return board


async def past_board(values: Mapping[str, Mapping[str, Any]]) -> Board:
    """What the rows would have said of the values of root maps."""
    board, breath = Board(), Breath()
    for kind in KINDS[DocumentKind.OCW]:
        for identifier in sorted(filter(is_projected_id, values.get(kind.root, {}))):
            value = values[kind.root][identifier]
            if value is not None:
                board.of(kind)[identifier] = Exported(stated(project(kind, value)), None)
            await breath.take()
    return board


def _rendering() -> Callable[..., Generator[None, None, str]]:
    """What draws, loaded by whoever exports a drawing first: most servers never do."""
    from crdt_docs.svg.page import rendering  # noqa: PLC0415 - see above

    return rendering


async def drawn(board: Board, title: str) -> str:
    """A board as SVG (SVG)."""
    rendering = await asyncio.to_thread(_rendering)
    steps = rendering(
        {key: ObjectState(**found.state) for key, found in board.objects.items()},
        {key: AnnotationState(**found.state) for key, found in board.annotations.items()},
        title,
    )
    breath = Breath()
    while True:
        try:
            next(steps)
        except StopIteration as done:
            svg: str = done.value
            return svg
        await breath.take()
