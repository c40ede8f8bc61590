"""The embedded PostgreSQL, started, killed and started again (EPG). Real processes throughout."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import psutil
import pytest
from blockbuster import BlockBuster

from crdt_docs.identifiers import DocumentKind, document_name
from persistence import embedded_postgres, postgres_cluster
from persistence.circuit import Circuit
from persistence.embedded_postgres import EmbeddedPostgres
from persistence.errors import ClusterVersionMismatch, DatabaseInUse, EmbeddedPostgresError
from persistence.journal import WriteBehindJournal
from persistence.migrations import migrate
from persistence.pool import DatabasePool
from persistence.postgres_cluster import SUPERUSER
from persistence.postmaster_file import cluster_processes, read_postmaster_file
from persistence.update_log import PostgresDocumentStore
from tests.helpers.commits import log_of
from tests.helpers.database import run_once
from tests.helpers.waiting import until as eventually

SCRIPT = Path(__file__).with_name("supervisor_script.py")

BUSY_CLIENT = """
import asyncio, asyncpg, sys

async def work():
    connection = await asyncpg.connect(sys.argv[1])
    print("busy", flush=True)
    await connection.execute("SELECT count(*) FROM generate_series(1, 1000000000000) AS endless")

asyncio.run(work())
"""
ACTIVE = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE query LIKE '%endless' AND state = 'active' AND pid <> pg_backend_pid()"
)

pytestmark = pytest.mark.xdist_group("embedded")  # one process: they share a cluster


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A data directory whose cluster exists and is stopped; each test leaves it so."""
    directory = Path(tempfile.mkdtemp(prefix="collab-embedded-"))
    with EmbeddedPostgres(directory) as server:
        query(server.dsn(), "CREATE TABLE kept (value int)")
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def copied(made: Path) -> Iterator[Path]:
    """The same for tests that break it."""
    directory = Path(tempfile.mkdtemp(prefix="collab-copied-"))
    try:
        directory.chmod(made.stat().st_mode)
        subprocess.run(["cp", "-a", f"{made}/.", str(directory)], check=True)
        yield directory
    finally:
        shutil.rmtree(directory)


def query(dsn: str, statement: str, *arguments: object) -> Any:
    """The first value of a statement's answer."""

    async def ask() -> Any:
        connection = await asyncpg.connect(dsn, timeout=5)
        try:
            return await connection.fetchval(statement, *arguments)
        finally:
            connection.terminate()

    return run_once(ask())


def until(condition: Any, *, within: float = 15.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def answers(dsn: str) -> bool:
    with contextlib.suppress(OSError, asyncpg.PostgresError):
        return bool(query(dsn, "SELECT 1") == 1)
    return False


def has_ended(pid: int) -> bool:
    """Also when its parent has not collected it yet."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def supervisor(
    data_dir: Path, *arguments: str, quiet: bool = False
) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """Another process that runs PostgreSQL on a data directory, and what it said."""
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(data_dir), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if quiet else None,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None
    try:
        while not (line := process.stdout.readline()).startswith("{"):
            assert line, "the supervisor ended"
        yield process, json.loads(line)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        until(lambda: not cluster_processes(data_dir.resolve() / "postgres"))


# The first start


def test_a_new_directory_becomes_a_database_that_nobody_else_can_enter(tmp_path: Path) -> None:
    """EPG-1"""
    data_dir = tmp_path / "new" / "data"
    with EmbeddedPostgres(data_dir) as server:
        assert server.is_running()
        assert mode(data_dir) & 0o066 == 0
        assert mode(data_dir / "postgres") == 0o700
        assert mode(data_dir / "postgres.pgpass") == 0o600
        assert (data_dir / "postgres.pgpass").stat().st_uid == os.geteuid()
        dsn = server.dsn()
        assert query(dsn, "SHOW listen_addresses") == ""
        socket_dir = Path(query(server.dsn(role=SUPERUSER), "SHOW unix_socket_directories"))
        assert mode(socket_dir) == 0o700
        assert mode(socket_dir / ".s.PGSQL.5432") == 0o700
        superuser = server.dsn(role=SUPERUSER)
        methods = "SELECT array_agg(DISTINCT auth_method) FROM pg_hba_file_rules"
        assert query(superuser, methods) == ["scram-sha-256"]
        for role in ("collab", "postgres"):
            password = dsn.split(":")[2].split("@")[0]
            with pytest.raises(asyncpg.InvalidPasswordError):
                query(dsn.replace("//collab:", f"//{role}:").replace(password, "guess"), "SELECT 1")
    assert not server.is_running()


def test_its_role_owns_the_database_and_nothing_else(made: Path) -> None:
    """EPG-1"""
    with EmbeddedPostgres(made) as server:
        dsn = server.dsn()
        assert query(dsn, "SELECT current_user || '@' || current_database()") == "collab@collab"
        rights = "SELECT rolsuper OR rolcreatedb OR rolcreaterole FROM pg_roles WHERE rolname = $1"
        assert query(dsn, rights, "collab") is False
        owner = "SELECT datdba::regrole::text FROM pg_database WHERE datname = 'collab'"
        assert query(dsn, owner) == "collab"
        assert query(dsn, "SHOW server_encoding") == "UTF8"
        locale = "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = $1"
        assert query(dsn, locale, "collab") == "bC.UTF-8"
        assert query(dsn, "SELECT current_setting('server_version_num')::int / 10000") == 18


def test_durability_is_not_configurable(copied: Path) -> None:
    """EPG-2"""
    with (copied / "postgres" / "postgresql.conf").open("a") as file:
        file.write("fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n")
        file.write("listen_addresses = '*'\nwork_mem = 7MB\n")
    with EmbeddedPostgres(copied) as server:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            assert query(server.dsn(), f"SHOW {name}") == "on"
        assert query(server.dsn(), "SHOW listen_addresses") == ""
        assert query(server.dsn(), "SHOW work_mem") == "7MB"


def test_trust_that_came_in_from_outside_is_taken_back(copied: Path) -> None:
    """EPG-1: `pg_upgrade` brings access rules of its own."""
    (copied / "postgres" / "pg_hba.conf").write_text("local all all trust\n")
    with EmbeddedPostgres(copied) as server:
        password = server.dsn().split(":")[2].split("@")[0]
        with pytest.raises(asyncpg.InvalidPasswordError):
            query(server.dsn().replace(password, "guess"), "SELECT 1")


def test_a_first_start_that_was_interrupted_is_begun_again(tmp_path: Path) -> None:
    """EPG-4"""
    half_made = tmp_path / "postgres.new"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(tmp_path) as server:
        assert query(server.dsn(), "SELECT 1") == 1
    assert not half_made.exists()


def test_lost_passwords_are_made_anew(copied: Path) -> None:
    old = (copied / "postgres.pgpass").read_text()
    (copied / "postgres.pgpass").unlink()
    with EmbeddedPostgres(copied) as server:
        assert query(server.dsn(), "SELECT count(*) FROM kept") == 0
        assert query(server.dsn(role=SUPERUSER), "SELECT 1") == 1
    assert (copied / "postgres.pgpass").read_text() != old


def test_a_long_or_odd_path_puts_the_socket_elsewhere(copied: Path) -> None:
    for name in ("x" * 110, "with space, comma"):
        data_dir = copied / name
        data_dir.mkdir(mode=0o701)
        shutil.copy2(copied / "postgres.pgpass", data_dir)
        subprocess.run(["cp", "-a", str(copied / "postgres"), str(data_dir)], check=True)
        with EmbeddedPostgres(data_dir) as server:
            socket_dir = Path(query(server.dsn(role=SUPERUSER), "SHOW unix_socket_directories"))
            assert not socket_dir.is_relative_to(data_dir)
            assert mode(socket_dir) == 0o700
        assert not socket_dir.exists()
        assert not (data_dir / "postgres.socket").exists()


# Later starts


def test_what_was_committed_is_there_after_a_stop_and_a_start(made: Path) -> None:
    with EmbeddedPostgres(made) as server:
        first = server.dsn()
        query(first, "INSERT INTO kept VALUES (1)")
    with EmbeddedPostgres(made) as server:
        assert server.start() == server.dsn() == first, "starting twice is once; passwords stay"
        assert query(first, "DELETE FROM kept RETURNING value") == 1


def test_nothing_is_known_before_the_start(made: Path) -> None:
    server = EmbeddedPostgres(made)
    with pytest.raises(EmbeddedPostgresError, match="not been started"):
        server.dsn()
    assert not server.is_running()
    assert not server.poll_and_restart()
    server.stop()


def test_another_major_version_is_refused_with_the_way_out(copied: Path) -> None:
    (copied / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(ClusterVersionMismatch, match=r"PostgreSQL 16, .* 18.*upgrade_db"):
        EmbeddedPostgres(copied).start()


def test_settings_that_it_does_not_take_are_shown(copied: Path) -> None:
    with (copied / "postgres" / "postgresql.conf").open("a") as file:
        file.write("nonsense = 1\n")
    with pytest.raises(EmbeddedPostgresError, match="nonsense"):
        EmbeddedPostgres(copied).start()


def test_a_failure_after_the_log_files_are_open_is_shown_too(copied: Path) -> None:
    (copied / "postgres" / "global" / "pg_control").write_bytes(b"")
    with pytest.raises(EmbeddedPostgresError, match="pg_control"):
        EmbeddedPostgres(copied).start()


def test_a_program_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "initdb").write_text("#!/bin/sh\necho no room left\nexit 3\n")
    (programs / "initdb").chmod(0o755)
    monkeypatch.setattr(postgres_cluster, "BINARIES", programs)
    with pytest.raises(EmbeddedPostgresError, match="initdb ended with 3: no room left"):
        EmbeddedPostgres(tmp_path / "data").start()
    assert not (tmp_path / "data" / "postgres").exists()


def test_a_second_supervisor_is_refused(made: Path) -> None:
    """EPG-6"""
    with supervisor(made) as (_, said):
        with pytest.raises(DatabaseInUse, match="another server runs on the data directory"):
            EmbeddedPostgres(made, lock_patience=0.1).start()
        assert answers(said["dsn"]), "the first one was left alone"
        assert mode(made / "postgres.lock") == 0o600


def test_old_log_files_go(copied: Path) -> None:
    log = copied / "postgres" / "server_log"
    for number in range(10):
        (log / f"postgresql-20200101-00000{number}.log").touch()
    with EmbeddedPostgres(copied):
        until(lambda: len(list(log.glob("postgresql-202[1-9]*.log"))) > 0)
        assert len(list(log.iterdir())) <= 6


# When it dies


def test_a_killed_postmaster_is_started_again(made: Path) -> None:
    """EPG-5: and nothing that was committed is lost."""
    with EmbeddedPostgres(made) as server:
        dsn = server.dsn()
        assert not server.poll_and_restart()
        query(dsn, "INSERT INTO kept VALUES (5)")
        first = server.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        until(lambda: server.poll_and_restart() or server.restarts > 0)
        until(lambda: server.poll_and_restart() is False and answers(dsn))
        assert server.pid != first
        assert server.restarts >= 1
        assert query(dsn, "DELETE FROM kept RETURNING value") == 5


def test_deaths_in_a_row_make_it_pause(made: Path) -> None:
    """EPG-5: a database that cannot live is not started a thousand times a second."""
    now = [1000.0]
    server = EmbeddedPostgres(made, clock=lambda: now[0])
    server.start()
    pauses: list[float] = []
    try:
        for _ in range(7):
            pid = server.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            until(lambda: not server.is_running())
            until(lambda: not cluster_processes(made.resolve() / "postgres"))
            begun = now[0]
            while not server.poll_and_restart():
                now[0] += 0.05
            pauses.append(round(now[0] - begun, 1))
        assert pauses == sorted(pauses)
        assert pauses[0] == 0.0
        assert 4.9 < pauses[-1] < 5.2
        now[0] += 60.0
        assert server.poll_and_restart() is False  # it has lived for a minute
        pid = server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        until(lambda: not server.is_running())
        assert server.poll_and_restart() is True
    finally:
        server.stop()


def test_backends_of_a_killed_postmaster_do_not_prevent_a_start(made: Path) -> None:
    """EPG-4: "pre-existing shared memory block is still in use"."""
    with supervisor(made) as (process, said):
        busy = subprocess.Popen(
            [sys.executable, "-c", BUSY_CLIENT, said["dsn"]],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert busy.stdout is not None
        assert busy.stdout.readline() == "busy\n"
        try:
            until(lambda: query(said["dsn"], ACTIVE) == 1)
            os.kill(said["pid"], signal.SIGKILL)
            process.kill()
            process.wait()
            with EmbeddedPostgres(made) as server:
                assert query(server.dsn(), ACTIVE) == 0
        finally:
            busy.kill()
            busy.wait()
            busy.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_its_supervisor_and_starts_again(made: Path, number: signal.Signals) -> None:
    """EPG-3, EPG-4: the next start finds it stopping, or gone."""
    with supervisor(made, quiet=True) as (process, said):  # Python tells of a SIGINT
        query(said["dsn"], "INSERT INTO kept VALUES (9)")
        process.send_signal(number)
        process.wait()
        with EmbeddedPostgres(made) as server:
            assert server.pid != said["pid"]
            assert query(server.dsn(), "DELETE FROM kept RETURNING value") == 9
    assert has_ended(said["pid"])


def test_killed_supervisors_leave_no_process(made: Path) -> None:
    """EPG-3"""
    with supervisor(made) as (process, said):
        process.kill()
        process.wait()
        until(lambda: has_ended(said["pid"]))
        until(lambda: not cluster_processes(made.resolve() / "postgres"))


def test_a_postmaster_that_hangs_is_killed_in_the_end(made: Path) -> None:
    server = EmbeddedPostgres(made, stop_patience=0.1)
    server.start()
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    server.stop()
    assert not psutil.pid_exists(pid)
    with EmbeddedPostgres(made) as again:
        assert answers(again.dsn())


def signal_all(data_dir: Path, number: signal.Signals) -> None:
    """What a stopped machine, or a killed container, does to PostgreSQL as a whole."""
    for process in cluster_processes(data_dir.resolve() / "postgres"):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


@pytest.mark.parametrize("fault", ["postmaster killed", "all killed", "all stopped"])
async def test_a_journal_under_load_loses_nothing(
    made: Path, fault: str, blocking_calls_fail: BlockBuster
) -> None:
    """EPG-5, LOG-1 to LOG-4, with the real thing: what was acknowledged at the fault is there."""
    blocking_calls_fail.deactivate()  # supervisor and journal share a thread here
    with EmbeddedPostgres(made) as server:
        await migrate(server.dsn())
        pool = await DatabasePool.open(
            server.dsn(), connect_timeout=0.3, command_timeout=0.3, circuit=Circuit(threshold=1_000)
        )
        store = PostgresDocumentStore(pool)
        journal = WriteBehindJournal(
            store, on_poisoned=lambda *_: None, retry_initial=0.01, retry_max=0.05
        )
        journal.start()
        name = document_name(DocumentKind.OCW, uuid4())
        for seq in range(1, 401):
            journal.append(log_of(name, seq, seq))
            if seq == 200:
                await asyncio.sleep(0.002)
                match fault:
                    case "postmaster killed":
                        os.kill(server.pid or 0, signal.SIGKILL)
                    case "all killed":
                        signal_all(made, signal.SIGKILL)
                    case "all stopped":
                        signal_all(made, signal.SIGSTOP)
            await asyncio.sleep(0)
        if fault == "all stopped":
            await eventually(lambda: journal.retries > 0)
            assert journal.committed < 400
            signal_all(made, signal.SIGCONT)
        while journal.committed < 400:
            server.poll_and_restart()
            await asyncio.sleep(0.02)
        assert list(await store.read_log(name, limit=1000)) == log_of(name, 1, 400)
        assert journal.poisoned == 0
        await journal.close(1.0)
        await store.delete(name)
        await pool.close()


# What earlier runs left


def leave(made: Path, first_lines: str) -> Path:
    file = made / "postgres" / "postmaster.pid"
    file.write_text(first_lines)
    return file


@pytest.mark.parametrize("content", ["", "junk\n", "999999999\n/data\n"])
def test_remnants_of_postmaster_pid_do_not_matter(made: Path, content: str) -> None:
    """EPG-4: empty or cut short by a crash of the machine, or of a process that is gone."""
    leave(made, content)
    with EmbeddedPostgres(made) as server:
        assert answers(server.dsn())


def test_a_number_that_is_somebody_elses_now_does_not_matter(made: Path) -> None:
    """EPG-4: a recycled process id, of the very user that PostgreSQL runs as."""
    owner = (made / "postgres").stat().st_uid
    other = subprocess.Popen(["sleep", "60"], user=owner if os.geteuid() == 0 else None)
    try:
        leave(made, f"{other.pid}\n{made / 'postgres'}\n1700000000\n5432\n\n\n  1 2\nready\n")
        with EmbeddedPostgres(made) as server:
            assert server.pid != other.pid
            assert answers(server.dsn())
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_postmaster_that_stays_is_adopted(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EPG-4: where the system has no parent-death signal, or somebody started it by hand."""
    monkeypatch.setattr(embedded_postgres, "_PREDECESSOR_GRACE", 0.05)
    stranger = EmbeddedPostgres(made)
    stranger.start()
    assert stranger._lock is not None
    stranger._lock.close()  # its supervisor is gone
    pid = stranger.pid
    adopter = EmbeddedPostgres(made)
    dsn = adopter.start()
    assert adopter.pid == pid
    assert answers(dsn)
    assert not adopter.poll_and_restart()

    assert stranger._child is not None
    stranger._child.kill()
    stranger._child.wait()
    until(lambda: adopter.poll_and_restart() or adopter.restarts > 0)
    until(lambda: adopter.poll_and_restart() is False and answers(dsn))
    assert adopter.pid != pid
    adopter.stop()
    assert not cluster_processes(made.resolve() / "postgres")


def test_an_adopted_postmaster_is_stopped_like_any_other(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_postgres, "_PREDECESSOR_GRACE", 0.05)
    stranger = EmbeddedPostgres(made)
    stranger.start()
    assert stranger._lock is not None
    stranger._lock.close()
    with EmbeddedPostgres(made) as adopter:
        assert adopter.pid == stranger.pid
    until(lambda: not stranger.is_running())
    assert adopter.pid is None


def test_a_predecessor_that_neither_ends_nor_answers_is_named(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_postgres, "_accepts", lambda _: False)
    stranger = EmbeddedPostgres(made)
    stranger.start()
    assert stranger._lock is not None
    stranger._lock.close()
    try:
        with pytest.raises(EmbeddedPostgresError, match=f"process {stranger.pid}"):
            EmbeddedPostgres(made, start_patience=0.1).start()
    finally:
        stranger.stop()


def test_a_socket_nobody_listens_on_does_not_accept(tmp_path: Path) -> None:
    assert not embedded_postgres._accepts(tmp_path)


# Who it runs as


@pytest.mark.skipif(os.geteuid() != 0, reason="as an ordinary user all other tests show this")
def test_an_ordinary_user_needs_nobody_else(made: Path) -> None:
    """The same without root, in a process that gave it up."""
    user = postgres_cluster.SYSTEM_USER
    check = ["setpriv", f"--reuid={user}", "--clear-groups", "/usr/bin/python3", "--version"]
    if shutil.which("setpriv") is None or subprocess.run(check, check=False).returncode:
        pytest.skip("no Python that an ordinary user can run")
    home = Path(tempfile.mkdtemp(prefix="collab-user-"))
    entry = (made / "postgres").stat()
    os.chown(home, entry.st_uid, entry.st_gid)
    try:
        with supervisor(home / "data", user) as (_, said):
            assert psutil.Process(said["pid"]).uids().effective == entry.st_uid
            assert answers(said["dsn"])
            assert mode(home / "data") == 0o700
            assert (home / "data" / "postgres.pgpass").stat().st_uid == entry.st_uid
        until(lambda: read_postmaster_file(home / "data" / "postgres") is None)
    finally:
        shutil.rmtree(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as somebody else")
def test_root_does_not_run_it_as_root(made: Path) -> None:
    with EmbeddedPostgres(made) as server:
        for process in [psutil.Process(server.pid), *psutil.Process(server.pid).children()]:
            assert process.uids().effective == (made / "postgres").stat().st_uid != 0
