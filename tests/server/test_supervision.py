"""One worker serves, whatever happens to workers. Time is turned by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from persistence.errors import EmbeddedPostgresError
from server.applying_note import Suspect, Suspicion
from server.blame import Exited, Signalled
from server.poison_list import PoisonList, digest_of, parse_entries
from server.restarts import ATTEMPTS, LONGEST_DELAY
from server.settings import Settings
from server.supervision import (
    ASLEEP,
    IN_USE_PATIENCE,
    START_SECONDS,
    Ended,
    Pausing,
    Serving,
    Starting,
    Stopping,
    Supervisor,
)
from server.worker_channel import ExitStatus, Failed, Ready
from tests.helpers.fake_worker import FakeWorker

MALLORY = UUID(int=7)
TICK = 0.1


class FakeDatabase:
    def __init__(self) -> None:
        self.looks = 0
        self.fault: Exception | None = None

    def poll_and_restart(self) -> bool:
        self.looks += 1
        if self.fault is not None:
            raise self.fault
        return False


class Stage:
    """A supervisor among fakes, and the time."""

    def __init__(self, directory: Path) -> None:
        self.now = 1000.0
        self.workers: list[FakeWorker] = []
        self.announced: list[str] = []
        self.complaints: list[str] = []
        self.database = FakeDatabase()
        self.poison = PoisonList(directory / "refused.jsonl")
        self.start_fault: OSError | None = None
        self.on_start: Callable[[FakeWorker], None] = lambda _worker: None
        self.supervisor = Supervisor(
            self._start,
            self.poison,
            Settings(heartbeat_timeout=2.0, shutdown_seconds=10.0),
            address="http://127.0.0.1:8000",
            announce=self.announced.append,
            complain=self.complaints.append,
            database=self.database,
        )

    def _start(self, poison_list: bytes) -> FakeWorker:
        if self.start_fault is not None:
            raise self.start_fault
        worker = FakeWorker(4000 + len(self.workers), poison_list)
        self.workers.append(worker)
        self.on_start(worker)
        return worker

    @property
    def worker(self) -> FakeWorker:
        return self.workers[-1]

    @property
    def state(self) -> object:
        return self.supervisor.state

    def tick(self) -> None:
        self.supervisor.tick(self.now)

    def pass_time(self, seconds: float, *, is_beating: bool = False) -> None:
        """Tick through this time as the process does, several times a second."""
        for _ in range(round(seconds / TICK)):
            self.now += TICK
            if is_beating:
                self.worker.count += 1
            self.tick()

    def sleep(self, seconds: float) -> None:
        """Let time pass in which nobody ran."""
        self.now += seconds
        self.tick()

    def serve(self) -> FakeWorker:
        """Tick until a worker serves."""
        self.tick()
        self.worker.says.append(Ready(("demo",)))
        self.tick()
        assert isinstance(self.state, Serving)
        return self.worker

    def applying(self, update: bytes, *, since: float) -> Suspicion:
        return Suspicion(MALLORY, since, (Suspect(digest_of(update), len(update), update),))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    for worker in made.workers:
        worker.close()


# --- starting ---------------------------------------------------------------------------------


def test_a_worker_is_started_at_once(stage: Stage) -> None:
    stage.tick()
    assert isinstance(stage.state, Starting)
    assert stage.announced == []


def test_a_ready_worker_is_announced_with_what_it_wants_said(stage: Stage) -> None:
    stage.serve()
    assert stage.announced == ["listening on http://127.0.0.1:8000", "demo"]


def test_a_replacement_is_not_announced_again(stage: Stage) -> None:
    stage.serve().fate = Signalled(9)
    stage.tick()
    stage.serve()
    assert len(stage.workers) == 2
    assert stage.announced == ["listening on http://127.0.0.1:8000", "demo"]


def test_a_heart_that_does_not_beat_yet_is_no_stall_while_a_worker_starts(stage: Stage) -> None:
    stage.tick()
    stage.pass_time(START_SECONDS - 1)
    assert isinstance(stage.state, Starting)


def test_a_worker_that_never_becomes_ready_is_replaced(stage: Stage) -> None:
    stage.tick()
    stage.pass_time(START_SECONDS + 1)
    assert stage.workers[0].done_to_it == ["kill", "close"]
    assert len(stage.workers) == 2


def test_workers_that_cannot_start_are_given_up_with_the_last_reason(stage: Stage) -> None:
    def fail(worker: FakeWorker) -> None:
        worker.says.append(Failed(f"no database ({worker.pid})"))
        worker.fate = Exited(ExitStatus.FAILED)

    stage.on_start = fail
    stage.tick()
    stage.pass_time(30)
    assert stage.state == Ended(ExitStatus.FAILED)
    assert len(stage.workers) == ATTEMPTS
    assert stage.complaints == [f"no database ({stage.worker.pid})"]


def test_workers_that_die_without_a_word_are_given_up_as_well(stage: Stage) -> None:
    def die(worker: FakeWorker) -> None:
        worker.fate = Signalled(11)

    stage.on_start = die
    stage.tick()
    stage.pass_time(30)
    assert stage.state == Ended(ExitStatus.FAILED)
    assert "ends while it starts" in stage.complaints[0]


def test_a_setting_that_cannot_work_ends_it_at_once(stage: Stage) -> None:
    stage.tick()
    stage.worker.says.append(Failed("the secret is too short"))
    stage.worker.fate = Exited(ExitStatus.CANNOT_START)
    stage.tick()
    assert stage.state == Ended(ExitStatus.CANNOT_START)
    assert stage.complaints == ["the secret is too short"]


def test_what_worked_before_is_tried_again_even_if_it_looks_hopeless(stage: Stage) -> None:
    stage.serve().fate = Signalled(9)
    stage.tick()
    stage.tick()
    stage.worker.fate = Exited(ExitStatus.CANNOT_START)
    stage.tick()
    assert isinstance(stage.state, Pausing)


def test_a_system_without_room_for_a_process_is_tried_again(stage: Stage) -> None:
    stage.start_fault = OSError("Cannot allocate memory")
    stage.tick()
    assert isinstance(stage.state, Pausing)
    stage.start_fault = None
    stage.pass_time(1)
    assert isinstance(stage.state, Starting)


def test_another_servers_database_is_not_fought_for(stage: Stage) -> None:
    stage.tick()
    stage.worker.says.append(Failed("another server works on this database"))
    stage.worker.fate = Exited(ExitStatus.DATABASE_IN_USE)
    stage.tick()
    assert stage.state == Ended(ExitStatus.DATABASE_IN_USE)
    assert stage.complaints == ["another server works on this database"]
    assert len(stage.workers) == 1


def test_a_database_that_another_server_has_taken_over_is_left_to_it(stage: Stage) -> None:
    def fail(worker: FakeWorker) -> None:
        worker.fate = Exited(ExitStatus.DATABASE_IN_USE)

    stage.serve().fate = Exited(ExitStatus.STOPPED)
    stage.on_start = fail
    stage.tick()
    stage.pass_time(IN_USE_PATIENCE + 2)
    assert stage.state == Ended(ExitStatus.DATABASE_IN_USE)


def test_the_last_workers_connections_may_take_a_while_to_leave_the_database(stage: Stage) -> None:
    def fail(worker: FakeWorker) -> None:
        worker.fate = Exited(ExitStatus.DATABASE_IN_USE)

    stage.serve().fate = Signalled(9)
    stage.on_start = fail
    stage.tick()
    stage.pass_time(IN_USE_PATIENCE - 2)
    assert not isinstance(stage.state, Ended)
    stage.on_start = lambda worker: worker.says.append(Ready())
    stage.pass_time(1, is_beating=True)
    assert isinstance(stage.state, Serving)


# --- hearts -----------------------------------------------------------------------------------


def test_a_beating_worker_is_left_alone(stage: Stage) -> None:
    worker = stage.serve()
    stage.pass_time(60, is_beating=True)
    assert worker.done_to_it == []


def test_rom_17_a_worker_may_be_silent_for_as_long_as_it_said(stage: Stage) -> None:
    worker = stage.serve()
    stage.pass_time(10, is_beating=True)
    worker.allowed = 12.0
    stage.pass_time(11.8)
    assert worker.done_to_it == []
    worker.noted = stage.applying(b"opening ocw/1", since=stage.now - 11.8)
    stage.pass_time(0.4)
    assert worker.done_to_it == ["kill", "close"]
    (told,) = parse_entries(stage.worker.poison_list)
    assert told.cause == "silent for 12 s"


def test_rom_17_no_worker_has_less_time_than_usual(stage: Stage) -> None:
    worker = stage.serve()
    worker.allowed = 0.5
    stage.pass_time(1.8)
    assert worker.done_to_it == []
    stage.pass_time(0.4)
    assert worker.done_to_it == ["kill", "close"]


def test_a_silent_worker_is_replaced_at_once(stage: Stage) -> None:
    worker = stage.serve()
    stage.pass_time(10, is_beating=True)
    stage.pass_time(1.9)
    assert worker.done_to_it == []
    stage.pass_time(0.3)
    assert worker.done_to_it == ["kill", "close"]
    assert isinstance(stage.state, Starting)
    assert len(stage.workers) == 2


def test_a_supervisor_that_was_asleep_gives_its_worker_a_fresh_period(stage: Stage) -> None:
    worker = stage.serve()
    stage.pass_time(1.5)
    stage.sleep(ASLEEP + 30)
    stage.pass_time(1.5)
    assert worker.done_to_it == []
    stage.pass_time(1.0)
    assert worker.done_to_it == ["kill", "close"]


def test_sleep_does_not_count_while_a_worker_starts(stage: Stage) -> None:
    stage.tick()
    stage.sleep(START_SECONDS * 2)
    stage.pass_time(1)
    assert len(stage.workers) == 1


def test_a_pause_that_was_slept_through_is_over(stage: Stage) -> None:
    stage.start_fault = OSError("Cannot allocate memory")
    stage.tick()
    stage.start_fault = None
    stage.sleep(ASLEEP)
    assert isinstance(stage.state, Starting)


def test_a_worker_that_died_is_replaced_at_once(stage: Stage) -> None:
    worker = stage.serve()
    worker.fate = Signalled(9)
    stage.tick()
    stage.tick()
    assert worker.done_to_it == ["close"]
    assert isinstance(stage.state, Starting)


def test_workers_that_keep_dying_young_are_replaced_for_ever_with_pauses(stage: Stage) -> None:
    def serve_for_a_moment(worker: FakeWorker) -> None:
        worker.says.append(Ready())
        worker.fate = Signalled(11)

    stage.on_start = serve_for_a_moment
    stage.tick()
    stage.pass_time(120)
    assert not isinstance(stage.state, Ended)
    assert 20 < len(stage.workers) < 20 + 120 / LONGEST_DELAY


# --- blame ------------------------------------------------------------------------------------


def test_the_update_that_stalled_a_worker_is_known_to_the_next_one(stage: Stage) -> None:
    worker = stage.serve()
    worker.noted = stage.applying(b"boom", since=stage.now)
    stage.pass_time(2.5)
    (told,) = parse_entries(stage.worker.poison_list)
    assert (told.digest, told.sender) == (digest_of(b"boom"), MALLORY)
    assert told.cause == "silent for 2 s"


def test_the_update_that_crashed_a_worker_is_known_to_the_next_one(stage: Stage) -> None:
    worker = stage.serve()
    worker.noted = stage.applying(b"boom", since=stage.now)
    worker.fate = Signalled(11)
    stage.tick()
    stage.tick()
    assert [told.digest for told in parse_entries(stage.worker.poison_list)] == [digest_of(b"boom")]


def test_a_suspect_that_is_only_known_by_its_digest_is_listed_too(stage: Stage) -> None:
    worker = stage.serve()
    worker.noted = Suspicion(MALLORY, stage.now, (Suspect(b"d" * 16, 300_000, None),))
    worker.fate = Signalled(11)
    stage.tick()
    (entry,) = stage.poison.entries
    assert (entry.digest, entry.length, entry.ranges, entry.update) == (
        b"d" * 16,
        300_000,
        (),
        None,
    )


def test_an_update_at_hand_when_somebody_killed_the_worker_is_not_blamed(stage: Stage) -> None:
    worker = stage.serve()
    worker.noted = stage.applying(b"innocent", since=stage.now)
    worker.fate = Signalled(9)
    stage.tick()
    stage.tick()
    assert stage.worker.poison_list == b""


def test_a_worker_that_died_of_nothing_it_applied_blames_nobody(stage: Stage) -> None:
    stage.serve().fate = Signalled(11)
    stage.tick()
    stage.tick()
    assert stage.worker.poison_list == b""


def test_a_note_that_was_overwritten_blames_nobody_and_is_reported(stage: Stage) -> None:
    worker = stage.serve()
    worker.is_note_overwritten = True
    worker.fate = Signalled(11)
    with capture_logs() as logs:
        stage.tick()
    assert "worker_note_unreadable" in [entry["event"] for entry in logs]
    stage.tick()
    assert isinstance(stage.state, Starting)
    assert stage.worker.poison_list == b""


def test_a_death_is_logged_with_its_cause_and_whom_it_was_working_for(stage: Stage) -> None:
    worker = stage.serve()
    worker.noted = stage.applying(b"boom", since=stage.now)
    worker.fate = Signalled(11)
    with capture_logs() as logs:
        stage.tick()
    (entry,) = logs
    assert entry["event"] == "worker_died"
    assert (entry["death"], entry["applying_for"]) == ("signal 11", str(MALLORY))
    assert entry["refused"] is True


def test_a_worker_that_finds_the_database_in_use_is_told_of_once(stage: Stage) -> None:
    stage.tick()
    stage.worker.fate = Exited(ExitStatus.DATABASE_IN_USE)
    stage.worker.says = [Failed("another server works on it")]
    with capture_logs() as logs:
        stage.tick()
    assert stage.state == Ended(ExitStatus.DATABASE_IN_USE)
    assert stage.complaints == ["another server works on it"]
    assert logs == []


def test_a_disk_that_is_full_does_not_keep_the_next_worker_from_knowing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    worker = stage.serve()
    worker.noted = stage.applying(b"boom", since=stage.now)
    worker.fate = Signalled(11)
    with capture_logs() as logs:
        stage.tick()
    assert "refused_updates_not_stored" in [entry["event"] for entry in logs]
    stage.tick()
    assert len(parse_entries(stage.worker.poison_list)) == 1


# --- ending -----------------------------------------------------------------------------------


def test_a_stop_is_passed_on_and_waited_for(stage: Stage) -> None:
    worker = stage.serve()
    stage.supervisor.stop(stage.now)
    stage.pass_time(9)
    assert worker.done_to_it == ["stop"]
    worker.fate = Exited(ExitStatus.STOPPED)
    stage.tick()
    assert stage.state == Ended(ExitStatus.STOPPED)
    assert stage.complaints == []


def test_it_stays_ended(stage: Stage) -> None:
    stage.supervisor.stop(stage.now)
    stage.sleep(100)
    stage.supervisor.stop(stage.now)
    assert stage.state == Ended(ExitStatus.STOPPED)
    assert stage.workers == []


def test_a_worker_that_does_not_end_in_time_is_killed_and_that_is_said(stage: Stage) -> None:
    worker = stage.serve()
    stage.supervisor.stop(stage.now)
    stage.pass_time(10.2)
    assert worker.done_to_it == ["stop", "kill", "close"]
    assert stage.state == Ended(ExitStatus.FAILED)
    assert "may be lost" in stage.complaints[0]


def test_what_a_worker_hung_in_while_it_was_to_stop_is_blamed(stage: Stage) -> None:
    worker = stage.serve()
    worker.noted = stage.applying(b"boom", since=stage.now)
    stage.supervisor.stop(stage.now)
    stage.pass_time(10.2)
    assert [entry.update for entry in stage.poison.entries] == [b"boom"]


def test_a_worker_that_fails_while_ending_is_reported(stage: Stage) -> None:
    worker = stage.serve()
    stage.supervisor.stop(stage.now)
    worker.fate = Exited(ExitStatus.FAILED)
    stage.tick()
    assert stage.state == Ended(ExitStatus.FAILED)
    assert "exit status 1" in stage.complaints[0]


def test_a_second_wish_to_stop_hurries(stage: Stage) -> None:
    worker = stage.serve()
    stage.supervisor.hurry(stage.now)  # nothing to hurry yet
    stage.supervisor.stop(stage.now)
    stage.supervisor.stop(stage.now)
    stage.pass_time(0.5)
    assert worker.done_to_it == ["stop"]
    stage.supervisor.hurry(stage.now)
    stage.tick()
    assert worker.done_to_it == ["stop", "kill", "close"]


def test_a_suspended_machine_does_not_shorten_the_time_to_stop(stage: Stage) -> None:
    worker = stage.serve()
    stage.supervisor.stop(stage.now)
    stage.sleep(3600)
    assert worker.done_to_it == ["stop"]
    assert isinstance(stage.state, Stopping)


def test_a_worker_that_has_not_served_yet_is_not_asked(stage: Stage) -> None:
    stage.tick()
    stage.supervisor.stop(stage.now)
    assert stage.worker.done_to_it == ["kill", "close"]
    assert stage.state == Ended(ExitStatus.STOPPED)


def test_a_stop_between_two_workers_starts_no_other(stage: Stage) -> None:
    stage.serve().fate = Signalled(9)
    stage.tick()
    stage.supervisor.stop(stage.now)
    stage.pass_time(1)
    assert len(stage.workers) == 1
    assert stage.state == Ended(ExitStatus.STOPPED)


# --- database ---------------------------------------------------------------------------------


def test_the_embedded_database_is_looked_after(stage: Stage) -> None:
    stage.serve()
    before = stage.database.looks
    stage.pass_time(10, is_beating=True)
    assert 15 <= stage.database.looks - before <= 25


def test_a_database_that_cannot_be_restarted_is_tried_again_and_the_worker_serves_on(
    stage: Stage,
) -> None:
    worker = stage.serve()
    stage.database.fault = EmbeddedPostgresError("no")
    before = stage.database.looks
    with capture_logs() as logs:
        stage.pass_time(3, is_beating=True)
    assert stage.database.looks - before >= 5
    assert {entry["event"] for entry in logs} == {"postgres_cannot_be_restarted"}
    assert worker.done_to_it == []
