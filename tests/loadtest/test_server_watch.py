"""What a server uses, told from readings that are turned by hand."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from loadtest.processes import Memory, resident
from loadtest.server_watch import Reading, ServerWatch
from loadtest.targets.target import ServerPids

MEGABYTE = 1_000_000
PROGRAM = 40 * MEGABYTE


class Watch(ServerWatch):
    """One whose readings are given."""

    def __init__(self, readings: list[Reading], period: float | None = None) -> None:
        super().__init__(ServerPids, period)
        self._given = iter(readings)

    def read(self, at: float) -> Reading:
        found = next(self._given)
        assert found.at == at
        return found


def reading(at: int, *, memory: int = 100 * MEGABYTE) -> Reading:
    """A server at half a core, its database at a tenth, others at a fifth.

    Args:
        memory: of its own, besides a program of 40 MB; 0: it is gone.
    """
    held = Memory(memory + PROGRAM, memory) if memory else Memory(0, 0)
    return Reading(float(at), at * 0.5, at * 0.1, at * 0.3, at * 1.1, held)


def watched(readings: list[Reading], measured_from: int) -> Watch:
    watch = Watch(readings)
    watch.begin(readings[0].at)
    for each in readings[1:]:
        watch.tick(each.at, is_measured=each.at >= measured_from)
    return watch


def test_cpu_is_told_a_delivered_update_and_as_a_share() -> None:
    use = watched([reading(at) for at in range(13)], measured_from=2).summary(5_000_000, 10)
    assert use.share == pytest.approx(0.5)
    assert use.cpu_us_per_delivered == pytest.approx(1.0)


def test_memory_of_a_person_is_what_came_while_people_arrived() -> None:
    readings = [reading(at, memory=(100 + min(at, 5) * 10) * MEGABYTE) for at in range(12)]
    use = watched(readings, measured_from=5).summary(1, 100)
    assert use.memory_each == pytest.approx(50 * MEGABYTE / 100)
    assert use.memory_bytes == 150 * MEGABYTE + PROGRAM


def test_memory_that_grows_only_at_first_has_no_slope() -> None:
    readings = [reading(at, memory=(100 + min(at, 400)) * MEGABYTE) for at in range(4000)]
    use = watched(readings, measured_from=1).summary(1, 1)
    assert use.memory_slope_bytes_per_hour == pytest.approx(0.0)
    assert use.memory_slope_interval == pytest.approx((0.0, 0.0))


def test_a_leak_has_its_size() -> None:
    readings = [reading(at, memory=100 * MEGABYTE + at * 1000) for at in range(4000)]
    use = watched(readings, measured_from=1).summary(1, 1)
    assert use.memory_slope_bytes_per_hour == pytest.approx(3_600_000, rel=0.01)


def test_a_leak_is_found_under_meetings_that_come_and_go() -> None:
    meetings = [100 * MEGABYTE + at % 240 * 10_000 + at * 1000 for at in range(4000)]
    readings = [reading(at, memory=memory) for at, memory in enumerate(meetings)]
    watch = Watch(readings, period=240.0)
    watch.begin(0.0)
    for each in readings[1:]:
        watch.tick(each.at, is_measured=True)
    use = watch.summary(1, 1)
    assert use.memory_slope_interval == pytest.approx((3_600_000, 3_600_000), rel=0.001)


def test_meetings_that_last_to_the_end_are_no_leak() -> None:
    """Those of the second room begin half a period later, and the last one is so much longer."""
    period, end = 240, 3600

    def held(at: int) -> int:
        late = at - period // 2
        second = late % period if late < end - period else late - (end - 2 * period)
        return 100 * MEGABYTE + (at % period + second) * 1000

    watch = Watch([reading(at, memory=held(at)) for at in range(end)], period=float(period))
    watch.begin(0.0)
    for at in range(1, end):
        watch.tick(float(at), is_measured=True)
    assert watch.summary(1, 1).memory_slope_bytes_per_hour == pytest.approx(0.0, abs=1e-3)


def test_others_on_the_machine_are_noted() -> None:
    watch = watched([reading(at) for at in range(10)], measured_from=1)
    assert watch.others_share() == pytest.approx(0.2)


def test_a_second_says_what_was_used_in_it_and_nothing_of_a_server_elsewhere() -> None:
    watch = Watch([reading(0), reading(2), reading(3, memory=0)])
    watch.begin(0.0)
    use = watch.tick(2.0, is_measured=True)
    assert use.server_cpu == pytest.approx(0.5)
    assert use.generator_cpu == pytest.approx(0.3)
    use = watch.tick(3.0, is_measured=True)
    assert (use.server_cpu, use.server_memory) == (None, None)
    assert watch.summary(1, 1).share is None


def test_processes_that_end_count_no_more() -> None:
    watch = ServerWatch(lambda: ServerPids((999_999_999,)))
    assert watch.read(0.0).server == 0.0
    assert watch.read(0.0).generator > 0.0


def test_pages_of_the_program_that_come_late_cost_no_person_anything() -> None:
    readings = [replace(reading(at), memory=late_program(at)) for at in range(4000)]
    use = watched(readings, measured_from=5).summary(1, 100)
    assert use.memory_each == 0.0
    assert use.memory_slope_bytes_per_hour == 0.0
    assert use.memory_bytes == 104 * MEGABYTE + 3999


def late_program(at: int) -> Memory:
    return Memory(104 * MEGABYTE + at, 100 * MEGABYTE)


def test_a_process_is_larger_than_what_it_has_of_its_own() -> None:
    memory = resident([os.getpid()])
    assert memory.whole > memory.own > 0
    assert resident([]) == Memory(0, 0)
