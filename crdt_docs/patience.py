"""How long edits are taken back one by one before they are not applied at all (RUL-6), and how much
more of the server's time they may take than usual (ROM-20)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TAKEN_BACK_BYTES: Final = 8 * 1024 * 1024
"""Of objects that one person may make us put back, for as long as it takes to forget them."""

FORGOTTEN_BYTES: Final = 512 * 1024
"""How much of that is forgotten each second."""

LEAST_COST: Final = 4 * 1024
"""What each refusal counts for at least."""

PUT_BACK_BYTES: Final = 1000
"""What each part counts for that may have been put back: that takes about 20 µs, ten times as long
as keeping it."""

FREE_BYTES: Final = 16 * 1024
"""Of objects that are kept for an update in which nothing is wrong; the rest counts, too."""

LABOUR_SECONDS: Final = 1.0
"""That the edits of one person may take beyond the usual, until they are forgotten."""

FORGOTTEN_LABOUR: Final = 1 / 16
"""How much of that is forgotten each second."""


@dataclass(slots=True)
class Patience:
    """How much of a person's edits may still be taken back before they are not applied at all, and
    how much longer than usual they may take.

    Attributes:
        labour: seconds beyond the usual that they took. While there are none nothing else need be
            asked.
    """

    used: float = 0.0
    labour: float = 0.0
    at: float = 0.0

    def is_left(self, now: float) -> bool:
        """Whether edits may be taken back."""
        self._forget(now)
        return self.used < TAKEN_BACK_BYTES

    def has_time(self, now: float) -> bool:
        """Whether edits may take long."""
        self._forget(now)
        return self.labour < LABOUR_SECONDS

    def _forget(self, now: float) -> None:
        self.used = max(0.0, self.used - (now - self.at) * FORGOTTEN_BYTES)
        self.labour = max(0.0, self.labour - (now - self.at) * FORGOTTEN_LABOUR)
        self.at = now

    def use(self, size: int, parts: int, *, was_wrong: bool) -> None:
        """Objects of this size and so many parts were kept, and put back if something was wrong."""
        if was_wrong:
            self.used += max(size + parts * PUT_BACK_BYTES, LEAST_COST)
        else:
            self.used += max(0, size - FREE_BYTES)

    def is_restored(self, now: float) -> bool:
        """Whether all of it is there again."""
        self._forget(now)
        return not self.used and not self.labour
