"""The command line."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from pydantic import SecretStr

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind, document_name
from persistence import embedded_postgres, migrations
from persistence.errors import DatabaseInUse, DatabaseTooNew, EmbeddedPostgresError
from persistence.ports import StorageUnavailable
from server import supervisor
from server.authentication import Authenticator, Credentials
from server.clock import utc_now
from server.command_line import main
from server.settings import Settings
from server.signing_keys import SECRET_FILE
from tests.server.logging_state import logging_put_back
from tests.server.token_forge import SECRET

ANNA = "11111111-1111-4111-8111-111111111111"
BOARD = "22222222-2222-4222-8222-222222222222"


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test runs in an empty directory, without settings in the environment."""
    for name in list(os.environ):
        if name.upper().startswith("COLLAB_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    with logging_put_back():  # commands configure it
        yield


class Terminal:
    """Runs commands and reads what they print."""

    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self._captured = captured

    def run(self, *arguments: str) -> str:
        """What a command that must succeed prints."""
        status = main(arguments)
        output = self._captured.readouterr()
        assert status == 0, output.err
        return output.out

    def complaint(self, *arguments: str) -> str:
        """The one line of a command that must fail with status 2."""
        assert main(arguments) == 2
        output = self._captured.readouterr()
        assert output.out == ""
        (line,) = output.err.splitlines()
        assert line.startswith("Error: ")
        return line


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(capsys)


def read(token: str, **values: Any) -> Credentials:
    """What a server with these settings reads from a printed token."""
    authenticator = Authenticator.from_settings(Settings.model_validate(values))
    return asyncio.run(authenticator.authenticate(token.strip()))


# token


def test_a_token_says_what_it_was_asked_to(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLAB_JWT_SECRET", SECRET.decode())
    workspace = uuid4()
    printed = terminal.run(
        *("token", "--user", ANNA, "--name", "Anna", "--ttl", "120"),
        *("--grant", f"ocw/{BOARD}=viewer", "--grant", f"xr/{BOARD}=editor"),
        *("--workspace", str(workspace)),
    )
    credentials = read(printed, jwt_secret=SecretStr(SECRET.decode()))
    assert credentials.identity.user_id == UUID(ANNA)
    assert credentials.identity.name == "Anna"
    assert credentials.workspaces == frozenset({workspace})
    assert credentials.grants == {
        document_name(DocumentKind.OCW, UUID(BOARD)): Role.VIEWER,
        document_name(DocumentKind.XR, UUID(BOARD)): Role.EDITOR,
    }
    assert 115 < (credentials.expires_at - utc_now()).total_seconds() <= 120
    assert not credentials.is_service
    assert list(Path.cwd().iterdir()) == [], "a secret of the environment is not written down"


def test_a_token_alone_in_its_line_can_be_used_in_a_shell(terminal: Terminal) -> None:
    printed = terminal.run("token", "--user", ANNA)
    assert printed.count("\n") == 1
    assert printed.count(".") == 2


def test_a_service_token(terminal: Terminal) -> None:
    assert read(terminal.run("token", "--user", ANNA, "--service")).is_service


def test_without_a_secret_one_is_made_once(terminal: Terminal) -> None:
    first = terminal.run("token", "--user", ANNA)
    second = terminal.run("token", "--user", ANNA, "--data-dir", ".collab")
    assert (Path(".collab") / SECRET_FILE).is_file()
    for printed in (first, second):
        assert read(printed, data_dir=".collab").identity.user_id == UUID(ANNA)


def test_the_data_directory_comes_from_flag_or_environment(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLAB_DATA_DIR", "from-environment")
    terminal.run("token", "--user", ANNA)
    terminal.run("token", "--user", ANNA, "--data-dir", "from-flag")
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["from-environment", "from-flag"]


def test_the_audience_of_the_settings_is_put_in(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLAB_JWT_AUDIENCE", "elsewhere")
    printed = terminal.run("token", "--user", ANNA)
    assert read(printed, jwt_audience="elsewhere").identity.user_id == UUID(ANNA)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((), "--user"),
        (("--user", "anna"), "UUID"),
        (("--user", ANNA, "--ttl", "0"), "--ttl"),
        (("--user", ANNA, "--ttl", "soon"), "--ttl"),
        (("--user", ANNA, "--grant", "ocw/x=viewer"), "--grant"),
        (("--user", ANNA, "--grant", f"ocw/{BOARD}"), "--grant"),
        (("--user", ANNA, "--grant", f"ocw/{BOARD}=boss"), "spectator"),
        (("--user", ANNA, "--grant", f"board/{BOARD}=viewer"), "--grant"),
        (("--user", ANNA, "--workspace", "mine"), "--workspace"),
        (("--user", ANNA, "--color", "red"), "--color"),
    ],
)
def test_a_wrong_token_command_is_told_in_one_line(
    terminal: Terminal, arguments: tuple[str, ...], part: str
) -> None:
    assert part in terminal.complaint("token", *arguments)


def test_no_token_beside_a_key_set(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLAB_JWT_JWKS_URL", "https://issuer.example/keys")
    assert "issuer" in terminal.complaint("token", "--user", ANNA)


def test_a_short_secret_is_told_in_one_line(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLAB_JWT_SECRET", "hunter2")
    line = terminal.complaint("token", "--user", ANNA)
    assert "COLLAB_JWT_SECRET" in line
    assert "32 bytes" in line
    assert "hunter2" not in line


@pytest.mark.parametrize("command", [("token", "--user", ANNA), ("serve",)])
def test_a_data_directory_that_cannot_be_is_told_in_one_line(
    terminal: Terminal, command: tuple[str, ...]
) -> None:
    for place in ("/dev/null/data", "/proc/nope"):
        line = terminal.complaint(*command, "--data-dir", place)
        assert f"directory {place} (" in line
        assert "choose another --data-dir" in line
        assert "Errno" not in line


# serve


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that `serve` was called with; it ends at once."""
    seen: list[Settings] = []

    def serve(settings: Settings) -> int:
        seen.append(settings)
        return 0

    monkeypatch.setattr(supervisor, "serve", serve)
    return seen


def test_serve_without_flags_serves_by_default_settings(
    terminal: Terminal, served: list[Settings]
) -> None:
    terminal.run("serve")
    assert served == [Settings()]


def test_flags_go_before_the_environment(
    terminal: Terminal, served: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLAB_PORT", "9000")
    monkeypatch.setenv("COLLAB_HOST", "127.0.0.2")
    url = "postgresql://collab@localhost/collab"
    terminal.run("serve", "--port", "9001", "--dev", "--data-dir", "d", "--database-url", url)
    (settings,) = served
    assert (settings.host, settings.port) == ("127.0.0.2", 9001)
    assert settings.dev
    assert settings.data_dir == Path("d")
    assert settings.database_url == url


def test_the_development_mode_may_come_from_the_environment(
    terminal: Terminal, served: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLAB_DEV", "true")
    terminal.run("serve")
    assert served[0].dev


def test_the_exit_status_is_the_supervisors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "serve", lambda _settings: 3)
    assert main(["serve"]) == 3


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--port", "99999"), "--port"),
        (("--port", "abc"), "'abc' is no port: give a number from 0 to 65535"),
        (("--dev", "--host", "0.0.0.0"), "loopback"),
        (("--database-url", "mysql://u:geheim@localhost/x"), "COLLAB_DATABASE_URL"),
        (("--host", ""), "COLLAB_HOST"),
        (("now",), "now"),
    ],
)
def test_a_wrong_serve_command_is_told_in_one_line(
    terminal: Terminal, served: list[Settings], arguments: tuple[str, ...], part: str
) -> None:
    line = terminal.complaint("serve", *arguments)
    assert part in line
    assert "geheim" not in line
    assert served == []


def test_a_wrong_variable_is_told_in_one_line(
    terminal: Terminal, served: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLAB_ROOM_IDLE_SECONDS", "soon")
    assert "COLLAB_ROOM_IDLE_SECONDS" in terminal.complaint("serve")
    assert served == []


def test_an_unusable_secret_stops_the_server_before_it_starts(
    terminal: Terminal, served: list[Settings]
) -> None:
    Path(".collab").mkdir()
    (Path(".collab") / SECRET_FILE).write_text("damaged")
    (Path(".collab") / SECRET_FILE).chmod(0o600)
    assert "damaged" in terminal.complaint("serve")
    assert served == []


def test_a_misspelt_variable_is_pointed_out(
    served: list[Settings], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLLAB_PROT", "9000")
    assert main(["serve"]) == 0
    assert "COLLAB_PROT" in capsys.readouterr().err
    assert len(served) == 1


# migrate


class FakePostgres:
    """An embedded server that notes what is done to it."""

    events: list[str]

    def __init__(self, data_dir: Path) -> None:
        self.events.append(f"made in {data_dir}")

    def start(self) -> str:
        self.events.append("started")
        return "postgresql://embedded/collab"

    def stop(self) -> None:
        self.events.append("stopped")


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happens to the embedded server and to databases, in order."""
    events: list[str] = []
    monkeypatch.setattr(FakePostgres, "events", events, raising=False)
    monkeypatch.setattr(embedded_postgres, "EmbeddedPostgres", FakePostgres)
    return events


def migrating(
    events: list[str], applied: list[str], fault: Exception | None = None
) -> Callable[[str], Any]:
    """A `migrate` that notes where, and does nothing."""

    async def migrate(dsn: str) -> list[str]:
        events.append(f"migrated {dsn}")
        if fault is not None:
            raise fault
        return applied

    return migrate


def test_migrate_runs_the_embedded_server_for_as_long_as_it_takes(
    terminal: Terminal, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "migrate", migrating(events, ["0001_first", "0002_second"]))
    printed = terminal.run("migrate", "--data-dir", "d")
    assert printed == "applied 0001_first\napplied 0002_second\n"
    assert events == [
        "made in d",
        "started",
        "migrated postgresql://embedded/collab",
        "stopped",
    ]


def test_migrate_works_on_a_database_elsewhere(
    terminal: Terminal, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "migrate", migrating(events, []))
    printed = terminal.run("migrate", "--database-url", "postgresql://elsewhere/collab")
    assert "up to date" in printed
    assert events == ["migrated postgresql://elsewhere/collab"]


@pytest.mark.parametrize(
    "fault",
    [
        DatabaseTooNew("0009 is not known here"),
        StorageUnavailable("nobody\nanswers"),
        OSError("no such file"),
    ],
)
def test_a_failed_migration_is_told_in_one_line(
    terminal: Terminal, events: list[str], monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    monkeypatch.setattr(migrations, "migrate", migrating(events, [], fault))
    assert terminal.complaint("migrate") == f"Error: {' '.join(str(fault).split())}"
    assert events[-1] == "stopped"


@pytest.mark.parametrize("fault", [DatabaseInUse("a server runs"), EmbeddedPostgresError("broken")])
def test_an_embedded_server_that_does_not_start_is_told_in_one_line(
    terminal: Terminal, events: list[str], monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def start(_: FakePostgres) -> str:
        raise fault

    monkeypatch.setattr(FakePostgres, "start", start)
    assert str(fault) in terminal.complaint("migrate")


def test_migrate_prepares_a_real_database(terminal: Terminal, empty_database: str) -> None:
    assert "applied 0001" in terminal.run("migrate", "--database-url", empty_database)
    assert "up to date" in terminal.run("migrate", "--database-url", empty_database)


# The rest


def test_version(terminal: Terminal) -> None:
    assert terminal.run("version") == version("chenu-collab") + "\n"


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), ("serve", "-h"), ("token", "--help")])
def test_help(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    assert "Usage: collab" in terminal.run(*arguments)


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    output = capsys.readouterr()
    assert "Commands:" in output.err
    assert "Error" not in output.err


def test_an_unknown_command_is_told_in_one_line(terminal: Terminal) -> None:
    assert "fly" in terminal.complaint("fly")


def test_an_interrupt_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_settings: Settings) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(supervisor, "serve", interrupted)
    assert main(["serve"]) == 130


def test_the_package_runs_as_a_module() -> None:
    root = Path(__file__).parents[2]
    finished = subprocess.run(
        [sys.executable, "-m", "server", "version"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert finished.stdout == version("chenu-collab") + "\n"


def test_a_token_is_the_json_web_token_of_the_contract(terminal: Terminal) -> None:
    """Other programs mint the same claims."""
    printed = terminal.run("token", "--user", ANNA, "--name", "Ännchen").strip()
    claims = jwt.decode(printed, options={"verify_signature": False})
    assert set(claims) == {"sub", "aud", "iat", "exp", "jti", "name"}
    assert claims["name"] == "Ännchen"
    assert jwt.get_unverified_header(printed)["alg"] == "HS256"
