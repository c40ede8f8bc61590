"""What stays in memory of an edit that nobody sees any more.

People work at a board: what they draw, drag and write comes and goes. A CRDT document has to know
for ever that something was there, so its memory grows with every edit, by little; this is by how
much, in yrs alone and in a room of this server, while it is open.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any
from uuid import UUID

from pycrdt import Doc

from benchmarks import processes
from benchmarks.report import Row, at_most
from benchmarks.scale import Scale
from crdt_docs import messages
from crdt_docs.access import Role
from crdt_docs.document import Document
from crdt_docs.identifiers import Identity
from crdt_docs.member import Member
from crdt_docs.projector import Projector
from crdt_docs.room import Room
from loadtest.board import Board
from loadtest.marks import LENGTH

PEOPLE = 25
KEPT = 10
"""Objects of each that stay: then the oldest goes for each new one."""

TOLD_EVERY = 7
"""Edits that are stored together."""

Taker = Callable[[int, bytes], None]
"""Takes an update of somebody."""


def measure(scale: Scale) -> Iterator[Row]:
    """Bytes an edit, once the boards are full; each kind in a process of its own."""
    edits = scale.pick(300_000, 2_000)
    spawn = multiprocessing.get_context("spawn")
    for name, into, bound in (("yrs alone", _bare, None), ("a room", _room, at_most(48))):
        with spawn.Pool(1) as pool:
            left = pool.apply(_growth, (into, edits))
        yield Row(f"{name}: what an edit leaves", left, "bytes", bound)


def _growth(into: Callable[[], Taker], edits: int) -> float:
    """Bytes by which this process grows for each edit, without those that fill the boards."""
    take = into()
    for number, (author, update) in enumerate(islice(_edits(), edits)):
        take(author, update)
        if number == edits // 5:
            before = _resident()
    return (_resident() - before) / (edits - edits // 5)


def _resident() -> int:
    gc.collect()
    return processes.resident(os.getpid())


def _bare() -> Taker:
    doc: Doc[Any] = Doc()
    return lambda _, update: doc.apply_update(update)


def _room() -> Taker:
    document = Document(with_owners=True)
    projector = Projector(document, {})
    room = Room(document=document, projector=projector)
    members = [Member(Identity(UUID(int=n + 1), f"Person {n}"), Role.EDITOR) for n in range(PEOPLE)]
    for member in members:
        room.join(member)
    taken = 0

    def take(author: int, update: bytes) -> None:
        nonlocal taken
        taken += 1
        room.receive(members[author], messages.sync_update(update))
        room.end_turn(taken * 0.01)
        if taken % TOLD_EVERY == 0:
            projector.take()

    return take


def _edits() -> Iterator[tuple[int, bytes]]:
    """Authors and their updates, for ever, the same each time."""
    dice = random.Random(1)
    lives = [_life(Board(1000 + author, _mark), dice) for author in range(PEOPLE)]
    while True:
        author = dice.randrange(PEOPLE)
        yield author, next(lives[author])


def _mark() -> str:
    return "-" * LENGTH


def _life(board: Board, dice: random.Random) -> Iterator[bytes]:
    """What somebody does at a board, as `loadtest.habits` has it, without waiting."""
    while True:
        if len(board.objects) > KEPT:
            yield board.delete(board.objects[0])
        (habit,) = dice.choices((_drag, _draw, _write), weights=(4, 2, 2))
        yield from habit(board, dice)


def _drag(board: Board, dice: random.Random) -> Iterator[bytes]:
    if not board.objects or dice.random() < 0.3:
        yield board.shape(0, 0)[1]
    moved = dice.choice(board.objects[-3:])
    for step in range(32):
        yield board.move(moved, step, step)


def _draw(board: Board, _: random.Random) -> Iterator[bytes]:
    drawing, update = board.drawing(0, 0)
    yield update
    for step in range(20):
        yield board.extend(drawing, [(step, step)] * 3)


def _write(board: Board, dice: random.Random) -> Iterator[bytes]:
    sticky, update = board.sticky(0, 0)
    yield update
    for _ in range(dice.randint(3, 10)):
        yield board.type_word(sticky)
    yield board.erase(sticky, LENGTH + 1)
