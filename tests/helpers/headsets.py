"""A room of headsets around a `PoseLane`, whose clock is turned by hand.

Everything goes through the bytes of the wire. Each headset checks what any of them may rely on:
a record is of somebody who is in its roster, with that generation, and a frame has one of each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from crdt_docs import pose_client
from crdt_docs.pose_frames import ChangedSince
from crdt_docs.pose_lane import PoseLane
from crdt_docs.pose_messages import (
    Device,
    Frame,
    Hello,
    PoseUp,
    Presence,
    Roster,
    RosterEntry,
    Welcome,
    parse_from_client,
)
from crdt_docs.pose_rates import PoseSettings
from crdt_docs.pose_turn import LaneTurn
from crdt_docs.poses import Placed, Pose, encode_pose, read_header

UPRIGHT = (0.0, 0.0, 0.0, 1.0)
Vector = tuple[float, float, float]


def standing(slot: int, generation: int, sequence: int, at: Vector, *, hands: bool = True) -> bytes:
    """The record of somebody who stands there."""
    hand = Placed((at[0] + 0.25, at[1] - 0.5, at[2]), UPRIGHT) if hands else None
    head = Placed(at, UPRIGHT)
    return encode_pose(
        Pose(slot, generation, sequence & 0xFFFF, sequence & 0xFFFF, head, hand, hand)
    )


@dataclass(slots=True, eq=False)
class Headset:
    """One client.

    Attributes:
        name: the key of its socket.
        user: whose it is.
        roster: who is there, by slot.
        poses: the latest record of each, by slot.
        frames: that it received, the last ones last.
        arrived: when each frame came.
        unread: what lies on the way while it does not read; None: it reads.
        size: bytes of all frames.
    """

    name: str
    user: str
    client_id: int
    welcome: Welcome | None = None
    sequence: int = 0
    ack: int = 0
    roster: dict[int, RosterEntry] = field(default_factory=dict)
    poses: dict[int, bytes] = field(default_factory=dict)
    frames: list[Frame] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)
    unread: list[bytes] | None = None
    size: int = 0

    def receive(self, data: bytes, now: float) -> None:
        """A message came; it is read unless the client is busy with something else."""
        if self.unread is not None:
            self.unread.append(data)
            return
        match pose_client.parse_from_server(data):
            case Welcome() as welcome:
                self.welcome = welcome
                self.roster.clear()
                self.poses.clear()
            case Roster(entries):
                self._note(entries)
            case Frame() as frame:
                self._show(frame)
                self.raw.append(data)
                self.arrived.append(now)
                self.size += len(data)
            case other:
                raise AssertionError(f"the lane itself sends no {other}")

    def read_again(self, now: float) -> None:
        """Read what lay on the way."""
        waiting, self.unread = self.unread or [], None
        for data in waiting:
            self.receive(data, now)

    def pose(self, at: Vector, *, hands: bool = True) -> PoseUp:
        """Where it is now, as a message."""
        assert self.welcome is not None
        self.sequence += 1
        record = standing(
            self.welcome.slot, self.welcome.generation, self.sequence, at, hands=hands
        )
        return self.say(record)

    def say(self, record: bytes) -> PoseUp:
        """Any record, as a message."""
        message = parse_from_client(pose_client.pose(self.ack, record))
        assert isinstance(message, PoseUp)
        return message

    @property
    def present(self) -> dict[int, int]:
        """Who is there, as client ids by slot."""
        return {slot: entry.client_id for slot, entry in self.roster.items()}

    def _note(self, entries: Iterable[RosterEntry]) -> None:
        for entry in entries:
            if entry.presence is not Presence.GONE:
                before = self.roster.get(entry.slot)
                if before is not None and before.generation != entry.generation:
                    raise AssertionError(f"{self.name}: {before} was not told to be gone")
                self.roster[entry.slot] = entry
            elif entry.slot in self.roster:
                assert self.roster[entry.slot].generation == entry.generation
                del self.roster[entry.slot]
                self.poses.pop(entry.slot, None)

    def _show(self, frame: Frame) -> None:
        assert frame.tick > self.ack
        self.ack = frame.tick
        self.frames.append(frame)
        headers = [read_header(record) for record in frame.records]
        assert len({header.slot for header in headers}) == len(headers)
        for header, record in zip(headers, frame.records, strict=True):
            assert self.roster[header.slot].generation == header.generation, "a ghost"
            self.poses[header.slot] = record


class Hall:
    """A lane, its clock, and the headsets in it.

    Attributes:
        behind: names of those whose transport is full.
        turn: the last one.
    """

    def __init__(self, settings: PoseSettings | None = None) -> None:
        self.lane: PoseLane[str] = PoseLane(settings)
        self.now = 1000.0
        self.headsets: dict[str, Headset] = {}
        self.behind: set[str] = set()
        self.turn: LaneTurn[str] = LaneTurn(0)
        self._clients = 0

    def come(self, *names: str, user: str = "", client_id: int = 0) -> list[Headset]:
        """These say hello, each on a new socket; they are welcomed at the next tick."""
        come = []
        for name in names:
            self._clients += 1
            headset = Headset(name, user or name, client_id or self._clients)
            self.headsets[name] = headset
            self.hello(headset)
            come.append(headset)
        return come

    def hello(self, headset: Headset) -> None:
        """Somebody says hello."""
        data = pose_client.hello(Hello(1, Device.VR_HEADSET, headset.client_id))
        hello = parse_from_client(data)
        assert isinstance(hello, Hello)
        self.lane.seat(headset.name, hello, headset.user, self.now)

    def watch(self, name: str) -> Headset:
        """Somebody says hello whom nobody sees; it is welcomed at the next tick."""
        headset = self.headsets[name] = Headset(name, name, 0)
        self.lane.watch(name, self.now)
        return headset

    def seated(self, *names: str) -> list[Headset]:
        """These come and have been welcomed."""
        headsets = self.come(*names)
        self.tick()
        return headsets

    def go(self, headset: Headset) -> None:
        """Its socket ends."""
        del self.headsets[headset.name]
        self.lane.leave(headset.name, self.now)

    def move(self, headset: Headset, at: Vector, *, hands: bool = True) -> bool:
        """Somebody says where it is."""
        return self.lane.take_pose(headset.name, headset.pose(at, hands=hands), self.now)

    def beat(self, *headsets: Headset) -> None:
        """These say that they are there, and what they have."""
        for headset in headsets:
            self.lane.beat(headset.name, headset.ack, self.now)

    def tick(self, changed_since: ChangedSince = lambda _: ()) -> LaneTurn[str]:
        """The next tick, when it is due; what it sends arrives at once."""
        due = self.lane.next_tick_at
        assert due is not None
        self.now = max(self.now, due)
        self.turn = self.lane.tick(self.now, changed_since, self.behind.__contains__)
        self._deliver(self.turn)
        return self.turn

    def run(self, seconds: float) -> int:
        """Whatever ticks are wanted; everybody who reads beats ten times a second. Returns how
        many ticks there were."""
        end = self.now + seconds
        ticks, beat_at = 0, self.now
        while True:
            due = self.lane.next_tick_at
            if min(beat_at, end if due is None else due) >= end:
                self.now = end
                return ticks
            if due is None or beat_at < due:
                self.now = max(self.now, beat_at)
                beat_at += 0.1
                self.beat(*(each for each in self.headsets.values() if each.unread is None))
            else:
                self.tick()
                ticks += 1

    def _deliver(self, turn: LaneTurn[str]) -> None:
        for name, data in turn.welcomes:
            self._arrive(name, data)
        for message in (*turn.rosters, *turn.frames):
            for name in message.to:
                self._arrive(name, message.data)

    def _arrive(self, name: str, data: bytes) -> None:
        assert name not in self.behind
        if name in self.headsets:
            self.headsets[name].receive(data, self.now)


def hall(*names: str, settings: PoseSettings | None = None) -> tuple[Hall, list[Headset]]:
    """A room in which these are welcomed."""
    room = Hall(settings)
    return room, room.seated(*names)


def crowd(size: int, settings: PoseSettings | None = None) -> tuple[Hall, list[Headset]]:
    """A room of so many."""
    return hall(*(f"p{number}" for number in range(size)), settings=settings)
