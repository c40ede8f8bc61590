"""Measured rows: printed as one table, written as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

TITLE_WIDTH = 66


@dataclass(frozen=True, slots=True)
class Bound:
    """What a value has to keep: at most, or at least, so much."""

    limit: float
    is_floor: bool = False

    def holds(self, value: float) -> bool:
        """Whether a value keeps it."""
        return value >= self.limit if self.is_floor else value <= self.limit

    def __str__(self) -> str:
        return f"{'>=' if self.is_floor else '<='} {_short(self.limit)}"


def at_most(limit: float) -> Bound:
    """A ceiling."""
    return Bound(limit)


def at_least(limit: float) -> Bound:
    """A floor."""
    return Bound(limit, is_floor=True)


@dataclass(frozen=True, slots=True)
class Row:
    """One measured value.

    Attributes:
        details: further numbers of the same run; they go into the JSON only.
        note: what a reader must know to trust the number; printed behind it.
    """

    name: str
    value: float
    unit: str
    bound: Bound | None = None
    note: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        verdict = ""
        if self.bound is not None:
            verdict = f"{self.bound!s:>14} {'ok' if self.bound.holds(self.value) else 'MISSED'}"
        text = f"  {self.name:<{TITLE_WIDTH}}{_short(self.value):>12} {self.unit:<8}{verdict}"
        return f"{text}  {self.note}".rstrip()


def _short(value: float) -> str:
    if value != value:  # noqa: PLR0124 - how a NaN is told: nothing was measured
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


@dataclass(slots=True)
class Report:
    """The rows of a run, by section."""

    machine: Mapping[str, Any]
    sections: dict[str, list[Row]] = field(default_factory=dict)

    def add(self, section: str, rows: Iterable[Row]) -> None:
        """Print rows as they come, and keep them."""
        kept = self.sections.setdefault(section, [])
        print(f"\n{section}", flush=True)
        for row in rows:
            print(row, flush=True)
            kept.append(row)

    def write(self, path: Path) -> None:
        """Write everything as one JSON object."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "machine": dict(self.machine),
            "sections": {
                name: [asdict(row) for row in rows] for name, rows in self.sections.items()
            },
        }
        path.write_text(json.dumps(content, indent=1) + "\n")
