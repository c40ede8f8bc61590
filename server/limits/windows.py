"""Counts over a minute, for callers who are told apart by keys.

Nothing here takes longer with more callers, and the caller who has been quiet for longest is
forgotten when there are too many: whoever has a million addresses must not stop the server.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MOST_KEYS = 100_000
"""Callers that are remembered. They take 17 MB: what `tracemalloc` traces while
`PerMinute(10).hit(key)` is called with so many keys of 32 characters that were made before."""

MINUTE: Final = 60.0  # seconds


class PerMinute:
    """So many a minute for each key; a minute begins with a key's first hit.

    Args:
        most: hits within the limit.
        most_keys: callers that are remembered.
        clock: monotonic seconds: one that is set back would lock people out.
    """

    def __init__(
        self,
        most: int,
        *,
        most_keys: int = MOST_KEYS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most = most
        self._most_keys = most_keys
        self._clock = clock
        # (end, count), the latest hit last. A dict looks at all that it has forgotten at its
        # beginning each time it is asked for the first.
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._windows)

    def hit(self, key: str) -> bool:
        """Count one; whether it is within the limit."""
        now = self._clock()
        end, count = self._windows.get(key, (-math.inf, 0))
        if end <= now:
            end, count = now + MINUTE, 0
        self._windows[key] = (end, count + 1)
        self._windows.move_to_end(key)
        if len(self._windows) > self._most_keys:
            self._windows.popitem(last=False)
        return count < self.most

    def count(self, key: str) -> int:
        """How many there were, also past the limit."""
        end, count = self._windows.get(key, (-math.inf, 0))
        return count if end > self._clock() else 0

    def seconds_left(self, key: str) -> int:
        """Whole seconds until a key's window ends, at least one."""
        end, _ = self._windows.get(key, (0.0, 0))
        return max(1, math.ceil(end - self._clock()))
