"""Who is there in the pose lane: slots, generations, silence (POS-10 to POS-15).

A participant has a *seat*: a slot, which its records carry, and the generation under which it has
it. A *key* is whatever stands for its socket.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from crdt_docs.errors import LimitExceeded
from crdt_docs.pose_messages import NOBODY, Device, Hello, Presence, RosterEntry

KeyT = TypeVar("KeyT", bound=Hashable)

MOST_SEATS: Final = NOBODY
"""The slot after the last one means nobody."""


@dataclass(slots=True, eq=False)
class Seat(Generic[KeyT]):
    """A participant, as long as it is there.

    Attributes:
        user: whose socket it is.
        heard_at: when its last pose or beat came.
        is_told: it was in a roster.
    """

    key: KeyT
    user: Hashable
    slot: int
    generation: int
    device: Device
    client_id: int
    heard_at: float
    presence: Presence = Presence.THERE
    is_told: bool = False

    def entry(self) -> RosterEntry:
        """What the roster says of it."""
        return RosterEntry(self.slot, self.generation, self.presence, self.device, self.client_id)

    @property
    def is_unseen(self) -> bool:
        """Whether it is no seat that others see (POS-42)."""
        return self.slot >= NOBODY


def unseen_seat(key: KeyT, number: int, now: float) -> Seat[KeyT]:
    """What stands for somebody who looks on.

    Args:
        number: of those the how-manieth, from 0: no record can be of that slot, and each looks at
            a crowd in another tick.
    """
    return Seat(key, None, NOBODY + 1 + number, 0, Device.DESKTOP, 0, now)


class Slots(Generic[KeyT]):
    """POS-10: small numbers, and how often each was taken."""

    __slots__ = ("_free", "_generations", "_last_of", "_quarantine", "_resting")

    def __init__(self, quarantine: float) -> None:
        """
        Args:
            quarantine: seconds after which others may take a slot again.
        """
        self._quarantine = quarantine
        self._generations = bytearray()
        self._free: list[int] = []
        self._resting: dict[int, tuple[float, KeyT]] = {}  # the one that rests longest is first
        self._last_of: dict[KeyT, int] = {}

    def take(self, key: KeyT, now: float) -> tuple[int, int]:
        """A slot and its generation. Who comes back on the same socket gets its own again: else
        one socket could use up all of them.

        Raises:
            LimitExceeded: there are no more.
        """
        slot = self._last_of.pop(key, None)
        if slot is None:
            slot = self._lowest(now)
        else:
            del self._resting[slot]
        self._generations[slot] = (self._generations[slot] + 1) & 0xFF
        return slot, self._generations[slot]

    def give_back(self, slot: int, key: KeyT, now: float) -> None:
        """It means nobody from now on."""
        self._resting[slot] = (now, key)
        self._last_of[key] = slot

    def _lowest(self, now: float) -> int:
        self._wake(now)
        if self._free:
            return heapq.heappop(self._free)
        if len(self._generations) == MOST_SEATS:
            raise LimitExceeded(f"more than {MOST_SEATS} participants came within seconds")
        self._generations.append(0)
        return len(self._generations) - 1

    def _wake(self, now: float) -> None:
        while self._resting:
            slot, (since, key) = next(iter(self._resting.items()))
            if now - since < self._quarantine:
                return
            del self._resting[slot], self._last_of[key]
            heapq.heappush(self._free, slot)


class Seats(Generic[KeyT]):
    """Everybody who is there, and what of that changed since it was asked last."""

    def __init__(self, quiet_after: float, gone_after: float, quarantine: float) -> None:
        self._quiet_after = quiet_after
        self._gone_after = gone_after
        self._slots: Slots[KeyT] = Slots(quarantine)
        self._seats: dict[KeyT, Seat[KeyT]] = {}
        self._by_slot: dict[int, Seat[KeyT]] = {}
        self._by_person: dict[tuple[Hashable, int], Seat[KeyT]] = {}
        self._fallen_silent: dict[KeyT, tuple[Hello, Hashable]] = {}
        self._changed: dict[Seat[KeyT], None] = {}

    def get(self, key: KeyT) -> Seat[KeyT] | None:
        """Where somebody sits."""
        return self._seats.get(key)

    def at(self, slot: int) -> Seat[KeyT] | None:
        """Who has a slot now."""
        return self._by_slot.get(slot)

    def everyone(self) -> Iterable[Seat[KeyT]]:
        """All who are there."""
        return self._seats.values()

    def rival(self, key: KeyT, hello: Hello, user: Hashable) -> Seat[KeyT] | None:
        """POS-13: the seat that the same client of the same user has on another socket."""
        seat = self._by_person.get((user, hello.client_id))
        return None if seat is None or seat.key == key else seat

    def take(self, key: KeyT, hello: Hello, user: Hashable, now: float) -> Seat[KeyT]:
        """Seat somebody who has left before, if it was there.

        Raises:
            LimitExceeded: there is no slot left.
        """
        slot, generation = self._slots.take(key, now)
        self._forget_silent(user, hello.client_id)
        seat = Seat(key, user, slot, generation, hello.device, hello.client_id, now)
        self._seats[key] = self._by_slot[slot] = seat
        self._by_person[user, seat.client_id] = seat
        self._changed[seat] = None
        return seat

    def hear(self, seat: Seat[KeyT], now: float) -> bool:
        """A pose or a beat came. Returns whether the roster has to say so."""
        seat.heard_at = now
        if seat.presence is Presence.THERE:
            return False
        seat.presence = Presence.THERE
        self._changed[seat] = None
        return True

    def silent_one(self, key: KeyT) -> tuple[Hello, Hashable] | None:
        """What somebody who is gone by silence said when it came, and whose socket it is."""
        return self._fallen_silent.get(key)

    def leave(self, key: KeyT, now: float) -> Seat[KeyT] | None:
        """Somebody is gone. Returns the seat it had."""
        self._fallen_silent.pop(key, None)
        seat = self._seats.pop(key, None)
        if seat is None:
            return None
        del self._by_slot[seat.slot]
        person = (seat.user, seat.client_id)
        if self._by_person.get(person) is seat:
            del self._by_person[person]
        self._slots.give_back(seat.slot, key, now)
        seat.presence = Presence.GONE
        if seat.is_told:
            self._changed[seat] = None
        else:
            self._changed.pop(seat, None)
        return seat

    def look_for_silence(self, now: float) -> list[Seat[KeyT]]:
        """POS-14: who is silent, and who is gone by it (returned)."""
        gone = []
        for seat in self._seats.values():
            silence = now - seat.heard_at
            if silence >= self._quiet_after:
                if silence >= self._gone_after:
                    gone.append(seat)
                elif seat.presence is Presence.THERE:
                    seat.presence = Presence.SILENT
                    self._changed[seat] = None
        for seat in gone:
            self.leave(seat.key, now)
            hello = Hello(1, seat.device, seat.client_id)
            self._fallen_silent[seat.key] = (hello, seat.user)
        return gone

    def next_silence(self) -> float:
        """When `look_for_silence` may find something next."""
        times = (
            seat.heard_at
            + (self._quiet_after if seat.presence is Presence.THERE else self._gone_after)
            for seat in self._seats.values()
        )
        return min(times, default=float("inf"))

    def excuse(self, seconds: float, now: float) -> None:
        """POS-15: for so long the server itself did not listen."""
        for seat in self._seats.values():
            seat.heard_at = min(now, seat.heard_at + seconds)

    def take_changed(self) -> list[Seat[KeyT]]:
        """Whose presence changed since the last call; who is gone before who has the slot now."""
        changed = list(self._changed)
        self._changed.clear()
        for seat in changed:
            seat.is_told = True
        return changed

    def _forget_silent(self, user: Hashable, client_id: int) -> None:
        """What the former socket of somebody who is back still brings is late: were that to seat it
        there again, the new one would be put out (POS-13)."""
        for key, (hello, whose) in list(self._fallen_silent.items()):
            if whose == user and hello.client_id == client_id:
                del self._fallen_silent[key]
