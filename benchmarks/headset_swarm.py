"""Many headsets in this process: one loop over epoll, and how old what they see is."""

from __future__ import annotations

import gc
import random
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import dist
from time import monotonic
from typing import Final, Self

from benchmarks.headset_client import KEPT, Address, HeadsetClient, poses_in
from benchmarks.load import Delays
from benchmarks.processes import CpuMeter, CpuUse
from loadtest.walker import Walker

NEAREST: Final = 20
"""So many count as near: a few less than are sent at full rate. Those at the edge come and go."""

AT_A_TIME: Final = 32
"""Handshakes under way at once."""

SAMPLED: Final = 4
"""Of so many frames of a headset the ages in one are looked at."""


@dataclass(frozen=True, slots=True)
class Course:
    """What came of some seconds.

    Attributes:
        sent: poses.
        held_back: poses that could not be sent, because those before were still on the way.
        frames, records, size: that all headsets received; size in bytes.
        ages: milliseconds from when a pose was sent to when a frame with it was read, of poses of
            those who are near.
        late: milliseconds by which poses were sent too late.
    """

    headsets: int
    seconds: float
    sent: int
    held_back: int
    frames: int
    records: int
    size: int
    ages: Delays
    late: Delays
    cpu: CpuUse

    @property
    def server_share(self) -> float:
        """Per cent of a core that the server used."""
        return 100 * self.cpu.server / self.seconds

    @property
    def others_share(self) -> float:
        """Per cent of a core that processes took which have nothing to do with this."""
        return 100 * self.cpu.other / self.seconds

    @property
    def frames_per_second(self) -> float:
        """Of all headsets together."""
        return self.frames / self.seconds

    @property
    def bytes_each(self) -> float:
        """Bytes a second that one headset received."""
        return self.size / self.seconds / self.headsets

    @property
    def cpu_per_record(self) -> float:
        """Microseconds of the server for each pose that reached somebody."""
        return self.cpu.server / max(self.records, 1) * 1e6

    def details(self) -> dict[str, float]:
        """All of it, for the record."""
        return {
            "seconds": self.seconds,
            "sent_per_s": self.sent / self.seconds,
            "held_back_per_s": self.held_back / self.seconds,
            "frames_per_s": self.frames_per_second,
            "records_per_s": self.records / self.seconds,
            "bytes_each_per_s": self.bytes_each,
            "age_p50_ms": self.ages.percentile(0.5),
            "age_p95_ms": self.ages.percentile(0.95),
            "age_p99_ms": self.ages.percentile(0.99),
            "late_p99_ms": self.late.percentile(0.99),
            "server_us_per_record": self.cpu_per_record,
            "server_share": self.server_share,
            "beside_share": 100 * self.cpu.beside / self.seconds,
            "generator_share": 100 * self.cpu.generator / self.seconds,
            "others_share": self.others_share,
        }


@dataclass(frozen=True, slots=True)
class Homecoming:
    """What somebody saw who had not read for a while.

    Attributes:
        on_the_way: bytes that lay there.
        oldest: seconds: of those who are near, the oldest newest pose, as soon as these were read.
    """

    on_the_way: int
    oldest: float


class HeadsetSwarm:
    """Headsets in one room; they move in turn, so many times a second each."""

    def __init__(self, rate: float) -> None:
        self.clients: list[HeadsetClient] = []
        self._rate = rate
        self._by_fd: dict[int, HeadsetClient] = {}
        self._by_slot: dict[int, HeadsetClient] = {}
        self._epoll = select.epoll()
        self._next = 0
        self._ages: Delays | None = None
        self._late = Delays()
        self._watched: tuple[HeadsetClient, dict[int, int]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.sock.close()
        self._epoll.close()

    # Coming

    def connect(self, address: Callable[[], Address], people: int, seconds: float = 60.0) -> None:
        """Let so many in, and wait until all have been welcomed.

        Args:
            address: asked for each, who comes with a token of its own.

        Raises:
            TimeoutError: somebody was not.
            ConnectionError: somebody was turned away.
        """
        dice = random.Random(people)
        deadline = monotonic() + seconds
        for number in range(people):
            self._start(HeadsetClient(number, address(), Walker(dice), self._note_frame))
            while self._coming() >= AT_A_TIME:
                self._wait(deadline)
        while self._coming():
            self._wait(deadline)
        self._by_slot = {client.slot: client for client in self.clients}
        for client in self.clients:
            client.near = self._nearest(client)

    def _start(self, client: HeadsetClient) -> None:
        self.clients.append(client)
        self._by_fd[client.fd] = client
        self._epoll.register(client.fd, select.EPOLLIN | select.EPOLLOUT)

    def _coming(self) -> int:
        return sum(not client.is_there for client in self.clients)

    def _wait(self, deadline: float) -> None:
        self._poll(0.1)
        if monotonic() > deadline:
            raise TimeoutError(f"{self._coming()} headsets were not welcomed")

    def _nearest(self, client: HeadsetClient) -> frozenset[int]:
        others = [each for each in self.clients if each is not client]
        others.sort(key=lambda each: dist(client.walker.spot, each.walker.spot))
        return frozenset(each.slot for each in others[:NEAREST])

    # Moving

    def measure(self, seconds: float, meter: Callable[[], CpuMeter]) -> Course:
        """Move for so long, and say what came of it."""
        ages, self._late = Delays(), Delays()
        before, first = self._counts(), self._next
        cpu, began = meter(), monotonic()
        with _without_collections():
            self._ages = ages
            self.move(seconds)
            self._ages = None
        passed = monotonic() - began
        held_back, frames, records, size = (
            after - then for after, then in zip(self._counts(), before, strict=True)
        )
        return Course(
            headsets=len(self.clients),
            seconds=passed,
            sent=self._next - first - held_back,
            held_back=held_back,
            frames=frames,
            records=records,
            size=size,
            ages=ages,
            late=self._late,
            cpu=cpu.use(),
        )

    def move(self, seconds: float) -> None:
        """Everybody moves; whatever comes is read."""
        gap = 1 / (self._rate * len(self.clients))
        begin, first = monotonic(), self._next
        due, end = begin + gap, begin + seconds
        while (now := monotonic()) < end:
            while due <= now:
                self._late.add((now - due) * 1e3)
                self.clients[self._next % len(self.clients)].move()
                self._next += 1
                due = begin + (self._next - first + 1) * gap
            self._poll(min(due, end) - monotonic())

    def _counts(self) -> tuple[int, int, int, int]:
        everybody = self.clients
        return (
            sum(each.held_back for each in everybody),
            sum(each.frames for each in everybody),
            sum(each.records for each in everybody),
            sum(each.bytes_received for each in everybody),
        )

    def _poll(self, seconds: float) -> None:
        for fd, events in self._epoll.poll(max(seconds, 0.0)):
            client = self._by_fd[fd]
            if events & ~select.EPOLLOUT:
                client.read()
            if events & select.EPOLLOUT and not client.flush():
                self._epoll.modify(fd, select.EPOLLIN)
            if client.closed is not None:
                raise ConnectionError(f"a headset was sent away: {client.closed}")

    # Seeing

    def _note_frame(self, client: HeadsetClient, payload: bytes) -> None:
        if self._watched is not None and self._watched[0] is client:
            self._watched[1].update(poses_in(payload))
        ages = self._ages
        if ages is None or client.frames % SAMPLED:
            return
        now, near, by_slot = monotonic(), client.near, self._by_slot
        for slot, sequence in poses_in(payload):
            if slot in near:
                ages.add((now - by_slot[slot].sent_at[sequence % KEPT]) * 1e3)

    # One who does not read

    def stall(self, client: HeadsetClient) -> None:
        """It reads nothing from now on, and goes on sending."""
        self._epoll.modify(client.fd, 0)

    def come_back(self, client: HeadsetClient) -> Homecoming:
        """It reads everything that lies there, and goes on as before."""
        newest: dict[int, int] = {}
        self._watched = client, newest
        before = client.bytes_received
        while client.read():
            pass
        self._watched = None
        self._epoll.modify(client.fd, select.EPOLLIN)
        now = monotonic()
        return Homecoming(
            client.bytes_received - before,
            max(
                now - self._by_slot[slot].sent_at[newest[slot] % KEPT] if slot in newest else now
                for slot in client.near
            ),
        )


@contextmanager
def _without_collections() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
