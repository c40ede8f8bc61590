"""Who of a crowd is sent to one participant, and how often: the nearest most (POS-25 to POS-27).

Whoever is not sent in each tick has a turn in every `period`-th, by its slot: so each tick has
about as many, and nobody waits longer than a period, however the crowd moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from math import dist
from typing import Final, NamedTuple

from crdt_docs.pose_rates import Level, PoseSettings
from crdt_docs.pose_table import Place, PoseTable

_ORIGIN: Final = (0.0, 0.0, 0.0)


class Circles(NamedTuple):
    """How many are near and in the middle, and between how many ticks the others have a turn."""

    near: int
    middle: int
    middle_every: int
    far_every: int
    middle_is_head_only: bool


def circles(level: Level, settings: PoseSettings, ticks: int = 1) -> Circles:
    """What a level means in a room.

    Args:
        ticks: how many ticks pass in the time of one at the ordinary rate.
    """
    return Circles(
        settings.near // level.crowd,
        settings.middle // level.crowd,
        level.middle_every * ticks,
        level.far_every * ticks,
        level.middle_is_head_only,
    )


class _Ring:
    """Participants who are sent equally often: by turns, and up to which tick each turn was sent.

    Attributes:
        owed: those who are to be sent next whatever came when: they were elsewhere before.
    """

    __slots__ = ("is_head_only", "members", "owed", "period", "since", "turns")

    def __init__(self, period: int, since: int, *, is_head_only: bool) -> None:
        self.period = period
        self.is_head_only = is_head_only
        self.since = [since] * period
        self.turns: list[list[int]] = [[] for _ in range(period)]
        self.members: frozenset[int] = frozenset()
        self.owed: frozenset[int] = frozenset()

    def fill(self, slots: Sequence[int], known: frozenset[int]) -> None:
        """These are in it now.

        Args:
            known: of those who come into it, the ones who were sent in the same way before.
        """
        members = frozenset(slots)
        for slot in self.members - members:
            self.turns[slot % self.period].remove(slot)
        come = members - self.members
        for slot in come:
            self.turns[slot % self.period].append(slot)
        self.owed = come - known
        self.members = members

    def is_like(self, other: _Ring) -> bool:
        """Whether those in it are sent equally often, and as much."""
        return self.period == other.period and self.is_head_only == other.is_head_only

    def sent_like(self, other: _Ring) -> frozenset[int]:
        """Of whom as much was sent as another ring sends, up to where it begins."""
        return self.members if self.is_head_only == other.is_head_only else frozenset()

    def take(self, records: list[bytes], seen: int, tick: int, table: PoseTable) -> None:
        """Add what is due, as of the last tick that was sent."""
        newer = table.heads if self.is_head_only else table.full
        period, since = self.period, self.since
        due = (tick,) if seen + 1 == tick else range(max(seen, tick - period) + 1, tick + 1)
        for each in due:
            turn = each % period
            latest = newer[since[turn]]
            records += [record for slot in self.turns[turn] if (record := latest[slot])]
            since[turn] = tick
        if self.owed:
            records += [record for slot in self.owed if (record := newer[0][slot])]
            self.owed = frozenset()


class View:
    """What one participant sees of a crowd."""

    __slots__ = ("_circles", "_looked_in", "_order", "_rings", "_seen", "_slot", "_slots")

    def __init__(self, slot: int, since: int) -> None:
        """
        Args:
            slot: its own, which it is not sent.
            since: the tick up to which it was sent everything.
        """
        self._slot = slot
        self._seen = since
        self._circles: Circles | None = None
        self._rings: tuple[_Ring, ...] | None = None
        self._slots: tuple[int, ...] | None = None
        self._order: list[int] = []
        self._looked_in = 0

    def look(self, table: PoseTable, sizes: Circles, tick: int, every: int) -> None:
        """POS-25: see who is near, if it is time to; and how much of it there is to be.

        Args:
            every: ticks between two looks. The first one puts it at a tick of its own, so that
                not everybody looks at once.
        """
        is_first = self._rings is None
        if is_first or tick - self._looked_in >= every:
            self._looked_in = tick - self._slot % every if is_first else tick
            self._sort(table)
            self._arrange(sizes)

    def take(self, tick: int, table: PoseTable) -> list[bytes]:
        """POS-26: the records of the next frame, which is sent in this tick."""
        records: list[bytes] = []
        has_owed = False
        for ring in self._rings or ():
            has_owed = has_owed or bool(ring.owed)
            ring.take(records, self._seen, tick, table)
        self._seen = tick
        return list(dict.fromkeys(records)) if has_owed else records

    def lacks(self, tick: int) -> bool:
        """Whether something that came up to a tick was not sent yet, or not looked at."""
        return self._looked_in < tick or self._up_to() < tick

    def _sort(self, table: PoseTable) -> None:
        """Put the others in order, the nearest first."""
        if table.slots is not self._slots:
            self._slots = table.slots
            self._order = [slot for slot in table.slots if slot != self._slot]
        away = _distances(table.positions, self._slot)
        # What was in order half a second ago nearly is: that is sorted in one pass.
        self._order.sort(key=away.__getitem__)

    def _arrange(self, sizes: Circles) -> None:
        """Share the others among the rings."""
        end = sizes.near + sizes.middle
        parts = (self._order[: sizes.near], self._order[sizes.near : end], self._order[end:])
        before = self._rings
        if before is None or self._circles != sizes:
            self._rings = self._rings_of(sizes)
            self._circles = sizes
        for number, (ring, slots) in enumerate(zip(self._rings or (), parts, strict=True)):
            # Up to where a view begins, its owner was sent everything.
            known = frozenset(slots) if before is None else before[number].sent_like(ring)
            ring.fill(slots, known)

    def _rings_of(self, sizes: Circles) -> tuple[_Ring, ...]:
        """Those who are near, in the middle and far. A ring that is as it was stays."""
        since = self._up_to()
        rings = (
            _Ring(1, since, is_head_only=False),
            _Ring(sizes.middle_every, since, is_head_only=sizes.middle_is_head_only),
            _Ring(sizes.far_every, since, is_head_only=True),
        )
        if self._rings is None:
            return rings
        return tuple(
            old if old.is_like(new) else new for old, new in zip(self._rings, rings, strict=True)
        )

    def _up_to(self) -> int:
        return min((min(ring.since) for ring in self._rings or ()), default=self._seen)


def _distances(positions: Sequence[Place], slot: int) -> list[float]:
    """By slot, how far everybody is from one, in millimetres."""
    own = positions[slot] if slot < len(positions) else _ORIGIN
    return list(map(dist, positions, repeat(own)))
