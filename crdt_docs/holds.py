"""Who holds which object of a room, and where held objects are (POS-30 to POS-40).

`Holds` is told what participants ask for and send, and answers with effects: whom to grant or deny
what, which holds have ended, and what is to be written into the document. It writes nothing itself,
and reads no clock. On the wire it is what `docs/pose-lane.md` says in section 5.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from operator import mul, sub
from typing import Final, Generic, Protocol, TypeVar

from crdt_docs.hold_effects import (
    Denied,
    Effect,
    Ended,
    EndReason,
    Granted,
    HolderT,
    Landed,
)
from crdt_docs.pose_messages import Denial, TransformUp
from crdt_docs.poses import Transform, decode_transform

AskerT_contra = TypeVar("AskerT_contra", bound=Hashable, contravariant=True)

LEASE_SECONDS: Final = 5.0
"""How long a hold lasts after its holder was heard last."""

REST_SECONDS: Final = 1.0
"""How long an object has to be still before where it is gets written down."""

REVIEW_SECONDS: Final = 0.5
"""How often it is asked whether those who hold still may."""

QUARANTINE_SECONDS: Final = 10.0
"""How long an object slot means nothing before it means another hold."""

HELD_AT_ONCE: Final = 16
"""Objects that one participant may hold."""

REMEMBERED: Final = 4096
"""Objects whose number is known while nobody holds them."""

SLOTS: Final = 0xFFFF
MOST: Final = 0xFFFFFFFF
"""The highest ownership sequence; after it comes 1, because 0 means that none is known."""

STILL_METRES: Final = 0.0015
"""Along each axis: a millimetre, and half of one so that rounding does not matter."""

STILL_COSINE: Final = 1.0 - 9.5e-8
"""Of half the angle between two rotations: 0.05 degrees."""

_SCALE_AT: Final = 20
_PARTS_AT: Final = 4


class Permits(Protocol[AskerT_contra]):
    """Knows the document and the roles of a room."""

    def refusal(self, holder: AskerT_contra, object_id: str) -> Denial | None:
        """Why somebody may not hold an object, whoever holds it now; None: they may."""

    def is_host(self, holder: AskerT_contra) -> bool:
        """Whether somebody may take an object from others."""


@dataclass(slots=True)
class _Hold(Generic[HolderT]):
    """One object in somebody's hand.

    Attributes:
        latest: its newest record; empty before the first.
        landed: the record that was written into the document last.
        rest: where it was when it moved last.
        changed_in: the tick in which `latest` came.
    """

    object_id: str
    object_slot: int
    sequence: int
    holder: HolderT
    latest: bytes = b""
    landed: bytes = b""
    rest: Transform | None = None
    moved_at: float = 0.0
    changed_in: int = 0


@dataclass(slots=True)
class _Hands(Generic[HolderT]):
    """What one participant holds, by object slot."""

    heard_at: float
    holds: dict[int, _Hold[HolderT]] = field(default_factory=dict)


class ObjectSlots:
    """POS-40: short numbers for held objects. One that was used means nothing for a while."""

    __slots__ = ("_fresh", "_used")

    def __init__(self) -> None:
        self._fresh = 0
        self._used: deque[tuple[float, int]] = deque()

    def take(self, now: float) -> int | None:
        """A number that means nothing; None: there is none left."""
        if self._used and now - self._used[0][0] >= QUARANTINE_SECONDS:
            return self._used.popleft()[1]
        if self._fresh == SLOTS:
            return None
        self._fresh += 1
        return self._fresh - 1

    def give_back(self, slot: int, now: float) -> None:
        """It means nothing from now on."""
        self._used.append((now, slot))


class Holds(Generic[HolderT]):
    """The holds of one room. A *holder* is whatever stands for a participant.

    `now` is any monotonic clock, in seconds, and goes only forward.
    """

    def __init__(self, permits: Permits[HolderT]) -> None:
        self._permits = permits
        self._held: dict[str, _Hold[HolderT]] = {}
        # In the order in which they were heard last, or moved last, or changed last: what is due
        # is at one end.
        self._hands: dict[HolderT, _Hands[HolderT]] = {}
        self._moving: dict[int, _Hold[HolderT]] = {}
        self._changed: dict[int, _Hold[HolderT]] = {}
        self._slots = ObjectSlots()
        # The numbers of objects that nobody holds; of those that are forgotten, the highest.
        self._numbers: dict[str, int] = {}
        self._forgotten = 0
        self._review_at = 0.0

    def __len__(self) -> int:
        """How many objects are held."""
        return len(self._held)

    # What participants ask for

    def claim(
        self, holder: HolderT, object_id: str, sequence: int, now: float
    ) -> tuple[Effect[HolderT], ...]:
        """POS-30, POS-32: grant an object that nobody holds, or say why not.

        Args:
            sequence: the number of the object that the participant knows; 0: none.
        """
        reason = self._permits.refusal(holder, object_id)
        if reason is None and object_id in self._held:
            reason = Denial.HELD
        if reason is None and sequence not in (0, self._number(object_id)):
            reason = Denial.OLD_SEQUENCE
        return self._grant_unless(reason, holder, object_id, now)

    def force(self, holder: HolderT, object_id: str, now: float) -> tuple[Effect[HolderT], ...]:
        """POS-34: take an object from whoever holds it."""
        reason = self._permits.refusal(holder, object_id)
        if reason is None and not self._permits.is_host(holder):
            reason = Denial.MAY_NOT_EDIT
        return self._grant_unless(reason, holder, object_id, now)

    def release(
        self, holder: HolderT, object_slot: int, sequence: int, now: float
    ) -> tuple[Effect[HolderT], ...]:
        """POS-33: the holder lets go; of what it does not hold any more, this means nothing."""
        hold = self._hold_of(holder, object_slot)
        if hold is None or hold.sequence != sequence:
            return ()
        return (*self._end(hold, EndReason.RELEASED, now),)

    def withdraw(self, object_id: str, now: float) -> tuple[Effect[HolderT], ...]:
        """POS-35: the object was deleted. What may be there by now under its name is another one,
        and stays where it was put."""
        hold = self._held.get(object_id)
        if hold is None:
            return ()
        hold.landed = hold.latest
        return (*self._end(hold, EndReason.WITHDRAWN, now),)

    def leave(self, holder: HolderT, now: float) -> tuple[Effect[HolderT], ...]:
        """POS-33: the participant is gone."""
        return (*self._drop_all(holder, EndReason.LEFT, now),)

    def renew(self, holder: HolderT, now: float) -> None:
        """POS-33: the participant was heard of."""
        hands = self._hands.pop(holder, None)
        if hands is not None:
            hands.heard_at = now
            self._hands[holder] = hands

    # Where held objects are

    def take_transforms(
        self, holder: HolderT, records: Iterable[TransformUp], tick: int, now: float
    ) -> int:
        """POS-36: take the transforms of a participant's pose, of each object the last one.

        Args:
            tick: the next one, in which they are passed on.

        Returns:
            How many were dropped, because they are of something that it does not hold.
        """
        dropped = 0
        newest: dict[int, tuple[_Hold[HolderT], bytes]] = {}
        for object_slot, sequence, record in records:
            hold = self._hold_of(holder, object_slot)
            if hold is None or hold.sequence & 0xFFFF != sequence:
                dropped += 1
            else:
                newest[object_slot] = hold, record
        for hold, record in newest.values():
            self._move(hold, record, tick, now)
        return dropped

    def changed_since(self, tick: int) -> list[bytes]:
        """POS-37: the newest record of each held object that changed after a tick."""
        changed = []
        for hold in reversed(self._changed.values()):
            if hold.changed_in <= tick:
                break
            changed.append(hold.latest)
        return changed

    def standing(self) -> list[Granted[HolderT]]:
        """What is held now, for somebody who has just come."""
        return [
            Granted(hold.object_id, hold.object_slot, hold.sequence, hold.holder)
            for hold in self._held.values()
        ]

    # What time does

    def tick(self, now: float) -> tuple[Effect[HolderT], ...]:
        """End what has expired or may not be any more, and write down what rests."""
        effects = self._expire(now) + self._land(now)
        if now >= self._review_at:
            self._review_at = now + REVIEW_SECONDS
            effects += self._review(now)
        return tuple(effects)

    def _expire(self, now: float) -> list[Effect[HolderT]]:
        late = []
        for holder, hands in self._hands.items():
            if now - hands.heard_at < LEASE_SECONDS:
                break
            late.append(holder)
        return [effect for each in late for effect in self._drop_all(each, EndReason.EXPIRED, now)]

    def _land(self, now: float) -> list[Effect[HolderT]]:
        """POS-38: of what has not moved for a while."""
        still = []
        for hold in self._moving.values():
            if now - hold.moved_at < REST_SECONDS:
                break
            still.append(hold)
        return [effect for hold in still for effect in self._written_down(hold)]

    def _review(self, now: float) -> list[Effect[HolderT]]:
        """POS-35: roles change, sessions are paused, objects locked."""
        withdrawn = [
            hold
            for hold in self._held.values()
            if self._permits.refusal(hold.holder, hold.object_id) is not None
        ]
        return [
            effect for hold in withdrawn for effect in self._end(hold, EndReason.WITHDRAWN, now)
        ]

    # Grants and ends

    def _grant_unless(
        self, reason: Denial | None, holder: HolderT, object_id: str, now: float
    ) -> tuple[Effect[HolderT], ...]:
        held = self._held.get(object_id)
        if reason is None and self._has_full_hands(holder, held):
            reason = Denial.TOO_MANY
        slot = self._slots.take(now) if reason is None else None
        if slot is None:
            reason = reason or Denial.TOO_MANY
            return (Denied(object_id, self._number(object_id), holder, reason),)
        ends = [] if held is None else self._end(held, EndReason.FORCED, now)
        return (*ends, self._grant(holder, object_id, slot, now))

    def _has_full_hands(self, holder: HolderT, but: _Hold[HolderT] | None) -> bool:
        hands = self._hands.get(holder)
        if hands is None:
            return False
        has_it = but is not None and but.holder == holder
        return len(hands.holds) - has_it >= HELD_AT_ONCE

    def _grant(self, holder: HolderT, object_id: str, slot: int, now: float) -> Granted[HolderT]:
        sequence = _after(self._number(object_id))
        self._numbers.pop(object_id, None)
        hold = _Hold(object_id, slot, sequence, holder)
        self._held[object_id] = hold
        self._hands.setdefault(holder, _Hands(now)).holds[slot] = hold
        return Granted(object_id, slot, sequence, holder)

    def _drop_all(self, holder: HolderT, reason: EndReason, now: float) -> list[Effect[HolderT]]:
        hands = self._hands.get(holder)
        holds = [] if hands is None else list(hands.holds.values())
        return [effect for hold in holds for effect in self._end(hold, reason, now)]

    def _end(self, hold: _Hold[HolderT], reason: EndReason, now: float) -> list[Effect[HolderT]]:
        landed = self._written_down(hold)
        hands = self._hands[hold.holder]
        del hands.holds[hold.object_slot]
        if not hands.holds:
            del self._hands[hold.holder]
        del self._held[hold.object_id]
        self._changed.pop(hold.object_slot, None)
        self._slots.give_back(hold.object_slot, now)
        sequence = _after(hold.sequence)
        self._remember(hold.object_id, sequence)
        return [*landed, Ended(hold.object_id, hold.object_slot, sequence, hold.holder, reason)]

    # Numbers

    def _number(self, object_id: str) -> int:
        """POS-31: the ownership sequence of an object."""
        hold = self._held.get(object_id)
        return self._numbers.get(object_id, self._forgotten) if hold is None else hold.sequence

    def _remember(self, object_id: str, sequence: int) -> None:
        self._numbers[object_id] = sequence
        if len(self._numbers) > REMEMBERED:
            oldest = next(iter(self._numbers))
            self._forgotten = max(self._forgotten, self._numbers.pop(oldest))

    # Moves

    def _hold_of(self, holder: HolderT, object_slot: int) -> _Hold[HolderT] | None:
        hands = self._hands.get(holder)
        return None if hands is None else hands.holds.get(object_slot)

    def _move(self, hold: _Hold[HolderT], record: bytes, tick: int, now: float) -> None:
        record = _with_scale_of(hold.latest, record)
        if record == hold.latest:
            return
        hold.latest = record
        hold.changed_in = tick
        self._changed.pop(hold.object_slot, None)
        self._changed[hold.object_slot] = hold
        transform = decode_transform(record)
        if hold.rest is None or not is_still(hold.rest, transform):
            hold.rest = transform
            hold.moved_at = now
            self._moving.pop(hold.object_slot, None)
            self._moving[hold.object_slot] = hold

    def _written_down(self, hold: _Hold[HolderT]) -> list[Effect[HolderT]]:
        """POS-38: where it is, unless that was written down before."""
        self._moving.pop(hold.object_slot, None)
        if hold.latest == hold.landed:
            return []
        hold.landed = hold.latest
        return [Landed(hold.object_id, decode_transform(hold.latest), hold.holder)]


def is_still(one: Transform, other: Transform) -> bool:
    """Whether two transforms are the same, but for the trembling of a hand."""
    if one.scale != other.scale:
        return False
    x, y, z = map(sub, one.position, other.position)
    if not (abs(x) <= STILL_METRES and abs(y) <= STILL_METRES and abs(z) <= STILL_METRES):
        return False
    cosine: float = sum(map(mul, one.rotation, other.rotation))
    return abs(cosine) >= STILL_COSINE


def _after(sequence: int) -> int:
    return sequence % MOST + 1


def _with_scale_of(before: bytes, record: bytes) -> bytes:
    """POS-37: a record that says nothing of the scale means the one before; who missed that record
    learns it from this one."""
    if record[_PARTS_AT] or not before or not before[_PARTS_AT]:
        return record
    return record[:_PARTS_AT] + b"\x01" + record[_PARTS_AT + 1 :] + before[_SCALE_AT:]
