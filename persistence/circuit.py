"""A circuit breaker: while the database is gone, who asks is told so at once.

Without it every room that is opened during an outage waits its whole connection timeout, and a
thousand people reconnecting wait a thousand times. The states are purgatory's; two of its habits
are corrected here:

- it counts every exception as a failure: here only `StorageUnavailable` is one. (Anything else,
  a cancellation included, counts as an answer of the database.)
- it measures with the wall clock, so a clock set back would keep the circuit open for as long: a
  monotonic deadline overrules it.

Half open, it lets everybody try; the pool's size bounds how many do.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

from persistence.errors import StorageUnavailable

_NAME = "database"


class Circuit:
    """Around every conversation with one database.

    Args:
        threshold: failures in a row that open it.
        retry_after: seconds until it is tried again.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        threshold: int = 5,
        retry_after: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threshold = threshold
        self._retry_after = retry_after
        self._clock = clock
        self._breakers = self._closed()
        self._is_open = False
        self._failed_at = 0.0
        self._reason = ""

    @property
    def is_open(self) -> bool:
        """Whether the last conversations failed and no later one has succeeded yet."""
        return self._is_open

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Around one conversation.

        Raises:
            StorageUnavailable: not tried, as the last ones failed; or whatever it raised itself.
        """
        if self._is_open and self._clock() - self._failed_at > 2 * self._retry_after:
            self._breakers = self._closed()  # due long ago: the wall clock was set back
        breaker = await self._breakers.get_breaker(_NAME)
        try:
            async with breaker:
                yield
        except OpenedState:
            raise StorageUnavailable(f"not tried again yet: {self._reason}") from None
        except StorageUnavailable as error:
            self._reason = str(error)
            self._failed_at = self._clock()
            raise
        finally:
            self._is_open = breaker.context.state != "closed"

    def _closed(self) -> AsyncCircuitBreakerFactory:
        return AsyncCircuitBreakerFactory(
            default_threshold=self._threshold,
            default_ttl=self._retry_after,
            exclude=[(BaseException, _is_answer)],
        )


def _is_answer(error: BaseException) -> bool:
    return not isinstance(error, StorageUnavailable)
