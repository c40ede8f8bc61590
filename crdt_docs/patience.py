"""How long edits are taken back one by one before they are not applied at all (RUL-6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TAKEN_BACK_BYTES: Final = 8 * 1024 * 1024
"""The same of all updates of one member, for as long as it takes to forget them."""

FORGOTTEN_BYTES: Final = 512 * 1024
"""How much of that is forgotten each second."""

LEAST_COST: Final = 4 * 1024
"""What each refusal counts for at least."""


@dataclass(slots=True)
class Patience:
    """How much of a member's edits may still be taken back before they are not applied at all."""

    used: float = 0.0
    at: float = 0.0

    def is_left(self, now: float) -> bool:
        """Whether there is some."""
        self.used = max(0.0, self.used - (now - self.at) * FORGOTTEN_BYTES)
        self.at = now
        return self.used < TAKEN_BACK_BYTES

    def use(self, size: int) -> None:
        """Something of this size was put back."""
        self.used += max(size, LEAST_COST)
