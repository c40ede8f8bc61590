"""How fast messages may come. Asked for every message, so it is two comparisons and two sums.

Each of the two rates is kept as the moment up to which it is used up (GCRA): nothing has to be
filled up, no timer runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rates:
    """What one user may send.

    Attributes:
        messages: a second, sustained.
        bytes: a second, sustained.
        burst: seconds' worth of both that may come at once.
        largest: bytes of the largest message: so many may come at once besides.
    """

    messages: float
    bytes: float
    burst: float
    largest: int = 0


class MessageBudget:
    """What is left of the rates of one user; shared by all their sockets."""

    __slots__ = (
        "_byte_seconds",
        "_bytes_ahead",
        "_bytes_until",
        "_message_seconds",
        "_messages_ahead",
        "_messages_until",
    )

    def __init__(self, rates: Rates) -> None:
        self._message_seconds = 1 / rates.messages
        self._byte_seconds = 1 / rates.bytes
        # A message fits while there is time for it before the burst ends; rounding costs none.
        self._messages_ahead = rates.burst - self._message_seconds + 1e-6
        self._bytes_ahead = rates.burst + rates.largest / rates.bytes + 1e-6
        self._messages_until = -math.inf
        self._bytes_until = -math.inf

    def take(self, size: int, now: float, cost: float = 1.0) -> bool:
        """Spend one message of so many bytes; False, and nothing is spent, if it is too much.

        Args:
            cost: as how many messages it counts.
        """
        # Written out: `max` takes twice as long as all the rest of this.
        until = self._messages_until
        messages = until if until > now else now
        until = self._bytes_until
        until = size * self._byte_seconds + (until if until > now else now)
        if messages - now > self._messages_ahead or until - now > self._bytes_ahead:
            return False
        self._messages_until = messages + self._message_seconds * cost
        self._bytes_until = until
        return True

    def is_full(self, now: float) -> bool:
        """Whether nothing of what was spent is felt any more."""
        return self._messages_until <= now and self._bytes_until <= now
