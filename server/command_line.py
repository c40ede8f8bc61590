"""The command line: `collab serve`, `token`, `migrate`, `verify`, `rebuild`, `export`,
`import`, `personal-data`, `forget`, `version`.

Wrong input ends with one line on standard error and status 2, never with a traceback.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from importlib.metadata import version as package_version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click
from pydantic import ValidationError

from crdt_docs.access import Role
from crdt_docs.errors import Malformed
from crdt_docs.identifiers import (
    DocumentKind,
    DocumentName,
    document_name,
    id_of,
    kind_of,
    parse_uuid,
)
from server.clock import utc_now
from server.complaints import complaint
from server.data_directory import UnusableDataDirectory, prepare_data_directory
from server.logs import configure_logging
from server.settings import Settings, describe_errors, unknown_variables
from server.signing_keys import UnusableSecret, key_source, shared_secret
from server.tls import Certificate, UnusableCertificate

if TYPE_CHECKING:
    from server.transfer import Transferred

BAD_INPUT = 2  # exit status, as of click's own usage errors
LONGEST_LIFETIME = 10 * 365 * 24 * 3600  # seconds


class _PortType(click.ParamType[int]):
    name = "port"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        text = str(value)
        if len(text) > 5 or not text.isdecimal() or int(text) > 65535:
            self.fail(f"{text!r} is no port: give a number from 0 to 65535", param, ctx)
        return int(text)


class _UuidType(click.ParamType[UUID]):
    name = "uuid"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> UUID:
        try:
            return parse_uuid(str(value))
        except Malformed as error:
            self.fail(str(error), param, ctx)


class _GrantType(click.ParamType[tuple[DocumentName, Role]]):
    """`ocw/<uuid>=<role>`."""

    name = "kind/uuid=role"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[DocumentName, Role]:
        document, _, role = str(value).partition("=")
        kind, _, identifier = document.partition("/")
        try:
            return document_name(DocumentKind(kind), parse_uuid(identifier)), Role(role)
        except (ValueError, Malformed):
            roles = "|".join(Role)
            self.fail(f"a grant is ocw/<uuid>=<role>, with the role one of {roles}", param, ctx)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Real-time collaboration server for Yjs documents.

    Every setting is also an environment variable, COLLAB_<NAME>; flags go first. The README
    lists them all.
    """


_data_dir = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory of the embedded database and the secret (COLLAB_DATA_DIR).  [.collab]",
)
_database_url = click.option(
    "--database-url",
    help="PostgreSQL to use instead of the embedded one (COLLAB_DATABASE_URL).",
)


@cli.command()
@click.option("--host", help="Address to listen on (COLLAB_HOST).  [127.0.0.1]")
@click.option("--port", type=_PortType(), help="Port to listen on (COLLAB_PORT).  [8000]")
@_data_dir
@_database_url
@click.option(
    "--ssl-certfile",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Certificate chain, PEM: serve https and wss (COLLAB_SSL_CERTFILE).",
)
@click.option(
    "--ssl-keyfile",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Its private key, PEM (COLLAB_SSL_KEYFILE).",
)
@click.option("--dev", is_flag=True, default=None, help="Demo session, loopback only (COLLAB_DEV).")
def serve(**flags: Any) -> int:
    """Run the server until it is told to stop (SIGTERM, or Ctrl-C)."""
    settings = _settings(**flags)
    for name in unknown_variables(os.environ):
        click.echo(f"Warning: there is no setting {name}; it is ignored.", err=True)
    faults = (UnusableSecret, UnusableDataDirectory, UnusableCertificate, OSError)
    with _reported(settings, *faults):
        Certificate.of(settings)  # now, where it is one clear line, and not in a worker
        prepare_data_directory(settings.data_dir)
        key_source(settings)  # the same
    from server import supervisor  # noqa: PLC0415 - the other commands need none of it

    return supervisor.serve(settings)


@cli.command()
@click.option("--user", required=True, type=_UuidType(), help="Whose token it is: their id.")
@click.option("--name", help="Name shown to others.")
@click.option(
    "--ttl",
    type=click.IntRange(1, LONGEST_LIFETIME),
    default=3600,
    show_default=True,
    help="Seconds until it expires.",
)
@click.option("--service", is_flag=True, help="A backend service: acts as host.")
@click.option(
    "--grant",
    "grants",
    multiple=True,
    type=_GrantType(),
    help="Role in one document, as ocw/<uuid>=editor; may be repeated.",
)
@click.option(
    "--workspace",
    "workspaces",
    multiple=True,
    type=_UuidType(),
    help="Workspace they may create sessions in; may be repeated.",
)
@_data_dir
def token(
    user: UUID,
    name: str | None,
    ttl: int,
    *,
    service: bool,
    grants: tuple[tuple[DocumentName, Role], ...],
    workspaces: tuple[UUID, ...],
    data_dir: Path | None,
) -> None:
    """Print a token, signed with the secret (COLLAB_JWT_SECRET, else the data directory's)."""
    from server.authentication import mint  # noqa: PLC0415 - who supervises needs none of it

    settings = _settings(data_dir=data_dir)
    with _reported(settings, UnusableSecret, UnusableDataDirectory, OSError):
        secret = shared_secret(settings)
    click.echo(
        mint(
            secret,
            user,
            name=name,
            lifetime=timedelta(seconds=ttl),
            now=utc_now(),
            is_service=service,
            workspaces=workspaces,
            grants=dict(grants),
            audience=settings.jwt_audience,
        )
    )


@cli.command()
@_data_dir
@_database_url
def migrate(**flags: Any) -> None:
    """Bring the database's tables up to date, and say what was done."""
    from persistence import migrations  # noqa: PLC0415 - most commands need no database

    settings = _settings(**flags)
    configure_logging(settings)
    with _reported(settings, *_database_faults()), _database(settings) as dsn:
        applied = asyncio.run(migrations.migrate(dsn))
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("nothing to do: the tables are up to date")


_sessions = click.argument("sessions", nargs=-1, type=_UuidType(), metavar="[SESSION]...")
_whole_log = click.option(
    "--whole-log",
    is_flag=True,
    help="Also go through the whole log, and compare all of the history with it.",
)


@cli.command()
@_sessions
@_whole_log
@click.option("--json", "as_json", is_flag=True, help="Print JSON, an object a line.")
@_data_dir
@_database_url
def verify(sessions: tuple[UUID, ...], *, whole_log: bool, as_json: bool, **flags: Any) -> int:
    """Compare the rows of objects with the documents they come from.

    Of all sessions, unless some are named; the server may be running. Every finding is a line, and
    the exit status is 1 if anything differs.
    """
    from server import upkeep  # noqa: PLC0415 - see migrate
    from server.findings import Finding  # noqa: PLC0415 - same

    def tell(finding: Finding) -> None:
        click.echo(json.dumps(finding.as_dict()) if as_json else str(finding))

    settings = _settings(**flags)
    configure_logging(settings)
    faults = (*_database_faults(), upkeep.UnknownSession)
    with _reported(settings, *faults), _database_beside(settings) as dsn:
        closed = upkeep.ClosedDocuments(settings.data_dir)
        counts = asyncio.run(
            upkeep.verify_sessions(dsn, sessions, closed=closed, whole_log=whole_log, tell=tell)
        )
    click.echo(json.dumps(counts.as_dict()) if as_json else str(counts))
    return 1 if counts.findings else 0


@cli.command()
@_sessions
@_whole_log
@_data_dir
@_database_url
def rebuild(sessions: tuple[UUID, ...], *, whole_log: bool, **flags: Any) -> int:
    """Make the rows of objects equal to the documents they come from.

    Of all sessions, unless some are named; the server must be stopped. Where rows differ, they and
    their history are made anew from the log. History that is older than the log is kept.
    """
    from server import upkeep  # noqa: PLC0415 - see migrate

    settings = _settings(**flags)
    configure_logging(settings)
    faults = (*_database_faults(), upkeep.UnknownSession)
    with _reported(settings, *faults), _existing_database(settings) as dsn:
        closed = upkeep.ClosedDocuments(settings.data_dir)
        counts = asyncio.run(
            upkeep.rebuild_sessions(
                dsn, sessions, closed=closed, whole_log=whole_log, tell=click.echo
            )
        )
    click.echo(str(counts))
    return 1 if counts.left else 0


@cli.command("export")
@click.argument("session", type=_UuidType())
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write; one that is there is replaced.",
)
@_data_dir
@_database_url
def export_command(session: UUID, output: Path, **flags: Any) -> None:
    """Write a whole SESSION, or XR room, to a file: document, log, history, people.

    A server may run.
    """
    from server import transfer  # noqa: PLC0415 - see migrate

    settings = _settings(**flags)
    configure_logging(settings)
    faults = (*_database_faults(), transfer.NoSuchPlace)
    with _reported(settings, *faults), _database_beside(settings) as dsn:
        done = asyncio.run(transfer.export_place(dsn, session, output, now=utc_now()))
    click.echo(f"exported {_transferred(done)}")


@cli.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--id", "session", type=_UuidType(), help="Id of the new session or room.  [that in FILE]"
)
@click.option("--replace", is_flag=True, help="Remove what has this id. No server may run.")
@click.option(
    "--trusted",
    is_flag=True,
    help="Take also what would be refused from a client: the file is of a server like this one.",
)
@_data_dir
@_database_url
def import_command(
    file: Path, session: UUID | None, *, replace: bool, trusted: bool, **flags: Any
) -> None:
    """Make a session, or XR room, of a FILE that `collab export` wrote; all of it or nothing."""
    from persistence.session_transfer import ContentRefused, PlaceExists  # noqa: PLC0415 - same
    from server import transfer  # noqa: PLC0415 - same
    from server.app import document_limits  # noqa: PLC0415 - same

    settings = _settings(**flags)
    configure_logging(settings)
    faults = (*_database_faults(), Malformed, ContentRefused, PlaceExists)
    with _reported(settings, *faults), _database_to_fill(settings) as dsn:
        done = asyncio.run(
            transfer.import_place(
                dsn,
                file,
                place_id=session,
                replace=replace,
                is_trusted=trusted,
                limits=document_limits(settings),
            )
        )
    click.echo(f"imported {_transferred(done)}")


def _transferred(done: Transferred) -> str:
    numbers = ", ".join(f"{kind} {count}" for kind, count in done.counts.items() if count)
    return f"{done.what} {done.place_id} ({numbers})"


_person = click.argument("user", type=_UuidType())


@cli.command("personal-data")
@_person
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write instead of standard output; one that is there is replaced.",
)
@_data_dir
@_database_url
def personal_data(user: UUID, output: Path | None, **flags: Any) -> None:
    """Print all that is held about a USER as JSON, less what they wrote. A server may run."""
    from server import privacy_commands  # noqa: PLC0415 - see migrate

    settings = _settings(**flags)
    configure_logging(settings)
    with (
        _reported(settings, *_database_faults()),
        _database_beside(settings) as dsn,
        ExitStack() as stack,
    ):
        file = stack.enter_context(output.open("wb")) if output else sys.stdout.buffer
        asyncio.run(privacy_commands.write_personal_data(dsn, user, file.write))
        file.flush()


@cli.command()
@_person
@_data_dir
@_database_url
def forget(user: UUID, **flags: Any) -> None:
    """Forget a USER: take them out of everything but what they wrote.

    The server must be stopped; one that runs does it for DELETE /api/privacy/users/USER.
    """
    from server import privacy_commands  # noqa: PLC0415 - see migrate

    settings = _settings(**flags)
    configure_logging(settings)
    tokens_for = timedelta(days=settings.refresh_token_days)
    with _reported(settings, *_database_faults()), _existing_database(settings) as dsn:
        done = asyncio.run(privacy_commands.forget_person(dsn, user, tokens_for=tokens_for))
    rows = ", ".join(f"{table} {count}" for table, count in sorted(done.rows.items()))
    click.echo(f"forgotten in {done.documents} documents ({rows or 'nothing was held'})")
    for document in done.mentioned_in:
        of = "session" if kind_of(document) is DocumentKind.OCW else "room"
        click.echo(f"what people wrote in {of} {id_of(document)} names them still")


@cli.command()
def version() -> None:
    """Print the version."""
    click.echo(package_version("chenu-collab"))


@contextmanager
def _database(settings: Settings) -> Iterator[str]:
    """The address of the database; the embedded one runs for as long as this lasts."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    from persistence.embedded_postgres import EmbeddedPostgres  # noqa: PLC0415 - see migrate

    database = EmbeddedPostgres(settings.data_dir)
    dsn = database.start()
    try:
        yield dsn
    finally:
        database.stop()


@contextmanager
def _existing_database(settings: Settings) -> Iterator[str]:
    """The same, but none is made where none is.

    Raises:
        DatabaseUnusable: there is none.
    """
    from persistence.errors import DatabaseUnusable  # noqa: PLC0415 - see migrate

    if settings.database_url is None and not (settings.data_dir / "postgres").exists():
        raise DatabaseUnusable(f"there is no database in {settings.data_dir}")
    with _database(settings) as dsn:
        yield dsn


@contextmanager
def _database_beside(settings: Settings) -> Iterator[str]:
    """The same, also that of a server which is running."""
    from persistence.errors import DatabaseInUse  # noqa: PLC0415 - see migrate
    from persistence.running_postgres import running_dsn  # noqa: PLC0415 - same

    running = running_dsn(settings.data_dir) if settings.database_url is None else None
    if running is None:
        with ExitStack() as stack:
            try:
                dsn = stack.enter_context(_existing_database(settings))
            except DatabaseInUse:  # a server that is just starting, or was when we looked
                dsn = running_dsn(settings.data_dir) or ""
                if not dsn:
                    raise
            yield dsn
    else:
        yield running


def _database_faults() -> tuple[type[Exception], ...]:
    """What may be wrong with a database, as one line says it."""
    from persistence import errors  # noqa: PLC0415 - see migrate

    return (
        errors.DatabaseInUse,
        errors.DatabaseTooNew,
        errors.DatabaseUnusable,
        errors.EmbeddedPostgresError,
        errors.StorageUnavailable,
        OSError,
    )


@contextmanager
def _database_to_fill(settings: Settings) -> Iterator[str]:
    """The same, and where there is none it is made, with its tables."""
    from persistence import migrations  # noqa: PLC0415 - see migrate

    if settings.database_url is None and not (settings.data_dir / "postgres").exists():
        with _database(settings) as dsn:
            asyncio.run(migrations.migrate(dsn))
            yield dsn
    else:
        with _database_beside(settings) as dsn:
            yield dsn


@contextmanager
def _reported(settings: Settings, *faults: type[Exception]) -> Iterator[None]:
    """Turn these faults into one line and exit status 2."""
    try:
        yield
    except faults as error:
        raise click.UsageError(complaint(error, settings)) from None


def _settings(**flags: Any) -> Settings:
    """The settings of the environment, with the flags that were given before them."""
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise click.UsageError(describe_errors(error)) from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    try:
        result = cli.main(arguments, prog_name="collab", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return BAD_INPUT
    except click.ClickException as error:
        click.echo(f"Error: {error.format_message()}", err=True)
        return BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        return 130  # Ctrl-C, and nothing that has to be stopped in good order
    return result if isinstance(result, int) else 0
