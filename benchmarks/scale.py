"""How much a run does: enough for numbers to trust, or just enough to see that it works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Scale:
    """Attributes:
    is_quick: a smoke run, whose numbers mean nothing.
    """

    is_quick: bool = False

    def pick(self, full: T, quick: T) -> T:
        """One of two sizes."""
        return quick if self.is_quick else full
