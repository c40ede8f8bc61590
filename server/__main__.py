"""The command line: `collab serve`, `token`, `migrate`, `version`.

Wrong input ends with one line on standard error and status 2, never with a traceback.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from pydantic import ValidationError

from crdt_docs.access import Role
from crdt_docs.errors import Malformed
from crdt_docs.identifiers import DocumentKind, DocumentName, document_name, parse_uuid
from server.authentication import mint
from server.clock import utc_now
from server.complaints import complaint
from server.data_directory import UnusableDataDirectory, prepare_data_directory
from server.logs import configure_logging
from server.settings import Settings, describe_errors, unknown_variables
from server.signing_keys import UnusableSecret, key_source, shared_secret

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
@click.option("--dev", is_flag=True, default=None, help="Demo session, loopback only (COLLAB_DEV).")
def serve(**flags: Any) -> int:
    """Run the server until it is told to stop (SIGTERM, or Ctrl-C)."""
    settings = _settings(**flags)
    for name in unknown_variables(os.environ):
        click.echo(f"Warning: there is no setting {name}; it is ignored.", err=True)
    with _reported(settings, UnusableSecret, UnusableDataDirectory, OSError):
        prepare_data_directory(settings.data_dir)
        key_source(settings)  # now, where it is one clear line, and not in a worker
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
    from persistence import errors, migrations  # noqa: PLC0415 - the others need no database
    from persistence.ports import StorageUnavailable  # noqa: PLC0415 - same

    settings = _settings(**flags)
    configure_logging(settings)
    faults = (
        errors.DatabaseInUse,
        errors.DatabaseTooNew,
        errors.DatabaseUnusable,
        errors.EmbeddedPostgresError,
        StorageUnavailable,
        OSError,
    )
    with _reported(settings, *faults), _database(settings) as dsn:
        applied = asyncio.run(migrations.migrate(dsn))
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("nothing to do: the tables are up to date")


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
    except click.Abort:
        return 130  # Ctrl-C before there was anything to stop
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    sys.exit(main())
