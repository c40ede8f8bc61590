"""What a server says that does not start."""

from __future__ import annotations

import pytest

from persistence.errors import DatabaseInUse, DatabaseUnusable
from persistence.ports import StorageUnavailable
from server.complaints import complaint, reason_of
from server.settings import Settings

EMBEDDED = Settings()


def elsewhere(url: str) -> Settings:
    return Settings(database_url=url)


def caused_by(cause: OSError) -> StorageUnavailable:
    fault = StorageUnavailable(str(cause))
    fault.__cause__ = cause
    return fault


REFUSED = caused_by(ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (KeyError(), "KeyError"),
        (ValueError("two\nlines"), "two lines"),
        (ValueError("postgresql://u:geheim@host/"), "postgresql://u:[removed]@host/"),
        (FileNotFoundError(2, "whatever", "/proc/nope"), "No such file or directory: /proc/nope"),
        (OSError("[Errno 111] one, [Errno 111] two"), "one, two"),
        (StorageUnavailable("no answer in time"), "no answer in time"),
        (caused_by(TimeoutError()), "StorageUnavailable"),
        (caused_by(OSError(-2, "Name or service not known")), "Name or service not known"),
        (REFUSED, "Connection refused"),
    ],
)
def test_a_reason_is_one_line_without_numbers_of_errors(fault: Exception, reason: str) -> None:
    assert reason_of(fault) == reason


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://ada:geheim@db.example:5433/boards", "db.example:5433/boards"),
        ("postgresql://ada:geheim@a:1,b:2/boards", "a:1,b:2/boards"),
        ("postgresql://ada:geheim@/boards?host=/run/postgresql", "/run/postgresql/boards"),
        ("postgresql://ada@/boards?host=/run&password=geheim", "/run/boards"),
    ],
)
def test_it_says_which_database_and_what_to_do_and_no_secret(url: str, place: str) -> None:
    for fault, what in (
        (REFUSED, "start PostgreSQL there"),
        (DatabaseUnusable("no such role"), "what its user may do"),
    ):
        line = complaint(fault, elsewhere(url))
        assert f"the database {place} " in line
        assert what in line
        assert "COLLAB_DATABASE_URL" in line
        assert "geheim" not in line
        assert "ada" not in line


def test_other_faults_speak_for_themselves() -> None:
    assert complaint(DatabaseInUse("stop it"), elsewhere("postgresql://h/d")) == "stop it"
    assert complaint(REFUSED, EMBEDDED) == "Connection refused"
