"""An open load: what is due is sent when it is due, whatever has come back by then."""

from __future__ import annotations

import gc
import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic, monotonic_ns
from typing import assert_never

from benchmarks import markers
from benchmarks.processes import CpuMeter, CpuUse
from benchmarks.swarm import Connection, Swarm
from benchmarks.writers import Writer

SAMPLES_PER_READ = 8
"""Marks of one read whose delay is looked at; each stands for its share of them."""

EDITS_OF_TEN = 1
"""Of a person's messages in a mixed load so many of ten are edits, the others presence."""


class Kind(Enum):
    """What people send."""

    EDITS = "edits"
    PRESENCE = "presence"
    MIXED = "mixed"
    IN_TURN = "in turn"  # an edit, a presence, an edit, …


@dataclass(frozen=True, slots=True)
class Load:
    """Attributes:
    rate: messages a second of each sender.
    seconds: that are measured.
    warmup: seconds before them.
    drain: at most so many seconds for the rest to arrive.
    """

    rate: float
    seconds: float
    kind: Kind = Kind.EDITS
    warmup: float = 1.0
    drain: float = 1.5
    size: int = 100


@dataclass(slots=True)
class Delays:
    """Delays in milliseconds, each standing for a number of them."""

    values: array[float] = field(default_factory=lambda: array("d"))
    weights: array[float] = field(default_factory=lambda: array("d"))

    def add(self, milliseconds: float, weight: float = 1.0) -> None:
        """Note one."""
        self.values.append(milliseconds)
        self.weights.append(weight)

    def percentile(self, share: float) -> float:
        """The delay that this share (0 to 1) keeps; NaN when there is none."""
        pairs = sorted(zip(self.values, self.weights, strict=True))
        left = share * sum(self.weights)
        for value, weight in pairs:
            left -= weight
            if left <= 0:
                return value
        return pairs[-1][0] if pairs else math.nan


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a load.

    Attributes:
        seconds: that were measured.
        sent: messages sent in them.
        delivered: marks that others than their senders received in them.
        due: marks that others were to receive of what was sent in them.
        arrived_share: of all that was ever sent, times receivers: so much arrived by the end. Less
            than 1 without anybody lost means that newer values took the place of older ones on
            the way: presence of which the newest counts, one key set twice in a transaction.
        lost: people whose newest write never reached the first member of their room.
        lateness: milliseconds by which the sending was late, 99th percentile.
        stored: delays from an edit to its acknowledgement.
    """

    seconds: float
    sent: int
    due: int
    delivered: int
    frames: int
    received_bytes: int
    arrived_share: float
    lost: int
    disconnected: int
    lateness: float
    delays: Delays
    stored: Delays
    cpu: CpuUse

    @property
    def delivered_per_second(self) -> float:
        """Marks received by others, a second."""
        return self.delivered / self.seconds

    @property
    def covered_per_second(self) -> float:
        """Marks received by others, a second, or made up for by newer ones of the same sender."""
        return self.due / self.seconds if self.lost == 0 else self.delivered_per_second

    @property
    def cpu_per_delivered(self) -> float:
        """Microseconds of the server's CPU time for each of them."""
        return self.cpu.server / self.delivered * 1e6 if self.delivered else math.nan

    @property
    def server_share(self) -> float:
        """Percent of a core that the server used."""
        return 100 * self.cpu.server / self.seconds

    @property
    def others_share(self) -> float:
        """Percent of a core that processes took which have nothing to do with this."""
        return 100 * self.cpu.other / self.seconds

    def details(self) -> dict[str, float]:
        """All of it, for the record."""
        return {
            "seconds": self.seconds,
            "sent_per_s": self.sent / self.seconds,
            "delivered_per_s": self.delivered_per_second,
            "covered_per_s": self.covered_per_second,
            "frames_per_s": self.frames / self.seconds,
            "bytes_per_s": self.received_bytes / self.seconds,
            "arrived_share": self.arrived_share,
            "lost": self.lost,
            "disconnected": self.disconnected,
            "late_p99_ms": self.lateness,
            "p50_ms": self.delays.percentile(0.5),
            "p95_ms": self.delays.percentile(0.95),
            "p99_ms": self.delays.percentile(0.99),
            "stored_p95_ms": self.stored.percentile(0.95),
            "server_us_per_delivered": self.cpu_per_delivered,
            "server_share": self.server_share,
            "database_share": 100 * self.cpu.beside / self.seconds,
            "generator_share": 100 * self.cpu.generator / self.seconds,
            "others_share": self.others_share,
        }


class _Receipts:
    """When a person's edits were sent, until they are acknowledged."""

    def __init__(self, connection: Connection, delays: Delays) -> None:
        self._answered = connection.acknowledged
        self._sent: list[int] = []
        self._delays = delays
        connection.on_acknowledged = self._note

    def sent(self, now: int) -> None:
        """An edit went out."""
        self._sent.append(now)

    def _note(self, count: int, now: int) -> None:
        fresh = count - self._answered
        self._answered = count
        for at in self._sent[:fresh]:
            self._delays.add((now - at) / 1e6)
        del self._sent[:fresh]


def run_load(
    swarm: Swarm,
    senders: Sequence[Connection],
    load: Load,
    meter: Callable[[], CpuMeter],
    *,
    with_receipts: bool = False,
    on_start: Callable[[], object] | None = None,
) -> Outcome:
    """Put a load on and measure what comes of it.

    Args:
        senders: who writes; everybody who is in the swarm by now receives.
        meter: makes the meter of the server's CPU time.
        with_receipts: the senders are connected with acknowledgements: wait for these, too.
        on_start: called when the measuring begins.
    """
    run = _Run(swarm, senders, load, with_receipts=with_receipts)
    gc.collect()
    gc.disable()
    try:
        return run.measure(meter, on_start)
    finally:
        gc.enable()
        swarm.on_marks = None


class _Run:
    def __init__(
        self, swarm: Swarm, senders: Sequence[Connection], load: Load, *, with_receipts: bool
    ) -> None:
        self._swarm = swarm
        self._senders = senders
        self._load = load
        self._members = list(swarm.connections.values())
        self._member_fds = {each.fd for each in self._members}
        self._writers = [
            Writer(each.seat.number, size=load.size, prefix=each.seat.dialect.prefix)
            for each in senders
        ]
        self._receipts: list[_Receipts] = []
        self._delays = Delays()
        self._stored = Delays()
        self._late = Delays()
        self._is_measuring = False
        self._next = 0
        self._sent_at_start = 0
        if with_receipts:
            self._receipts = [_Receipts(each, self._stored) for each in senders]
        self._observers: dict[int, Connection] = {}
        for each in self._members:
            if each.seat.room not in self._observers:
                each.kept = bytearray()
                self._observers[each.seat.room] = each

    def measure(
        self, meter: Callable[[], CpuMeter], on_start: Callable[[], object] | None
    ) -> Outcome:
        load, swarm = self._load, self._swarm
        swarm.on_marks = self._note_marks
        begin = monotonic()
        self._send_until(begin, begin + load.warmup)
        before, due_before = self._counts(), self._expected()
        self._sent_at_start = self._next
        cpu = meter()
        self._is_measuring = True
        started = monotonic()
        if on_start is not None:
            on_start()
        self._send_until(begin, begin + load.warmup + load.seconds)
        seconds = monotonic() - started
        self._is_measuring = False
        use = cpu.use()
        after = self._counts()
        sent, due = self._next - self._sent_at_start, self._expected() - due_before
        swarm.run(load.drain, until=self._has_all_arrived)
        marks, own, frames, size = (b - a for a, b in zip(before, after, strict=True))
        return Outcome(
            seconds=seconds,
            sent=sent,
            due=due,
            delivered=marks - own,
            frames=frames,
            received_bytes=size,
            arrived_share=self._arrived() / max(self._expected(), 1),
            lost=self._lost(),
            disconnected=len(swarm.failed),
            lateness=self._late.percentile(0.99),
            delays=self._delays,
            stored=self._stored,
            cpu=use,
        )

    def _send_until(self, begin: float, end: float) -> None:
        """Message k of the run is due at begin + k / (rate x senders), the senders in turn."""
        gap = 1 / (self._load.rate * len(self._senders))
        poll = self._swarm.poll
        due = begin + self._next * gap
        while (now := monotonic()) < end:
            while due <= now and due < end:
                self._late.add((now - due) * 1e3)
                self._send_next()
                due = begin + self._next * gap
            poll(min(due, end) - monotonic())

    def _send_next(self) -> None:
        turn, index = divmod(self._next, len(self._senders))
        self._next += 1
        writer = self._writers[index]
        is_edit = self._is_edit(turn, index)
        now = monotonic_ns()
        message = writer.edit(now) if is_edit else writer.presence(now)
        if self._receipts and is_edit:
            self._receipts[index].sent(now)
        self._swarm.send(self._senders[index], message)

    def _is_edit(self, turn: int, index: int) -> bool:
        match self._load.kind:
            case Kind.EDITS:
                return True
            case Kind.PRESENCE:
                return False
            case Kind.MIXED:
                return (turn + index) % 10 < EDITS_OF_TEN
            case Kind.IN_TURN:
                return turn % 2 == 0
            case kind:
                assert_never(kind)

    def _note_marks(
        self, connection: Connection, data: bytes | bytearray, marks: int, now: int
    ) -> None:
        if not self._is_measuring or connection.fd not in self._member_fds:
            return
        times = list(markers.sample_times(data, SAMPLES_PER_READ))
        weight = marks / len(times)
        for at in times:
            self._delays.add((now - at) / 1e6, weight)

    # What has arrived

    def _counts(self) -> tuple[int, int, int, int]:
        members = self._members
        return (
            sum(each.marks_received for each in members),
            sum(each.own_marks_received for each in members),
            sum(each.frames_received for each in members),
            sum(each.bytes_received for each in members),
        )

    def _expected(self) -> int:
        """Marks that others should get of all that was sent."""
        people: dict[int, int] = {}
        for each in self._members:
            people[each.seat.room] = people.get(each.seat.room, 0) + 1
        return sum(
            writer.written * (people[sender.seat.room] - 1)
            for sender, writer in zip(self._senders, self._writers, strict=True)
        )

    def _arrived(self) -> int:
        marks, own, _, _ = self._counts()
        return marks - own

    def _has_all_arrived(self) -> bool:
        return self._arrived() >= self._expected()

    def _lost(self) -> int:
        newest = {
            room: markers.newest(bytes(each.kept or b"")) for room, each in self._observers.items()
        }
        return sum(
            newest[sender.seat.room].get(sender.seat.number, 0) < writer.written
            for sender, writer in zip(self._senders, self._writers, strict=True)
            if sender is not self._observers[sender.seat.room]
        )
