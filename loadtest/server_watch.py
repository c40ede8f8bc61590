"""What a server on this machine uses while it is loaded: CPU and memory, second by second."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from loadtest import processes
from loadtest.processes import Memory
from loadtest.result import HOUR, ServerUse
from loadtest.second import Use
from loadtest.slope import slope_of
from loadtest.targets.target import ServerPids

SETTLED_AFTER: Final = 600.0
"""Seconds after which a server has all that it keeps ready; of shorter runs it is the first third
that is left out."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What had been used until a moment.

    Attributes:
        at: seconds.
        server, beside, generator, busy: CPU seconds; the last one of everybody on the machine.
        memory: of the server.
    """

    at: float
    server: float
    beside: float
    generator: float
    busy: float
    memory: Memory


class ServerWatch:
    """Reads what the processes of a server and of the generator have used.

    Args:
        pids: asked again when one is gone: a server may replace its worker.
        period: seconds after which what people do begins anew, if it does.

    Attributes:
        generators: processes of the generator besides this one.
    """

    def __init__(self, pids: Callable[[], ServerPids], period: float | None = None) -> None:
        self.generators: Sequence[int] = ()
        self._ask = pids
        self._period = None if period is None else period / HOUR
        self._pids = ServerPids()
        self._readings: list[Reading] = []
        self._measured: list[Reading] = []
        self._empty = 0

    def read(self, at: float) -> Reading:
        """What has been used until now.

        Args:
            at: seconds of any clock.
        """
        pids = self._known()
        return Reading(
            at,
            processes.cpu_seconds(pids.server),
            processes.cpu_seconds(pids.beside),
            processes.cpu_seconds((*self.generators, os.getpid())),
            processes.busy_seconds(),
            processes.resident(pids.server),
        )

    def _known(self) -> ServerPids:
        """Who the server is: asked only when one of its processes is gone, for that is slow."""
        if not self._pids.server or not all(map(processes.is_there, self._pids.server)):
            self._pids = self._ask()
        return self._pids

    def begin(self, at: float) -> None:
        """Nobody is there yet: what it uses now is its own."""
        self._readings = [self.read(at)]
        self._empty = self._readings[0].memory.own

    def tick(self, at: float, *, is_measured: bool) -> Use:
        """What was used since the last call."""
        before, now = self._readings[-1], self.read(at)
        self._readings.append(now)
        if is_measured:
            self._measured.append(now)
        seconds = now.at - before.at
        if seconds <= 0:
            return Use()
        generator = (now.generator - before.generator) / seconds
        if not now.memory.whole:
            return Use(generator_cpu=generator)
        return Use(max(now.server - before.server, 0.0) / seconds, now.memory.whole, generator)

    def summary(self, delivered: int, people: int) -> ServerUse:
        """Of the measured seconds.

        Args:
            delivered: edits and cursors that reached somebody in them.
        """
        if len(self._measured) < 2 or not self._measured[-1].memory.whole:
            return ServerUse()
        first, last = self._measured[0], self._measured[-1]
        used = last.server - first.server
        slope, interval = self._slope()
        return ServerUse(
            cpu_us_per_delivered=used / delivered * 1e6 if delivered else None,
            share=used / (last.at - first.at),
            memory_bytes=last.memory.whole,
            memory_each=(first.memory.own - self._empty) / people,
            memory_slope_bytes_per_hour=slope,
            memory_slope_interval=interval,
        )

    def others_share(self) -> float:
        """Share of one core that processes took which have nothing to do with the run."""
        if len(self._measured) < 2:
            return 0.0
        first, last = self._measured[0], self._measured[-1]
        return max(_of_others(last) - _of_others(first), 0.0) / (last.at - first.at)

    def _slope(self) -> tuple[float | None, tuple[float, float] | None]:
        """Bytes an hour, and between what it is, once the server has settled. Of the last period
        nothing is taken: all meetings end with the run, also those that began late and are longer
        for it (`Plan.begin_of`)."""
        begin, end = self._measured[0].at, self._measured[-1].at
        since = begin + min(SETTLED_AFTER, (end - begin) / 3)
        until = end - (self._period or 0.0) * HOUR
        usual = [each for each in self._measured if since <= each.at <= until]
        found = slope_of(
            [each.at / HOUR for each in usual],
            [float(each.memory.own) for each in usual],
            self._period,
        )
        return (found.value, (found.low, found.high)) if found is not None else (None, None)


def _of_others(reading: Reading) -> float:
    return reading.busy - reading.server - reading.beside - reading.generator
