"""A clock that the test turns."""

from __future__ import annotations

from loadtest.timeline import SECOND


class Clock:
    """Monotonic nanoseconds; sleeping moves them on.

    Attributes:
        stalls: at the next sleep that ends after a time the loop hangs for so many seconds.
        slept: seconds that were asked for.
    """

    def __init__(self) -> None:
        self.now = 1_000 * SECOND
        self.stalls: dict[int, float] = {}
        self.slept: list[float] = []

    def __call__(self) -> int:
        """The time."""
        return self.now

    def turn(self, seconds: float) -> None:
        """So much passes."""
        self.now += int(seconds * SECOND)

    async def sleep(self, seconds: float) -> None:
        """As `asyncio.sleep`."""
        self.slept.append(seconds)
        self.turn(seconds)
        for at in [at for at in self.stalls if at <= self.now]:
            self.turn(self.stalls.pop(at))
