"""Only an update that brought its worker down is refused, not one that was merely at hand."""

from __future__ import annotations

import signal
from pathlib import Path
from uuid import UUID

import pytest

from server.applying_note import Suspect, Suspicion
from server.blame import (
    LONG,
    Exited,
    Signalled,
    Silent,
    WorkerDeath,
    death_of,
    describe,
    is_to_blame,
    kills_for_memory,
)


def applied_for(seconds: float, death: WorkerDeath) -> bool:
    """The verdict on an update that was being applied for so long when the worker ended."""
    suspect = Suspect(b"d" * 16, 4, b"boom")
    return is_to_blame(Suspicion(UUID(int=7), 100.0, (suspect,)), death, 100.0 + seconds)


def test_an_update_applied_since_the_heart_stopped_is_to_blame() -> None:
    assert applied_for(2.05, Silent(2.0))


def test_an_update_that_just_came_when_a_silent_worker_was_killed_is_not() -> None:
    assert not applied_for(0.01, Silent(2.0))


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL])
def test_a_fault_of_the_process_itself_is_the_updates_however_short_it_took(number: int) -> None:
    assert applied_for(0.00001, Signalled(number))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_healthy_worker_killed_from_outside_accuses_nobody(number: int) -> None:
    assert not applied_for(0.001, Signalled(number))


def test_a_worker_killed_while_one_update_took_very_long_accuses_it() -> None:
    assert applied_for(LONG, Signalled(signal.SIGKILL))


def test_a_worker_killed_for_memory_accuses_what_it_was_applying() -> None:
    assert applied_for(0.05, Signalled(signal.SIGKILL, out_of_memory=True))


def test_a_process_that_exited_in_the_middle_of_applying_accuses_the_update() -> None:
    assert applied_for(0.001, Exited(70))


@pytest.mark.parametrize(
    ("exit_code", "is_memory_short", "death"),
    [
        (0, False, Exited(0)),
        (3, True, Exited(3)),
        (-9, False, Signalled(9)),
        (-9, True, Signalled(9, out_of_memory=True)),
        (-11, True, Signalled(11)),
    ],
)
def test_an_exit_code_is_read_as_a_death(
    exit_code: int, death: WorkerDeath, *, is_memory_short: bool
) -> None:
    assert death_of(exit_code, out_of_memory=is_memory_short) == death


@pytest.mark.parametrize(
    ("death", "words"),
    [
        (Silent(2.0), "silent for 2 s"),
        (Exited(1), "exit status 1"),
        (Signalled(11), "signal 11"),
        (Signalled(9, out_of_memory=True), "signal 9, out of memory"),
    ],
)
def test_deaths_have_words(death: WorkerDeath, words: str) -> None:
    assert describe(death) == words


def test_kills_for_memory_are_read_from_the_system(tmp_path: Path) -> None:
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("nr_free_pages 12\noom_kill 3\n")
    assert kills_for_memory(vmstat) == 3


def test_a_system_that_does_not_count_kills_for_memory_says_none(tmp_path: Path) -> None:
    vmstat = tmp_path / "vmstat"
    assert kills_for_memory(vmstat) == 0
    vmstat.write_text("nr_free_pages 12\n")
    assert kills_for_memory(vmstat) == 0
