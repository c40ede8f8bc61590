"""What somebody with a headset says and hears on the pose lane (docs/pose-lane.md)."""

from __future__ import annotations

import asyncio
from random import Random
from time import monotonic_ns
from typing import Final, NamedTuple, Protocol

from crdt_docs import pose_client
from crdt_docs.errors import Malformed
from crdt_docs.pose_fields import FIELDS_AT, FRAME, VERSION, WELCOME, Kind
from crdt_docs.pose_messages import Claim, Deny, Device, Hello, Hold, Holds, Release
from crdt_docs.poses import Transform, encode_transform
from loadtest.connection import fail
from loadtest.measures import Count, Delay, Measures
from loadtest.sightings import Sightings
from loadtest.timeline import Timeline
from loadtest.walker import UPRIGHT, Walker

HERTZ: Final = 30.0
WELCOME_SECONDS: Final = 10.0
CLAIM_SECONDS: Final = 5.0
"""Who is not told whether it may hold something goes on without."""

_MILLISECOND: Final = 1_000_000


class Wearer(Protocol):
    """Whose headset it is."""

    client: int
    random: Random
    measures: Measures
    timeline: Timeline

    @property
    def unsent(self) -> int:
        """Bytes that are still on this side."""

    def say(self, message: bytes) -> None:
        """Send a message."""


class Held(NamedTuple):
    """An object that it holds, as the server calls it."""

    object_slot: int
    sequence: int


class Headset:
    """One participant of the lane: says 30 times a second where it is.

    Attributes:
        device: what it is there with; a desktop has no hands.
        slot, generation: whose its records are; of no meaning before it is welcomed.
        is_there: it has been welcomed.
        holding: the objects that it holds, by id.
        held_back: poses that it did not send, because those before were still on this side.
    """

    def __init__(self, wearer: Wearer) -> None:
        self.device = Device.VR_HEADSET
        self.slot = self.generation = 0
        self.is_there = False
        self.holding: dict[str, Held] = {}
        self.held_back = 0
        self._wearer = wearer
        self._ack = self._sequence = 0
        self._walker: Walker | None = None
        self._sightings = Sightings((0.0, 0.0))
        self._moved: dict[str, bytes] = {}
        self._known: dict[str, int] = {}
        self._welcome: asyncio.Future[None] | None = None
        self._claims: dict[str, asyncio.Future[bool]] = {}
        self._walk: asyncio.Task[None] | None = None

    # Being there

    async def hello(self) -> None:
        """Say hello, and move about from the welcome on, until the connection ends.

        Raises:
            TimeoutError: there is no welcome.
            Exception: what `ended` was told, when the connection ends before.
        """
        if self._walk is not None:
            self._walk.cancel()
        self._walker = self._walker or Walker(self._wearer.random, self.device)
        self._sightings = Sightings(self._walker.spot)
        self._welcome = asyncio.get_running_loop().create_future()
        self._wearer.say(pose_client.hello(Hello(VERSION, self.device, self._wearer.client)))
        async with asyncio.timeout(WELCOME_SECONDS):
            await self._welcome
        self._wearer.timeline.waited()
        self._walk = asyncio.create_task(self._move_about(self._walker))
        self._walk.add_done_callback(self._note_failure)

    def ended(self, why: Exception) -> None:
        """The connection is gone, and with it all that it meant."""
        self.is_there = False
        self.holding.clear()
        self._moved.clear()
        if self._walk is not None:
            self._walk.cancel()
        if self._welcome is not None:
            fail(self._welcome, why)
        for object_id in list(self._claims):
            self._decide(object_id, is_granted=False)

    async def _move_about(self, walker: Walker) -> None:
        note = self._wearer.measures.delay
        timeline = Timeline(monotonic_ns(), lambda now, late: note(Delay.LATE, now, late))
        while self.is_there:
            self._move(walker, timeline.at)
            await timeline.pause(1 / HERTZ)

    def _move(self, walker: Walker, at: int) -> None:
        """Say where it is, unless what it said before is still here: only the newest counts."""
        if self._wearer.unsent:
            self.held_back += 1
            return
        self._sequence = (self._sequence + 1) & 0xFFFF
        captured = at // _MILLISECOND & 0xFFFF
        moved = tuple(self._moved.values())
        self._moved.clear()
        message = walker.message(
            self._ack,
            self.slot,
            self.generation,
            sequence=self._sequence,
            captured=captured,
            transforms=moved,
        )
        self._wearer.say(message)
        self._wearer.measures.count(Count.POSES_SENT)

    def _note_failure(self, walk: asyncio.Task[None]) -> None:
        if not walk.cancelled() and (error := walk.exception()) is not None:
            self._wearer.measures.error(f"a headset stood still: {error!r}")

    # Holding

    async def claim(self, object_id: str) -> bool:
        """Take an object of the room into a hand; whether that was granted."""
        decided = self._claims[object_id] = asyncio.get_running_loop().create_future()
        self._wearer.say(pose_client.claim(Claim(self._known.get(object_id, 0), object_id)))
        await asyncio.wait((decided,), timeout=CLAIM_SECONDS)
        self._wearer.timeline.waited()
        self._claims.pop(object_id, None)
        return decided.done() and decided.result()

    def hold(self, object_id: str, x: float, y: float, z: float) -> None:
        """Say where it is now, with the next pose; metres. Nothing, if it is not held any more."""
        held = self.holding.get(object_id)
        if held is not None:
            place = Transform(held.object_slot, held.sequence & 0xFFFF, (x, y, z), UPRIGHT)
            self._moved[object_id] = encode_transform(place)

    def release(self, object_id: str) -> None:
        """Put it down where it was last."""
        held = self.holding.pop(object_id, None)
        if held is not None:
            self._say_where_last(object_id)
            self._wearer.say(pose_client.release(Release(*held)))

    def _say_where_last(self, object_id: str) -> None:
        if object_id in self._moved and self._walker is not None:
            self._move(self._walker, monotonic_ns())
        self._moved.pop(object_id, None)

    def _decide(self, object_id: str, *, is_granted: bool) -> None:
        claim = self._claims.get(object_id)
        if claim is not None and not claim.done():
            claim.set_result(is_granted)

    # Hearing

    def hear(self, message: bytes) -> None:
        """A message of the lane.

        Raises:
            Malformed: it cannot be read.
        """
        match message[1]:
            case Kind.FRAME:
                self._hear_frame(message)
            case Kind.WELCOME:
                self._hear_welcome(message)
            case Kind.HOLDS | Kind.DENY:
                self._hear_of_objects(message)
            case _:  # who is there; the story does not ask
                pass

    def _hear_frame(self, message: bytes) -> None:
        if len(message) < FIELDS_AT + FRAME.size:
            raise Malformed("the bytes end within a frame")
        self._ack, _, count = FRAME.unpack_from(message, FIELDS_AT)
        measures = self._wearer.measures
        measures.count(Count.POSES_SEEN, count)
        now = monotonic_ns()
        for age in self._sightings.ages(message, count, self.slot, now):
            measures.delay(Delay.POSE_AGE, now, age)

    def _hear_welcome(self, message: bytes) -> None:
        if len(message) != FIELDS_AT + WELCOME.size:
            raise Malformed("a welcome of another length")
        _, self.slot, self.generation, _, self._ack, _ = WELCOME.unpack_from(message, FIELDS_AT)
        self.is_there = True
        if self._welcome is not None and not self._welcome.done():
            self._welcome.set_result(None)

    def _hear_of_objects(self, message: bytes) -> None:
        match pose_client.parse_from_server(message):
            case Holds(entries):
                for entry in entries:
                    self._hear_of_hold(entry)
            case Deny(_, sequence, object_id):
                self._known[object_id] = sequence
                self._decide(object_id, is_granted=False)
            case _:
                pass

    def _hear_of_hold(self, hold: Hold) -> None:
        self._known[hold.object_id] = hold.sequence
        if (hold.holder_slot, hold.holder_generation) == (self.slot, self.generation):
            self.holding[hold.object_id] = Held(hold.object_slot, hold.sequence)
            self._decide(hold.object_id, is_granted=True)
        else:
            self.holding.pop(hold.object_id, None)
            self._moved.pop(hold.object_id, None)
