"""The pose lane of one room: who is where, told to everybody in ticks (POS-10 to POS-29, POS-42).

`PoseLane` is told what participants send, and when a tick is; a tick returns what to send to whom.
It writes nothing itself and reads no clock. What is on the wire is in `docs/pose-lane.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final, Generic

from crdt_docs import pose_messages
from crdt_docs.errors import Malformed
from crdt_docs.pose_clock import TickClock
from crdt_docs.pose_fields import VERSION
from crdt_docs.pose_frames import ChangedSince, TickFrames
from crdt_docs.pose_interest import Circles, View, circles
from crdt_docs.pose_messages import NOBODY, Hello, PoseUp, Welcome
from crdt_docs.pose_rates import KEEP_ALIVE, LEVELS, ORDINARY, SELECTIVE, Pace, PoseSettings
from crdt_docs.pose_receiver import Receiver
from crdt_docs.pose_slots import KeyT, Seat, Seats, unseen_seat
from crdt_docs.pose_table import PoseTable
from crdt_docs.pose_turn import LaneTurn, Outgoing, PoseCounters
from crdt_docs.poses import is_newer

LOOK_SECONDS: Final = 0.5
"""How often it is looked who is near whom."""

STALL_SECONDS: Final = 1.0
"""When a tick is so late, the server did not listen either."""

_U32: Final = 0xFFFFFFFF


def _nothing_moved(_tick: int) -> Sequence[bytes]:
    return ()


def _nobody_is_behind(_key: Hashable) -> bool:
    return False


class PoseLane(Generic[KeyT]):
    """The participants of one room. A *key* is whatever stands for a socket.

    `now` is any monotonic clock, in seconds. After each call `next_tick_at` may be another.

    Attributes:
        settings, counters: of this room.
    """

    def __init__(self, settings: PoseSettings | None = None) -> None:
        self.settings = settings or PoseSettings()
        self.counters = PoseCounters()
        self._seats: Seats[KeyT] = Seats(
            self.settings.quiet_after, self.settings.gone_after, self.settings.quarantine
        )
        self._receivers: dict[KeyT, Receiver[KeyT]] = {}
        self._table = PoseTable()
        self._clock = TickClock(self.settings)
        self._put_out: list[KeyT] = []
        self._circles: dict[tuple[int, int], Circles] = {}
        self._onlookers = 0

    def __len__(self) -> int:
        return len(self._receivers)

    # What participants say

    def seat(self, key: KeyT, hello: Hello, user: Hashable, now: float) -> Seat[KeyT]:
        """POS-10, POS-13: somebody says hello, and is welcomed by the next tick. Who is there
        already leaves before.

        Args:
            user: whose socket it is.

        Raises:
            LimitExceeded: there is no slot left.
        """
        rival = self._seats.rival(key, hello, user)
        if rival is not None:
            self.leave(rival.key, now)
            self._put_out.append(rival.key)
        self.leave(key, now)
        seat = self._seats.take(key, hello, user, now)
        self._receivers[key] = Receiver(seat, Pace(now))
        self._clock.count(len(self._receivers))
        self._clock.wake(now)
        return seat

    def watch(self, key: KeyT, now: float) -> None:
        """POS-42: somebody says hello whom nobody sees, and is welcomed by the next tick."""
        self.leave(key, now)
        self._receivers[key] = Receiver(unseen_seat(key, self._onlookers, now), Pace(now))
        self._onlookers += 1
        self._clock.count(len(self._receivers))
        self._clock.wake(now)

    def leave(self, key: KeyT, now: float) -> None:
        """Somebody said bye, or its socket ended."""
        self._seats.leave(key, now)
        receiver = self._receivers.get(key)
        if receiver is not None:
            self._remove(receiver.seat)
            self._clock.wake(now)

    def take_pose(self, key: KeyT, pose: PoseUp, now: float) -> bool:
        """POS-11, POS-12: a pose came. Returns whether it counts; if not, neither do the transforms
        in it.

        Raises:
            Malformed: it is of somebody else's slot.
        """
        receiver = self._hear(key, pose.ack_tick, now)
        slot, generation, _parts, sequence, _captured = pose.header
        if receiver is None:
            self.counters.stragglers += 1
            return False
        if slot != receiver.seat.slot or generation != receiver.seat.generation:
            self._drop(receiver, slot)
            return False
        if receiver.sequence is not None and not is_newer(sequence, receiver.sequence):
            self.counters.stale += 1
            return False
        receiver.sequence = sequence
        self._table.put(slot, pose.record, self.coming)
        self.counters.taken += 1
        self._clock.wake(now)
        return True

    def beat(self, key: KeyT, ack_tick: int, now: float) -> None:
        """Somebody is there, and nothing moved."""
        self._hear(key, ack_tick, now)

    def _hear(self, key: KeyT, ack_tick: int, now: float) -> Receiver[KeyT] | None:
        """Who it is, unless it is not there. Who was gone by silence is seated anew (POS-14); what
        it sent is of the seat that it had."""
        receiver = self._receivers.get(key)
        if receiver is None:
            silent = self._seats.silent_one(key)
            if silent is not None:
                self.seat(key, *silent, now)
            return None
        if self._seats.hear(receiver.seat, now):
            self._clock.wake(now)
        tick = self._tick_of(ack_tick)
        if 0 < tick <= receiver.sent_in:
            receiver.pace.acknowledge(tick, now, self._clock.level)
        return receiver

    def _tick_of(self, ack_tick: int) -> int:
        """Which tick is meant by its lowest 32 bits."""
        last = self._clock.tick
        return last - ((last - ack_tick) & _U32) if ack_tick else 0

    def _drop(self, receiver: Receiver[KeyT], slot: int) -> None:
        """Who has not read its welcome may still use the slot that it had before, here or on
        another server; who is seen by nobody has none. Of others, a slot that is somebody else's
        is a lie."""
        is_anothers = self._seats.at(slot) not in (None, receiver.seat)
        if is_anothers and receiver.knows_its_slot() and not receiver.seat.is_unseen:
            self.counters.foreign += 1
            raise Malformed(f"a pose of slot {slot}, which is somebody else's")
        self.counters.stragglers += 1

    def _remove(self, seat: Seat[KeyT]) -> None:
        del self._receivers[seat.key]
        self._table.clear(seat.slot)
        self._clock.count(len(self._receivers))

    def wake(self, now: float) -> None:
        """Something else is to be told with the next tick."""
        self._clock.wake(now)

    # What others ask

    @property
    def coming(self) -> int:
        """The number of the next tick: what is received now belongs to it."""
        return self._clock.tick + 1

    def seat_of(self, key: KeyT) -> Seat[KeyT] | None:
        """Where somebody sits."""
        return self._seats.get(key)

    def is_there(self, key: KeyT) -> bool:
        """Whether somebody is welcome here, or will be by the next tick."""
        return key in self._receivers

    def is_onlooker(self, key: KeyT) -> bool:
        """Whether somebody is welcome here, and seen by nobody."""
        receiver = self._receivers.get(key)
        return receiver is not None and receiver.seat.is_unseen

    def latest(self, key: KeyT) -> bytes:
        """Somebody's latest record; empty: there is none."""
        seat = self._seats.get(key)
        return b"" if seat is None else self._table.get(seat.slot)

    def level_of(self, key: KeyT) -> int:
        """At which step of the ladder somebody is; for showing."""
        receiver = self._receivers.get(key)
        return self._clock.level if receiver is None else self._level(receiver)

    # Ticks

    @property
    def next_tick_at(self) -> float | None:
        """When the next tick is wanted; in the past: at once. None: nobody is there."""
        return self._clock.next_at

    def tick(
        self,
        now: float,
        changed_since: ChangedSince = _nothing_moved,
        is_behind: Callable[[KeyT], bool] = _nobody_is_behind,
    ) -> LaneTurn[KeyT]:
        """Everything that is to be sent now.

        Args:
            changed_since: where held objects are.
            is_behind: whose transport has not written yet what it was given: it is sent nothing,
                and its next frame has the newest of everything that it missed (POS-19).
        """
        late = self._clock.begin(now)
        if late > STALL_SECONDS:
            self._seats.excuse(late, now)
        turn: LaneTurn[KeyT] = LaneTurn(self._clock.tick)
        turn.gone = [*self._put_out, *self._put_out_silent(now)]
        self._put_out = []
        behind = {key for key in self._receivers if is_behind(key)}
        self._tell_rosters(turn, behind, now)
        self._send_frames(turn, behind, changed_since, now)
        self._rest_or_go_on()
        return turn

    def took(self, seconds: float) -> None:
        """How long the last tick took, with all that was written for it (POS-23)."""
        self._clock.took(seconds)

    def _put_out_silent(self, now: float) -> list[KeyT]:
        gone = self._seats.look_for_silence(now)
        for seat in gone:
            self._remove(seat)
        self.counters.silenced += len(gone)
        return [seat.key for seat in gone]

    def _rest_or_go_on(self) -> None:
        """POS-18: where nothing moves, a room rests until an empty frame is due."""
        everybody = self._receivers.values()
        if not everybody:
            return
        if any(each.lacks(self._table.changed_in) for each in everybody):
            self._clock.go_on()
        else:
            quiet = min(each.sent_at for each in everybody) + KEEP_ALIVE
            self._clock.rest(min(quiet, self._seats.next_silence()))

    # Rosters

    def _tell_rosters(self, turn: LaneTurn[KeyT], behind: set[KeyT], now: float) -> None:
        """POS-13: who comes is told everybody, the others what changed, each as soon as it can be
        written."""
        changed = dict.fromkeys(self._seats.take_changed())
        new: list[KeyT] = []
        informed: list[KeyT] = []
        for key, receiver in self._receivers.items():
            if receiver.welcomed is not None and changed:
                receiver.missed.update(changed)
            if key in behind:
                continue
            if receiver.welcomed is None:
                receiver.welcomed = turn.tick
                turn.welcomes.append((key, self._welcome(receiver.seat, turn.tick, now)))
                new.append(key)
            elif len(receiver.missed) > len(changed):
                turn.rosters.append(_roster(receiver.missed, [key]))
            elif changed:
                informed.append(key)
            receiver.missed.clear()
        if new:
            turn.rosters.append(_roster(self._seats.everyone(), new))
        if informed:
            turn.rosters.append(_roster(changed, informed))

    def _welcome(self, seat: Seat[KeyT], tick: int, now: float) -> bytes:
        slot = min(seat.slot, NOBODY)
        return pose_messages.welcome(
            Welcome(VERSION, slot, seat.generation, self._clock.rate, tick, _milliseconds(now))
        )

    # Frames

    def _send_frames(
        self,
        turn: LaneTurn[KeyT],
        behind: set[KeyT],
        changed_since: ChangedSince,
        now: float,
    ) -> None:
        tick = turn.tick
        self._table.begin_tick(is_crowd=self._is_crowd())
        frames: TickFrames[KeyT] = TickFrames(tick, _milliseconds(now), self._table, changed_since)
        intervals = self._intervals()
        best = self._clock.level
        for key, receiver in self._receivers.items():
            if receiver.is_due(tick, intervals[max(best, receiver.pace.level)], now):
                if key in behind:
                    self.counters.skipped += 1
                else:
                    self._send(receiver, frames, tick, now)
        turn.frames = [frame for frame in frames.made if frame.to]

    def _intervals(self) -> list[int]:
        """POS-20: by level, ticks between two frames."""
        each = self._clock.ticks_each
        return [1, *(level.every * each for level in LEVELS[ORDINARY:])]

    def _is_crowd(self) -> bool:
        """Whether somebody is not sent what others are sent."""
        return len(self._receivers) > self.settings.shared_up_to or any(
            each.pace.level >= SELECTIVE for each in self._receivers.values()
        )

    def _send(
        self, receiver: Receiver[KeyT], frames: TickFrames[KeyT], tick: int, now: float
    ) -> None:
        frame = self._frame(receiver, frames, tick)
        receiver.since = frame.up_to
        if frame.is_empty and now - receiver.sent_at < KEEP_ALIVE:
            return
        frame.to.append(receiver.seat.key)
        receiver.sent(tick, now)
        self.counters.frames += 1
        self.counters.records += frame.records

    def _frame(
        self, receiver: Receiver[KeyT], frames: TickFrames[KeyT], tick: int
    ) -> Outgoing[KeyT]:
        """POS-17: what others are sent, too, or what this one sees of a crowd. The first frame is
        always the former: everybody's latest."""
        is_shared = self._is_shared(receiver)
        if is_shared:
            receiver.share()
        if is_shared or receiver.since == 0:
            return frames.shared(receiver.since)
        if receiver.view is None:
            receiver.view = frames.begin_view(receiver.seat.slot, receiver.since)
        if receiver.view is None:
            return frames.shared(receiver.since)
        self._look(receiver.view, self._level(receiver), tick)
        return frames.own(receiver.view, receiver.since)

    def _look(self, view: View, level: int, tick: int) -> None:
        """POS-25: look who is near, if it is time to; each at another tick."""
        each = self._clock.ticks_each
        every = max(1, round(LOOK_SECONDS * self.settings.rate * each))
        sizes = self._circles.get((level, each))
        if sizes is None:
            sizes = self._circles[level, each] = circles(LEVELS[level], self.settings, each)
        view.look(self._table, sizes, tick, every)

    def _is_shared(self, receiver: Receiver[KeyT]) -> bool:
        return (
            len(self._receivers) <= self.settings.shared_up_to and receiver.pace.level < SELECTIVE
        )

    def _level(self, receiver: Receiver[KeyT]) -> int:
        return max(receiver.pace.level, self._clock.level)


def _roster(seats: Iterable[Seat[KeyT]], to: list[KeyT]) -> Outgoing[KeyT]:
    return Outgoing(pose_messages.roster([seat.entry() for seat in seats]), to=to)


def _milliseconds(now: float) -> int:
    return int(now * 1000)
