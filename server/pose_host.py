"""The pose lane of one room in the event loop: ticks, what they send, and objects in hands (POS).

The room itself knows nothing of poses. What comes here of it is where objects come to rest, who
holds which, and where headsets are for those who have no poses (AWR-15).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sized
from typing import Any, Protocol, TypeVar, assert_never

import orjson
import structlog
from pycrdt import Doc

from crdt_docs import pose_messages
from crdt_docs.access import is_seen
from crdt_docs.document import DocumentBroken
from crdt_docs.edit_errors import EditRefused
from crdt_docs.errors import Malformed, Refusal
from crdt_docs.hold_effects import Denied, Effect, Ended, Granted, Landed
from crdt_docs.hold_permits import RoomPermits
from crdt_docs.holds import Holds
from crdt_docs.identifiers import DocumentName, Identity
from crdt_docs.landings import Landings
from crdt_docs.member import Member
from crdt_docs.messages import CloseCode
from crdt_docs.pose_lane import PoseLane
from crdt_docs.pose_messages import (
    NOBODY,
    Beat,
    Bye,
    Claim,
    Deny,
    Force,
    FromClient,
    Hello,
    Hold,
    PoseUp,
    Release,
    parse_from_client,
)
from crdt_docs.pose_rates import PoseSettings
from crdt_docs.pose_slots import Seat
from crdt_docs.poses import Pose, decode_pose
from crdt_docs.room import Room
from server.counters import Counters
from server.frames import OutgoingFrame

log = structlog.get_logger(__name__)

T = TypeVar("T")

SHOWN_EVERY = 0.2
"""Seconds between two looks at where headsets are, for those who have no poses."""

KEPT_EVERY = 10.0
"""The same where everybody has: presence expires that is not renewed (AWR-7)."""

HOLDS_EVERY = 0.1
"""How often it is looked at holds while there are any: a lease ends when it says so."""

LANDINGS_EVERY = 1.0
"""How often it is tried again to write where objects were put, while the database is behind."""

MOST_MISSED = 1_000
"""Objects of which somebody who reads nothing has missed what became of them, or why they were not
granted them."""

TOO_SLOW = "too slow: too much has happened that you did not read; reconnect"


class Ground(Protocol):
    """What the lane stands on: a room and its sockets. `RoomHost` is one."""

    name: DocumentName
    room: Room

    @property
    def connections(self) -> int:
        """How many sockets are in the room."""

    def run_turn(self) -> None:
        """Deal with what was received of the document."""

    def write(self, member: Member, frame: OutgoingFrame, now: float) -> None:
        """Send a member something; nothing, if it has gone."""

    def takes_no_more(self, member: Member) -> bool:
        """Whether its transport is behind."""

    def expel(self, member: Member, code: CloseCode, reason: str) -> None:
        """Close a member's socket for what it sent."""

    def edit(
        self, identity: Identity, change: Callable[[Doc[Any]], T], *, may_grow: bool = True
    ) -> T:
        """Change the document in somebody's name."""

    def show_place(self, member: Member, client_id: int, place: bytes) -> bool:
        """Show where a headset is, in presence (AWR-15)."""

    def hide_place(self, member: Member, client_id: int) -> None:
        """It is nowhere any more."""


class PoseHost:
    """Connects the lane and the holds of one room with its sockets."""

    def __init__(
        self,
        ground: Ground,
        counters: Counters,
        settings: PoseSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lane: PoseLane[Member] = PoseLane(settings)
        self.holds: Holds[Member] = Holds(RoomPermits(ground.room))
        self._landings: Landings[Member] = Landings()
        self._ground = ground
        self._counters = counters
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due = float("inf")
        self._is_over = False
        self._shown: dict[Member, int] = {}  # under which client id
        self._hellos: dict[Member, Hello] = {}  # what each said last
        self._welcomed: set[Member] = set()
        self._news: dict[str, Hold] = {}  # since the last tick: by object, what became of it last
        # Of who took no more: likewise, and by object, the answer to what they asked last.
        self._missed: dict[Member, dict[str, Hold]] = {}
        self._denials: dict[Member, dict[str, Deny]] = {}
        self._shown_at = float("-inf")

    # From the sockets

    def receive(self, member: Member, frame: bytes) -> None:
        """Take a frame of type 112; what is wrong with it closes its own socket."""
        now = self._clock()
        try:
            self._handle(member, parse_from_client(frame), now)
        except Refusal as refusal:
            self._refuse(member, refusal)
        self._plan()

    def _refuse(self, member: Member, refusal: Refusal) -> None:
        self._counters.refused_poses += 1
        self._ground.expel(member, CloseCode.MALFORMED, str(refusal))

    def _handle(self, member: Member, message: FromClient, now: float) -> None:
        match message:
            case PoseUp():
                self._take_pose(member, message, now)
            case Beat(ack_tick):
                self.lane.beat(member, ack_tick, now)
                self.holds.renew(member, now)
            case Hello():
                self._seat(member, message, now)
            case Claim(sequence, object_id):
                if self._is_ready(member, now):
                    self._carry_out(self.holds.claim(member, object_id, sequence, now), now)
            case Force(object_id):
                if self._is_ready(member, now):
                    self._carry_out(self.holds.force(member, object_id, now), now)
            case Release(object_slot, sequence):
                self._carry_out(self.holds.release(member, object_slot, sequence, now), now)
            case Bye():
                self.leave(member)
            case _:
                assert_never(message)

    def _take_pose(self, member: Member, pose: PoseUp, now: float) -> None:
        counts = self.lane.take_pose(member, pose, now)
        self.holds.renew(member, now)
        if counts and pose.transforms:
            dropped = self.holds.take_transforms(member, pose.transforms, self.lane.coming, now)
            self._counters.dropped_transforms += dropped

    def role_changed(self, member: Member) -> None:
        """POS-42: who is a spectator now looks on, and who is none any more is seen."""
        hello = self._hellos.get(member)
        if hello is None or is_seen(member.role) is not self.lane.is_onlooker(member):
            return
        now = self._clock()
        try:
            self._seat(member, hello, now)
        except Refusal as refusal:
            self._refuse(member, refusal)
        self._plan()

    def _seat(self, member: Member, hello: Hello, now: float) -> None:
        self._hellos[member] = hello
        if not is_seen(member.role):
            self._put_out(member, now)
            self.lane.watch(member, now)
            return
        self._carry_out(self.holds.leave(member, now), now)  # a second hello is a bye before
        self._forget_missed(member)
        self.lane.seat(member, hello, member.identity.user_id, now)
        self._welcomed.discard(member)
        self._show(member)

    def _show(self, member: Member) -> None:
        """Put where somebody is into presence.

        Raises:
            Malformed: it said hello with a client id that is somebody else's.
        """
        seat = self.lane.seat_of(member)
        if seat is None:
            return
        before = self._shown.get(member)
        if before is not None and before != seat.client_id:
            self._ground.hide_place(member, before)
        if not self._ground.show_place(member, seat.client_id, self._place_of(member, seat)):
            self.leave(member)
            raise Malformed(f"client id {seat.client_id} is somebody else's in this room")
        self._shown[member] = seat.client_id

    def _is_ready(self, member: Member, now: float) -> bool:
        """Before somebody takes an object: what was received before comes before. Whether they are
        there still, in the seat for which they ask.

        Raises:
            Malformed: they did not say hello.
        """
        if self.lane.is_there(member):
            self._ground.run_turn()
            return self.lane.is_there(member)
        self.lane.beat(member, 0, now)
        if not self.lane.is_there(member):
            raise Malformed("say hello before you hold anything")
        return False

    def withdraw(self, object_ids: Iterable[str]) -> None:
        """POS-35: objects were deleted that may be in hands."""
        now = self._clock()
        for object_id in object_ids:
            self._carry_out(self.holds.withdraw(object_id, now), now)
        self._plan()

    def leave(self, member: Member) -> None:
        """Somebody says bye, or is gone."""
        now = self._clock()
        self._hellos.pop(member, None)
        self.lane.leave(member, now)
        self._put_out(member, now)
        self._plan()

    def leave_all(self) -> None:
        """The room is about to be closed: what is in hands is put down."""
        for member in list(self._shown):
            self.leave(member)

    def _put_out(self, member: Member, now: float) -> None:
        self._carry_out(self.holds.leave(member, now), now)
        self._welcomed.discard(member)
        self._forget_missed(member)
        client_id = self._shown.pop(member, None)
        if client_id is not None:
            self._ground.hide_place(member, client_id)

    # Ticks

    def _plan(self) -> None:
        """Have the next tick come when the lane wants it, or the holds are to be looked at."""
        now = self._clock()  # what was done since it was read last may have taken long
        due = self._next(now)
        if due is None or self._is_over:
            self._stop_timer()
            return
        if self._timer is None or due < self._due:
            self._stop_timer()
            self._due = due
            self._timer = self._loop.call_later(max(0.0, due - now), self._wake)

    def _next(self, now: float) -> float | None:
        waits = [] if self.lane.next_tick_at is None else [self.lane.next_tick_at]
        if len(self.holds):
            waits.append(now + HOLDS_EVERY)
        if len(self._landings):
            waits.append(now + LANDINGS_EVERY)
        return min(waits, default=None)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """Do nothing more: the room is gone."""
        self._is_over = True
        self._give_up_landings()
        self._stop_timer()

    def _wake(self) -> None:
        self._timer = None
        now = self._clock()
        try:
            self._carry_out(self.holds.tick(now), now)
            self.land()
            due = self.lane.next_tick_at
            if due is not None and due <= now:
                self._tick(now)
                self.lane.took(self._clock() - now)
        finally:
            self._plan()

    def _tick(self, now: float) -> None:
        ground = self._ground
        turn = self.lane.tick(now, self.holds.changed_since, ground.takes_no_more)
        for member in turn.gone:
            self._put_out(member, now)
        for member, payload in turn.welcomes:
            self._welcome(member, payload, now)
        for outgoing in turn.rosters:
            self._send(outgoing.data, outgoing.to, now)
        self._tell_news(now)
        self._tell_standing([member for member, _ in turn.welcomes], now)
        for outgoing in turn.frames:
            self._send(outgoing.data, outgoing.to, now)
        self._show_places(now)

    def _welcome(self, member: Member, payload: bytes, now: float) -> None:
        """Also one who was gone by silence, and is shown again."""
        try:
            self._show(member)
        except Malformed as refusal:
            self._ground.expel(member, CloseCode.MALFORMED, str(refusal))
        else:
            self._ground.write(member, OutgoingFrame(payload), now)

    def _send(self, payload: bytes, members: Iterable[Member], now: float) -> None:
        frame = OutgoingFrame(payload)
        write = self._ground.write
        for member in members:
            write(member, frame, now)

    # Holds

    def _tell_standing(self, members: list[Member], now: float) -> None:
        """Those who were just welcomed hear what is held."""
        self._welcomed.update(members)
        standing = [self._held(each) for each in self.holds.standing()]
        if members and standing:
            self._send(pose_messages.holds(standing), members, now)

    def _held(self, granted: Granted[Member]) -> Hold:
        seat = self.lane.seat_of(granted.holder)
        slot, generation = (NOBODY, 0) if seat is None else (seat.slot, seat.generation)
        return Hold(granted.object_slot, granted.sequence, slot, generation, granted.object_id)

    def _carry_out(self, effects: Iterable[Effect[Member]], now: float) -> None:
        for effect in effects:
            match effect:
                case Granted():
                    self._ground.room.hold(effect.object_id, effect.holder.identity.user_id)
                    self._note(self._held(effect), effect.holder, now)
                case Ended():
                    self._ground.room.let_go(effect.object_id)
                    slot, sequence = effect.object_slot, effect.sequence
                    ended = Hold(slot, sequence, NOBODY, 0, effect.object_id)
                    self._note(ended, effect.holder, now)
                case Denied():
                    denial = Deny(effect.reason, effect.sequence, effect.object_id)
                    self._deny(denial, effect.holder, now)
                case Landed():
                    self._landings.add(effect)
                    self._write_landings()  # while it is held, still
                case _:
                    assert_never(effect)

    def _note(self, hold: Hold, holder: Member, now: float) -> None:
        """POS-43: whose hand it is hears at once, the others with the next tick."""
        self._news[hold.object_id] = hold
        self.lane.wake(now)
        if holder in self._welcomed and not self._is_told_later(holder):
            self._send(pose_messages.holds([hold]), (holder,), now)

    def _deny(self, denial: Deny, asker: Member, now: float) -> None:
        """POS-32: who takes no more now is told later, of each object once."""
        if not self._is_told_later(asker):
            self._send(pose_messages.deny(denial), (asker,), now)
            return
        denials = self._denials.setdefault(asker, {})
        denials[denial.object_id] = denial
        self._let_go_if_too_slow(asker, denials)

    def _is_told_later(self, member: Member) -> bool:
        """Whether it takes no more now, or has not been told yet what came before."""
        return (
            member in self._missed or member in self._denials or self._ground.takes_no_more(member)
        )

    def _tell_news(self, now: float) -> None:
        """POS-43: everybody who was welcomed; who takes no more now is told later."""
        news, self._news = self._news, {}
        if news:
            behind = [each for each in self._welcomed if self._is_told_later(each)]
            for member in behind:
                self._miss(member, news)
            informed = self._welcomed.difference(behind)
            self._send(pose_messages.holds(list(news.values())), informed, now)
        self._tell_missed(now)

    def _miss(self, member: Member, news: Mapping[str, Hold]) -> None:
        missed = self._missed.setdefault(member, {})
        missed.update(news)
        self._let_go_if_too_slow(member, missed)

    def _forget_missed(self, member: Member) -> None:
        self._missed.pop(member, None)
        self._denials.pop(member, None)

    def _let_go_if_too_slow(self, member: Member, waiting: Sized) -> None:
        if len(waiting) > MOST_MISSED:
            self._ground.expel(member, CloseCode.TRY_LATER, TOO_SLOW)

    def _tell_missed(self, now: float) -> None:
        """Who takes something again hears what they were denied, and what became of holds
        meanwhile: the number that counts comes last."""
        behind = self._missed.keys() | self._denials.keys()
        for member in [each for each in behind if not self._ground.takes_no_more(each)]:
            for denial in self._denials.pop(member, {}).values():
                self._send(pose_messages.deny(denial), (member,), now)
            missed = self._missed.pop(member, {})
            if missed:
                self._send(pose_messages.holds(list(missed.values())), (member,), now)

    def land(self) -> None:
        """Write where objects were put, if that had to wait for the database."""
        if len(self._landings):
            self._write_landings()

    def _write_landings(self) -> None:
        """POS-39, POS-41: what was in a hand is where it is in the document, too."""
        try:
            self._landings.write(self._edit)
        except (Refusal, EditRefused, DocumentBroken) as error:
            # The objects stay where they were, for everybody; nothing else depends on it.
            self._give_up_landings()
            log.warning(
                "where objects were put could not be written",
                document=self._ground.name,
                error=type(error).__name__,
            )

    def _edit(self, holder: Member, change: Callable[[Doc[Any]], int]) -> int:
        return self._ground.edit(holder.identity, change, may_grow=False)

    def _give_up_landings(self) -> None:
        self._counters.failed_landings += len(self._landings)
        self._landings = Landings()

    # For those who have no poses

    def _show_places(self, now: float) -> None:
        is_needed = self._ground.connections > len(self.lane)  # who looks on has poses, too
        if now - self._shown_at < (SHOWN_EVERY if is_needed else KEPT_EVERY):
            return
        self._shown_at = now
        for member, client_id in self._shown.items():
            seat = self.lane.seat_of(member)
            if seat is not None:
                self._ground.show_place(member, client_id, self._place_of(member, seat))

    def _place_of(self, member: Member, seat: Seat[Member]) -> bytes:
        """Rounded: a head that is held still says nothing new."""
        place: dict[str, Any] = {
            "slot": seat.slot,
            "generation": seat.generation,
            "device": seat.device.name.lower(),
        }
        pose = self.pose_of(member)
        if pose is not None:
            place["position"] = _axes(pose.head.position)
            place["rotation"] = _axes(pose.head.rotation)
        return orjson.dumps(place)

    def pose_of(self, member: Member) -> Pose | None:
        """Where somebody is now; None: nowhere, or not known yet."""
        record = self.lane.latest(member)
        return decode_pose(record) if record else None


def _axes(values: Iterable[float]) -> dict[str, float]:
    return {axis: round(value, 2) + 0.0 for axis, value in zip("xyzw", values, strict=False)}
