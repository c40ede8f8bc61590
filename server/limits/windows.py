"""Counts over a minute for callers who are told apart by keys: `limits`, on a storage of ours.

The library's own storage in memory looks at every key it holds at every hit, and keeps all of
them: whoever has a million addresses would stop the server with them. This one looks at one key,
and forgets the one that has been quiet for longest.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from limits import RateLimitItemPerMinute
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

MOST_KEYS = 100_000
"""Callers that are remembered. They take 21 MB: what `tracemalloc` traces while
`PerMinute(10).hit(key)` is called with so many keys of 32 characters that were made before."""


class BoundedStorage(Storage):
    """Counters that expire, of at most so many keys; none of its calls takes longer with more."""

    STORAGE_SCHEME = None

    def __init__(self, most_keys: int = MOST_KEYS, clock: Callable[[], float] = time.time) -> None:
        """`clock`: seconds since the epoch, as the library counts."""
        super().__init__()
        self._most_keys = most_keys
        self._clock = clock
        self._windows: dict[str, tuple[float, int]] = {}  # (end, count), the latest hit last

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def base_exceptions(self) -> type[Exception]:
        """What a storage may raise: there is nothing here that could fail."""
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, in a window that begins with a key's first hit; the count so far."""
        now = self._clock()
        end, count = self._windows.pop(key, (0.0, 0))
        if end <= now:
            end, count = now + expiry, 0
        self._windows[key] = (end, count + amount)
        if len(self._windows) > self._most_keys:
            del self._windows[next(iter(self._windows))]
        return count + amount

    def get(self, key: str) -> int:
        """The count of a key's window."""
        end, count = self._windows.get(key, (0.0, 0))
        return count if end > self._clock() else 0

    def get_expiry(self, key: str) -> float:
        """When a key's window ends; now, if it has none."""
        now = self._clock()
        return max(self._windows.get(key, (now, 0))[0], now)

    def check(self) -> bool:
        """It works."""
        return True

    def reset(self) -> int | None:
        """Forget everything; how many keys that were."""
        count = len(self._windows)
        self._windows.clear()
        return count

    def clear(self, key: str) -> None:
        """Forget a key."""
        self._windows.pop(key, None)


class PerMinute:
    """So many a minute for each key."""

    def __init__(
        self,
        most: int,
        *,
        most_keys: int = MOST_KEYS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.most = most
        self._clock = clock
        self._item = RateLimitItemPerMinute(most)
        self._storage = BoundedStorage(most_keys, clock)
        self._limiter = FixedWindowRateLimiter(self._storage)

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._storage)

    def hit(self, key: str) -> bool:
        """Count one; whether it is within the limit."""
        return self._limiter.hit(self._item, key)

    def count(self, key: str) -> int:
        """How many there were, also past the limit."""
        return self._storage.get(self._item.key_for(key))

    def seconds_left(self, key: str) -> int:
        """Whole seconds until a key's window ends, at least one."""
        end = self._limiter.get_window_stats(self._item, key).reset_time
        return max(1, math.ceil(end - self._clock()))
