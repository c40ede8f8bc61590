"""How many requests may come in a minute.

- LIM-6: a user reads and writes at most so often a minute; a service, also one that acts for a
  person, as often as it likes.
- LIM-7: from an address at most so many attempts to authenticate may fail in a minute. A token
  that was good until it expired or was revoked is no attempt, and no token at all is none either:
  neither tries anything, and the one who comes back with a new token must be told to fetch it.
  Whoever brings a good one is let in, however many failed there: colleagues share an address.
- LIM-8: a user authenticates at most so often a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from server.counters import Counters
from server.limits.names import Limit
from server.limits.windows import PerMinute


@dataclass(frozen=True, slots=True)
class RequestRates:
    """So many a minute of each kind."""

    authentications: int = 10
    reads: int = 1_000
    writes: int = 100


class TooManyRequests(Exception):  # noqa: N818 - says what is the case
    """Past a limit.

    Attributes:
        limit: which one.
        most: how many a minute are allowed.
        retry_after: seconds until it is worth trying again.
    """

    def __init__(self, limit: Limit, most: int, retry_after: int) -> None:
        super().__init__(f"{most} a minute are allowed ({limit}); retry in {retry_after} s")
        self.limit = limit
        self.most = most
        self.retry_after = retry_after


class RequestLimits:
    """Counts requests, and refuses those past a limit."""

    def __init__(
        self,
        rates: RequestRates | None = None,
        counters: Counters | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        rates = rates or RequestRates()
        self._counters = counters or Counters()
        self._reads = PerMinute(rates.reads, clock=clock)
        self._writes = PerMinute(rates.writes, clock=clock)
        self._users = PerMinute(rates.authentications, clock=clock)
        self._failures = PerMinute(rates.authentications, clock=clock)

    def read(self, user_id: UUID) -> None:
        """A user asks for something (LIM-6).

        Raises:
            TooManyRequests: too often.
        """
        self._count(Limit.READS, self._reads, user_id.hex)

    def write(self, user_id: UUID) -> None:
        """A user changes something (LIM-6).

        Raises:
            TooManyRequests: too often.
        """
        self._count(Limit.WRITES, self._writes, user_id.hex)

    def authenticate(self, user_id: UUID) -> None:
        """A user proves who they are, or asks for a token (LIM-8).

        Raises:
            TooManyRequests: too often.
        """
        self._count(Limit.AUTHENTICATION, self._users, user_id.hex)

    def fail(self, address: str) -> None:
        """Somebody at an address failed to prove who they are (LIM-7).

        Raises:
            TooManyRequests: too many did.
        """
        self._count(Limit.AUTHENTICATION, self._failures, address)

    def _count(self, limit: Limit, counts: PerMinute, key: str) -> None:
        if not counts.hit(key):
            self._counters.count_limited(limit)
            raise TooManyRequests(limit, counts.most, counts.seconds_left(key))
