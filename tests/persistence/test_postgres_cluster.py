"""Files and rights of the embedded PostgreSQL. How it starts is `test_embedded_postgres`."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from persistence import postgres_cluster
from persistence.errors import EmbeddedPostgresError
from persistence.postgres_cluster import (
    SystemUser,
    clean_environment,
    grant_search,
    publish,
    system_user,
    write_private,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_search_permission_is_granted_and_said(tmp_path: Path) -> None:
    """Somebody who passes through may neither list nor read what lies beside the way."""
    private, inner, target = tmp_path / "private", tmp_path / "private/inner", "data"
    inner.mkdir(parents=True)
    private.chmod(0o700)
    inner.chmod(0o750)
    with capture_logs() as logs:
        grant_search(inner / target)
    assert mode(private) == 0o701
    assert mode(inner) == 0o751
    said = [entry["directory"] for entry in logs]
    assert said[:2] == [str(inner), str(private)]
    with capture_logs() as logs:
        grant_search(inner / target)
    assert logs == []


def test_program_files_that_a_strict_umask_hid_are_opened(tmp_path: Path) -> None:
    files = tmp_path / "pginstall"
    (files / "bin").mkdir(parents=True)
    program, data, link = files / "bin/postgres", files / "data", files / "link"
    program.touch()
    data.touch()
    link.symlink_to("nowhere")
    for path, rights in [(program, 0o700), (data, 0o600), (files / "bin", 0o700), (files, 0o700)]:
        path.chmod(rights)
    with capture_logs() as logs:
        publish(files)
        publish(files)
    assert mode(files) == mode(files / "bin") == mode(program) == 0o705
    assert mode(data) == 0o604
    assert len(logs) == 1


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    (tmp_path / "secret.new").write_text("of an interrupted attempt")
    write_private(path, "new")
    assert path.read_text() == "new"
    assert mode(path) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_the_environment_of_the_caller_does_not_reach_postgres(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGDATA", "/elsewhere")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/elsewhere")
    assert set(clean_environment()) == {"PATH", "LC_ALL", "TZ"}


def test_an_ordinary_user_runs_it_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert system_user() == SystemUser()


def test_a_user_that_cannot_be_made_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise subprocess.CalledProcessError(1, ["useradd", name])

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres_cluster, "ensure_user_exists", refuse)
    monkeypatch.setattr(postgres_cluster, "SYSTEM_USER", "nobody-we-know")
    with pytest.raises(EmbeddedPostgresError, match="'nobody-we-know' cannot be made"):
        system_user()


def test_a_user_that_another_process_made_meanwhile_will_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(name: str) -> None:
        raise subprocess.CalledProcessError(9, ["useradd", name])

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres_cluster, "ensure_user_exists", refuse)
    monkeypatch.setattr(postgres_cluster, "SYSTEM_USER", "nobody")
    assert system_user().name == "nobody"
