"""The latest pose of everybody, and in which tick it came (POS-16)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from crdt_docs.poses import head_only, head_position_mm

Place: TypeAlias = tuple[float, float, float]
"""Whole millimetres, which floats hold exactly: distances are found in a third of the time."""

_NOWHERE: Final = (0.0, 0.0, 0.0)


class _Newer(dict[int, Sequence[bytes]]):
    """By tick, the records that came after it; by slot, empty where there is none."""

    def __init__(self, records: list[bytes], changed: list[int]) -> None:
        super().__init__()
        self._records = records
        self._changed = changed

    def __missing__(self, since: int) -> Sequence[bytes]:
        self[since] = newer = [
            record if changed > since else b""
            for record, changed in zip(self._records, self._changed, strict=True)
        ]
        return newer


class PoseTable:
    """Records by slot. Nothing older than the latest is kept.

    Attributes:
        full: by tick, all records that came after it: by slot, empty where there is none. What
            many are sent alike is chosen once a tick.
        heads: the same without hands.
        positions: by slot, where everybody's head is; the origin where there is no record. Like
            `full` and `heads` as of `begin_tick`.
        slots: those that have a record, ascending.
        changed_in: the tick in which the last record came.
    """

    __slots__ = (
        "_changed",
        "_heads",
        "_records",
        "_unread",
        "changed_in",
        "full",
        "heads",
        "positions",
        "slots",
    )

    def __init__(self) -> None:
        self.slots: tuple[int, ...] = ()
        self.changed_in = 0
        self.positions: list[Place] = []
        self._records: list[bytes] = []
        self._heads: list[bytes] = []
        self._changed: list[int] = []
        self._unread: set[int] = set()  # those whose heads and positions are those before
        self.full = _Newer(self._records, self._changed)
        self.heads = _Newer(self._heads, self._changed)

    def put(self, slot: int, record: bytes, tick: int) -> None:
        """Somebody's latest record, to be sent in a tick."""
        if slot >= len(self._records):
            self._grow(slot + 1)
        if not self._records[slot]:
            self.slots = tuple(sorted((*self.slots, slot)))
        self._records[slot] = record
        self._changed[slot] = tick
        self._unread.add(slot)
        self.changed_in = tick

    def clear(self, slot: int) -> None:
        """The slot means nobody any more."""
        if slot < len(self._records) and self._records[slot]:
            self.slots = tuple(each for each in self.slots if each != slot)
            self._records[slot] = self._heads[slot] = b""
            self.positions[slot] = _NOWHERE
            self._unread.discard(slot)

    def get(self, slot: int) -> bytes:
        """Somebody's latest record; empty: there is none."""
        return self._records[slot] if slot < len(self._records) else b""

    def begin_tick(self, *, is_crowd: bool) -> None:
        """Choose anew.

        Args:
            is_crowd: `heads` and `positions` are wanted, too.
        """
        self.full.clear()
        self.heads.clear()
        if is_crowd:
            self._read()

    def _read(self) -> None:
        for slot in self._unread:
            record = self._records[slot]
            self._heads[slot] = head_only(record)
            x, y, z = head_position_mm(record)
            self.positions[slot] = (float(x), float(y), float(z))
        self._unread.clear()

    def _grow(self, size: int) -> None:
        more = size - len(self._records)
        self._records += [b""] * more
        self._heads += [b""] * more
        self.positions += [_NOWHERE] * more
        self._changed += [0] * more
