"""A circuit breaker: while the database is gone, who asks is told so at once.

Without it every room that is opened during an outage waits its whole connection timeout, and a
thousand people reconnecting wait a thousand times. `StorageUnavailable` is a failure, and a
cancellation says nothing: whoever gave up did not wait for the end of it. Any other end counts as
an answer of the database.

Once it is due again it lets everybody try; the pool's size bounds how many do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from persistence.errors import StorageUnavailable


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
        self._failures = 0
        self._failed_at = 0.0
        self._reason = ""

    @property
    def is_open(self) -> bool:
        """Whether the last conversations failed and no later one has succeeded yet."""
        return self._failures >= self._threshold

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Around one conversation.

        Raises:
            StorageUnavailable: not tried, as the last ones failed; or whatever it raised itself.
        """
        if self.is_open and self._clock() - self._failed_at < self._retry_after:
            raise StorageUnavailable(f"not tried again yet: {self._reason}")
        failures = 0
        try:
            yield
        except asyncio.CancelledError:
            failures = self._failures
            if self.is_open:
                self._failed_at = self._clock()  # it has not answered: the next ones need not wait
            raise
        except StorageUnavailable as error:
            failures = self._failures + 1
            self._reason = str(error)
            self._failed_at = self._clock()
            raise
        finally:
            self._failures = failures
