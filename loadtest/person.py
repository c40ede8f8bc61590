"""What a story may have somebody do, and may know of them."""

from __future__ import annotations

import random
from typing import Protocol

from crdt_docs.pose_messages import Device
from loadtest.board import Board
from loadtest.plan import Plan
from loadtest.rest import Rest
from loadtest.seat import Seat


class Headset(Protocol):
    """What somebody in a room with headsets does besides.

    Attributes:
        device: what they are there with.
    """

    device: Device

    async def hello(self) -> None:
        """Be there, and from now on say where one is, 30 times a second."""

    async def claim(self, object_id: str) -> bool:
        """Take an object of the room into a hand; whether that was granted."""

    def hold(self, object_id: str, x: float, y: float, z: float) -> None:
        """Say where it is now; metres."""

    def release(self, object_id: str) -> None:
        """Put it down where it was last."""


class Person(Protocol):
    """One person of a run.

    Attributes:
        random: of the run's seed and the person's number.
        board: makes the person's edits.
        rest: the person's calls by REST.
    """

    seat: Seat
    plan: Plan
    random: random.Random
    board: Board
    rest: Rest

    @property
    def headset(self) -> Headset:
        """What they wear, where there is a room for it."""

    @property
    def is_running(self) -> bool:
        """Whether the run goes on, and the meeting."""

    async def join(self) -> None:
        """Connect, when that is due, and have the document."""

    async def pause(self, seconds: float) -> None:
        """What comes next is due so much later than what came before.

        Raises:
            Gone: the server has ended the connection (`loadtest.participant`).
        """

    def edit(self, update: bytes) -> None:
        """Send an edit, which the board has made."""

    def point(self, x: float, y: float) -> None:
        """Send a cursor."""

    async def leave(self) -> None:
        """Say goodbye."""

    async def move(self, seconds: float) -> bool:
        """Leave the meeting, once all that was written is stored, and be in the next one so many
        seconds later, at a new document; False, and nothing happens: this was the last one.

        Raises:
            Gone: the server does not let it in.
        """

    def cut(self) -> None:
        """Be gone without a word."""

    async def rejoin(self) -> None:
        """Connect again after being cut, or sent away."""

    def stop_reading(self) -> None:
        """Leave what comes in the socket, from now on."""

    def read_again(self) -> None:
        """Read what has come meanwhile, and what comes."""
