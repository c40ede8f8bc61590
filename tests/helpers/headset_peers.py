"""An honest participant with a headset: a Yjs peer that also speaks the pose lane."""

from __future__ import annotations

import asyncio
from typing import Any

from pycrdt import Map

from crdt_docs import pose_client
from crdt_docs.pose_messages import (
    NOBODY,
    Beat,
    Claim,
    Device,
    Frame,
    Hello,
    Hold,
    Holds,
    Presence,
    Release,
    Roster,
    RosterEntry,
    Welcome,
)
from crdt_docs.poses import (
    Placed,
    Pose,
    Transform,
    decode_transform,
    encode_pose,
    encode_transform,
    read_header,
)
from tests.helpers.yjs_peer import Wire, YjsPeer

POSE = 112
PULSE_SECONDS = 0.2
UPRIGHT = (0.0, 0.0, 0.0, 1.0)


class HeadsetPeer(YjsPeer):
    """Says hello on each connection, and that it is there as long as it has one.

    Attributes:
        welcomes: of all connections, the last one last.
        roster: who is there, by slot.
        seen: slots whose poses came since the last welcome.
        holds: who holds what, by object id.
        carried: where held objects are, by object id.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.welcomes: list[Welcome] = []
        self.roster: dict[int, RosterEntry] = {}
        self.seen: set[int] = set()
        self.holds: dict[str, Hold] = {}
        self.carried: dict[str, float] = {}
        self._ack = 0
        self._sequence = 0

    async def connect(self, url: str, *, subprotocol: str | None = None) -> None:
        """Open a connection, and say hello."""
        await super().connect(url, subprotocol=subprotocol)
        self.say_hello()
        self._tasks.append(asyncio.create_task(self._pulse()))

    async def _pulse(self) -> None:
        while True:
            self.send(pose_client.beat(Beat(self._ack)))
            await asyncio.sleep(PULSE_SECONDS)

    async def until_welcome(self, number: int = 1) -> Welcome:
        """Wait until it was welcomed so often, and has the document."""
        await self.until(lambda: len(self.welcomes) >= number and self.is_synced)
        return self.welcomes[-1]

    # Saying

    def say_hello(self) -> None:
        """Ask for a seat."""
        self.send(pose_client.hello(Hello(1, Device.VR_HEADSET, self.client_id)))

    def say_bye(self) -> None:
        """Give it up, and stay connected."""
        self.send(pose_client.BYE)

    def move(self, x: float, *transforms: bytes) -> None:
        """Put its head somewhere."""
        own = self.welcomes[-1]
        self._sequence += 1
        head = Placed((x, 1.7, 0.0), UPRIGHT)
        record = encode_pose(Pose(own.slot, own.generation, self._sequence & 0xFFFF, 0, head))
        self.send(pose_client.pose(self._ack, record, transforms))

    async def take(self, object_id: str) -> Hold:
        """Claim an object, and wait until it has it."""
        known = self.holds.get(object_id)
        self.send(pose_client.claim(Claim(0 if known is None else known.sequence, object_id)))
        own = self.welcomes[-1]
        await self.until(lambda: self._holder(object_id) == own.slot)
        return self.holds[object_id]

    def _holder(self, object_id: str) -> int:
        hold = self.holds.get(object_id)
        return NOBODY if hold is None else hold.holder_slot

    def carry(self, object_id: str, x: float) -> None:
        """Move what it holds."""
        hold = self.holds[object_id]
        at = Transform(hold.object_slot, hold.sequence & 0xFFFF, (x, 0.0, 0.0), UPRIGHT)
        self.move(x, encode_transform(at))

    def put_down(self, object_id: str) -> None:
        """Let go of it."""
        hold = self.holds[object_id]
        self.send(pose_client.release(Release(hold.object_slot, hold.sequence)))

    def furnish(self, object_id: str, x: float = 0.0) -> None:
        """Put a new object into the room."""
        place = {
            "position": {"x": x, "y": 0.0, "z": 0.0},
            "rotation": {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0},
            "scale": {"x": 1.0, "y": 1.0, "z": 1.0},
        }
        self.objects[object_id] = Map({"object_type": "furniture", "transform": place})

    # What it has heard

    def is_held(self, object_id: str) -> bool:
        """Whether somebody holds it, as far as it knows."""
        return self._holder(object_id) != NOBODY

    def place_of(self, object_id: str) -> float | None:
        """Where its copy of the document has an object."""
        return place_in(self.objects, object_id)

    @property
    def present(self) -> set[int]:
        """The client ids of those who are there."""
        return {entry.client_id for entry in self.roster.values()}

    def _hear(self, wire: Wire, frame: bytes) -> None:
        if frame[0] == POSE:
            self._hear_lane(frame)
        else:
            super()._hear(wire, frame)

    def _hear_lane(self, frame: bytes) -> None:
        match pose_client.parse_from_server(frame):
            case Welcome() as welcome:
                self.welcomes.append(welcome)
                self._ack = 0
                for heard in (self.roster, self.holds, self.carried, self.seen):
                    heard.clear()
            case Roster(entries):
                for entry in entries:
                    self._note(entry)
            case Holds(entries=holds):
                self.holds.update({hold.object_id: hold for hold in holds})
            case Frame() as shown:
                self._show(shown)
            case denial:
                self.denials.append(str(denial))

    def _note(self, entry: RosterEntry) -> None:
        if entry.presence is Presence.GONE:
            self.roster.pop(entry.slot, None)
            self.seen.discard(entry.slot)
        else:
            self.roster[entry.slot] = entry

    def _show(self, frame: Frame) -> None:
        self._ack = frame.tick
        for record in frame.records:
            header = read_header(record)
            known = self.roster.get(header.slot)
            assert known is not None, "a ghost: a pose of somebody who is not there"
            assert known.generation == header.generation, "a ghost: a pose of a former seat"
            self.seen.add(header.slot)
        for moved in map(decode_transform, frame.transforms):
            for object_id, hold in self.holds.items():
                if hold.object_slot == moved.object_slot and hold.holder_slot != NOBODY:
                    self.carried[object_id] = moved.position[0]


def place_in(objects: Map[Any], object_id: str) -> float | None:
    """Where a document has an object, along the first axis."""
    found = objects.get(object_id)
    if found is None:
        return None
    transform = found["transform"]
    place: float = transform["position"]["x"]
    return place
