"""How old the poses are that one headset is sent: of those near it, who are sent at full rate.

A record says when its sender captured it. Senders of this load test write the monotonic clock
there, which is the same in all processes of a machine, so an age needs nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from struct import Struct
from typing import Final

from crdt_docs.errors import Malformed
from crdt_docs.pose_fields import FIELDS_AT, FRAME
from crdt_docs.pose_numbers import Millimetres
from crdt_docs.poses import HEAD_SIZE, POSE_SIZES, head_position_mm, is_newer

SAMPLED: Final = 4
"""Of so many frames the ages in one are looked at."""

NEAREST: Final = 20
"""So many count as near: a few less than are sent at full rate. Those at the edge come and go."""

LOOKED_AFTER: Final = 32
"""Frames until it is looked at again who is near."""

_RECORD: Final = Struct("<HBBHH")  # slot, generation, parts, sequence, captured
_RECORDS_AT: Final = FIELDS_AT + FRAME.size
_MILLISECOND: Final = 1_000_000
_SOON: Final = 60_000
"""Ages above are of times a little ahead: two clocks are never read at once."""


class Sightings:
    """Whom one headset sees."""

    __slots__ = ("_frames", "_latest", "_near", "_places", "_spot")

    def __init__(self, spot: tuple[float, float]) -> None:
        """
        Args:
            spot: where it stands itself: metres along x and z.
        """
        self._spot = spot
        self._frames = 0
        self._latest: dict[tuple[int, int], int] = {}
        self._places: dict[int, Millimetres] = {}
        self._near: frozenset[int] = frozenset()

    def ages(self, frame: bytes, count: int, own: int, now: int) -> Iterator[int]:
        """Nanoseconds of each pose in a frame that is news of somebody near; of some frames only.

        Args:
            count: of its pose records.
            own: the slot of whoever sees.
        """
        self._frames += 1
        if self._frames % LOOKED_AFTER == 1:
            self._look(frame, count, own)
        if self._frames % SAMPLED:
            return
        near, latest, now_ms = self._near, self._latest, now // _MILLISECOND
        for slot, generation, sequence, captured, _ in _records(frame, count):
            known = latest.get((slot, generation))
            # Of who comes nearer the same pose is sent again, with hands: that is no new one.
            if known is not None and not is_newer(sequence, known):
                continue
            latest[slot, generation] = sequence
            if slot in near:
                age = (now_ms - captured) & 0xFFFF
                yield (age if age < _SOON else 0) * _MILLISECOND

    def _look(self, frame: bytes, count: int, own: int) -> None:
        """Who is near, by the heads' places as far as they are known."""
        for slot, _, _, _, at in _records(frame, count):
            self._places[slot] = head_position_mm(frame[at : at + HEAD_SIZE])
        others = [slot for slot in self._places if slot != own]
        others.sort(key=self._distance)
        self._near = frozenset(others[:NEAREST])

    def _distance(self, slot: int) -> float:
        x, _, z = self._places[slot]
        return math.dist((x / 1000, z / 1000), self._spot)


def _records(frame: bytes, count: int) -> Iterator[tuple[int, int, int, int, int]]:
    """(slot, generation, sequence, captured, where it begins) of each pose record.

    Raises:
        Malformed: the bytes end before the records do, or one has unknown parts.
    """
    at = _RECORDS_AT
    for _ in range(count):
        if at + HEAD_SIZE > len(frame):
            raise Malformed("the bytes end within a frame's poses")
        slot, generation, parts, sequence, captured = _RECORD.unpack_from(frame, at)
        yield slot, generation, sequence, captured, at
        size = POSE_SIZES.get(parts)
        if size is None:
            raise Malformed(f"a pose has no parts {parts}")
        at += size
