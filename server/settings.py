"""Everything that can be configured, in one frozen object that is read once.

Each setting comes from the environment as `COLLAB_<NAME>`; flags of the command line go before
it. `python -m server.settings` prints the table that the README shows.
"""

from __future__ import annotations

import ipaddress
import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo

ENV_PREFIX = "COLLAB_"
MINIMUM_SECRET_BYTES = 32  # RFC 7518 §3.2: an HS256 key is at least as long as its hash

KIB = 1024
MIB = 1024 * KIB

WEB_PORTS = {"http": 80, "https": 443}


def _postgres_url(value: str) -> str:
    if urlsplit(value).scheme not in {"postgresql", "postgres"}:
        raise ValueError("must start with postgresql://")
    return value


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http:// or https:// address")
    return value


def _long_enough(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value().encode()) < MINIMUM_SECRET_BYTES:
        raise ValueError(
            f"must have at least {MINIMUM_SECRET_BYTES} bytes, for example "
            "`python3 -c 'import secrets; print(secrets.token_urlsafe(48))'`"
        )
    return value


def _json_web_key_set(value: str) -> str:
    try:
        keys = json.loads(value)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        keys = None
    if not isinstance(keys, list) or not keys:
        raise ValueError('must be a JSON Web Key Set: {"keys": [...]}')
    return value


def _origins(value: str) -> str:
    """Origins as browsers send them, or `*`; written as one, without spaces."""
    try:
        return ",".join(map(_origin, _listed(value.lower())))
    except ValueError:
        message = "must be origins such as https://app.example, separated by commas, or *"
        raise ValueError(message) from None


def _origin(text: str) -> str:
    """One of them: browsers leave out the port that is the scheme's own.

    Raises:
        ValueError: it is none.
    """
    if text == "*":
        return text
    parts = urlsplit(text)
    host = parts.hostname
    if not host or parts.scheme not in WEB_PORTS:
        raise ValueError
    bare = f"{parts.scheme}://[{host}]" if ":" in host else f"{parts.scheme}://{host}"
    whole = bare if parts.port is None else f"{bare}:{parts.port}"
    if text != whole:
        raise ValueError
    return bare if parts.port == WEB_PORTS[parts.scheme] else whole


def _networks(value: str) -> str:
    """IP addresses and networks; written as one, without spaces."""
    networks = _listed(value)
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            message = "must be addresses or networks such as 10.0.0.0/8, separated by commas"
            raise ValueError(message) from None
    return ",".join(networks)


def _listed(value: str) -> list[str]:
    return [each for each in map(str.strip, value.split(",")) if each]


Bytes = Annotated[ByteSize, Field(gt=0), PlainSerializer(int)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]
Days = Annotated[float, Field(ge=0, le=36_500, allow_inf_nan=False)]


class Settings(BaseModel):
    """How this server runs. Sizes take a plain number of bytes or a unit, as in `4MiB`."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,  # an input may be a secret, and errors are printed
    )

    def __init__(self, **given: Any) -> None:
        """What is given, then what the environment says."""
        super().__init__(**(_given_by(os.environ) | given))

    # Where it listens and what it keeps.
    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(
        default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one."
    )
    data_dir: Path = Field(
        default=Path(".collab"),
        description="Directory of the embedded database, the generated secret and the demo.",
    )
    database_url: Annotated[str, AfterValidator(_postgres_url)] | None = Field(
        default=None,
        repr=False,
        description="PostgreSQL to use, `postgresql://…`; without it the embedded one is started.",
    )
    database_pool_size: Annotated[int, Field(ge=3)] = Field(
        default=10,
        description=(
            "Most connections to the database; one of them stores edits, another asks who may"
            " come in."
        ),
    )
    dev: bool = Field(
        default=False,
        description="Development: makes a demo session, prints its addresses, loopback only.",
    )

    # Who may come in.
    jwt_secret: Annotated[SecretStr, AfterValidator(_long_enough)] | None = Field(
        default=None,
        description="Secret that signs tokens (HS256), at least 32 bytes. Without it and without "
        "a key set, one is generated once into the data directory.",
    )
    jwt_jwks_url: Annotated[str, AfterValidator(_http_url)] | None = Field(
        default=None,
        description="Address of the issuer's JSON Web Key Set (RS256, ES256, EdDSA); replaces "
        "the secret.",
    )
    jwt_jwks: Annotated[str, AfterValidator(_json_web_key_set)] | None = Field(
        default=None,
        repr=False,
        description="The issuer's JSON Web Key Set itself, as JSON; replaces the secret.",
    )
    jwt_audience: str = Field(
        default="chenu-collab", min_length=1, description="What a token's `aud` must name."
    )
    jwt_leeway: float = Field(
        default=10.0,
        ge=0,
        le=300,
        allow_inf_nan=False,
        description="Seconds by which the issuer's clock may be ahead of ours (`iat`, `nbf`). "
        "An expiry is never stretched.",
    )

    allowed_origins: Annotated[str, AfterValidator(_origins)] = Field(
        default="",
        description="Origins whose pages may use this server, separated by commas, besides its "
        "own; `*`: all. The development mode adds those of this machine.",
    )
    trusted_proxies: Annotated[str, AfterValidator(_networks)] = Field(
        default="",
        description="Addresses and networks of proxies whose `X-Forwarded-For` and "
        "`X-Forwarded-Proto` are believed, separated by commas.",
    )
    ssl_certfile: Path | None = Field(
        default=None, description="Certificate chain (PEM): serve https and wss."
    )
    ssl_keyfile: Path | None = Field(
        default=None, description="Its private key (PEM); without it, it is in the first file."
    )

    # How much one user, or one address, may ask for. A service's token is exempt.
    auth_per_minute: Count = Field(
        default=10,
        description="Attempts to authenticate, of a user or from an address, before 429.",
    )
    reads_per_minute: Count = Field(
        default=1_000, description="REST requests of a user that read, before 429."
    )
    writes_per_minute: Count = Field(
        default=100, description="REST requests of a user that change something, before 429."
    )
    connections_per_user: Count = Field(
        default=10, description="WebSockets of a user at once; others are closed with 4503."
    )
    messages_per_second: Count = Field(
        default=300, description="Messages of a user over all sockets; faster ones end in 4503."
    )
    bytes_per_second: Bytes = Field(
        default=ByteSize(MIB), description="Bytes of messages of a user, likewise."
    )
    burst_seconds: Seconds = Field(
        default=3.0,
        description="So many seconds' worth of messages and bytes may come at once; of bytes, "
        "the largest frame besides.",
    )
    rooms_per_minute: Count = Field(
        default=120, description="Rooms that a user may enter, before 4503."
    )
    handshakes_per_minute: Count = Field(
        default=300,
        description="WebSocket handshakes from an address, before 4503; at twice as many they "
        "are cut off.",
    )
    connections_per_address: Count = Field(
        default=1_000, description="Connections from an address at once; more are cut off."
    )
    max_connections: Count = Field(
        default=10_000, description="WebSockets at once; others are closed with 4503."
    )

    # How long one may take.
    header_seconds: Seconds = Field(default=10.0, description="Time to send the head of a request.")
    stall_seconds: Seconds = Field(
        default=10.0,
        description="Time after which what was begun, a body or a message, must have come at "
        "the least rate.",
    )
    least_bytes_per_second: Bytes = Field(
        default=ByteSize(500), description="The least rate at which bodies and messages may come."
    )
    keep_alive_seconds: Count = Field(
        default=30, description="Time for which an idle HTTP connection is kept."
    )

    # What one client may send.
    max_frame_bytes: Bytes = Field(
        default=ByteSize(4 * MIB), description="Largest WebSocket frame."
    )
    max_document_bytes: Bytes = Field(
        default=ByteSize(64 * MIB),
        description="Largest encoded document; also the largest first synchronisation.",
    )
    max_objects: Count = Field(
        default=100_000, description="Most objects of a session, and most annotations."
    )
    max_client_ids: Count = Field(
        default=50_000, description="Most Yjs client ids in one document."
    )
    max_blind_writes: Count = Field(
        default=14_000,
        description="Most edits of one place in a document that did not see one another.",
    )
    max_structs_per_update: Count = Field(
        default=200_000,
        description="Most structs in one update; to look at one takes about 500 bytes of memory.",
    )
    max_nesting: int = Field(
        default=100, gt=0, le=200, description="Most levels of shared types inside one another."
    )
    max_awareness_bytes: Bytes = Field(
        default=ByteSize(16 * KIB), description="Largest presence state of one client."
    )
    max_awareness_ids_per_connection: Count = Field(
        default=16, description="Most client ids whose presence one connection may carry."
    )
    max_documents_per_socket: Count = Field(
        default=64, description="Most documents a Hocuspocus client may open on one socket."
    )
    max_body_bytes: Bytes = Field(
        default=ByteSize(MIB), description="Largest body of a REST request."
    )
    max_participants: Count = Field(
        default=1_000,
        description="Most participants a session may allow, and what it allows by default.",
    )

    access_token_minutes: Annotated[float, Field(gt=0, le=1440, allow_inf_nan=False)] = Field(
        default=15.0, description="How long an access token lasts that this server mints."
    )
    refresh_token_days: Annotated[float, Field(gt=0, le=3650, allow_inf_nan=False)] = Field(
        default=30.0,
        description="How long a refresh token may lie unused; also how long it is remembered "
        "that a user's tokens were revoked.",
    )
    permission_check_seconds: Seconds = Field(
        default=30.0,
        description="How often the rows that decide about people who are connected are read "
        "again, as a backend may change them by SQL.",
    )

    # How rooms live.
    update_interval: Seconds = Field(
        default=0.008, description="Most seconds between document broadcasts of a paced room."
    )
    update_budget: Count = Field(
        default=12_500,
        description="Document frames a second one room may send, over all its members, before "
        "it waits as long as that.",
    )
    updates_at_once: Count = Field(
        default=50_000,
        description="Document frames a second, of all rooms of a worker, up to which no edit "
        "waits; from half as many more on, edits wait as said above.",
    )
    presence_interval: Seconds = Field(
        default=1 / 30, description="Seconds between presence broadcasts of a paced room."
    )
    presence_budget: Count = Field(
        default=6_000,
        description="Presence frames a second one room may send, over all its members.",
    )
    presence_at_once: Count = Field(
        default=60_000,
        description="Frames of either kind a second, of all rooms of a worker, up to which no "
        "presence waits; from half as many more on, it waits as said above.",
    )
    pacing_threshold: Count = Field(
        default=8, description="Members from which a room's broadcasts are paced."
    )
    pose_rate: Annotated[int, Field(ge=1, le=120)] = Field(
        default=30, description="Frames a second in which a room of headsets is told of poses."
    )
    pose_small_rate: Annotated[int, Field(ge=1, le=120)] = Field(
        default=60, description="The same in a small room."
    )
    pose_small_room: Count = Field(
        default=8, description="Headsets up to which a room is a small one."
    )
    pose_shared_up_to: Count = Field(
        default=50,
        description="Headsets up to which all are sent the same frame; above, each has its own, "
        "by who is near.",
    )
    pose_near: Count = Field(
        default=24, description="How many of the nearest one is then told of at full rate."
    )
    pose_middle: Count = Field(
        default=32, description="How many more at half of it; everybody else comes at 3 Hz."
    )
    keepalive_seconds: Seconds = Field(
        default=20.0,
        description="A socket that was sent nothing for so long gets an empty message.",
    )
    slow_member_seconds: Seconds = Field(
        default=60.0, description="A client that stays behind for so long is closed with 4503."
    )
    room_idle_seconds: Seconds = Field(
        default=60.0, description="A room nobody is in leaves memory after so long."
    )

    # How edits reach the database.
    journal_interval: Seconds = Field(
        default=0.015, description="Seconds over which edits are gathered into one commit."
    )
    journal_backlog_bytes: Bytes = Field(
        default=ByteSize(64 * MIB),
        description="Edits waiting for the database; at this size writers are closed with 4503.",
    )
    snapshot_every_updates: Count = Field(
        default=500, description="Updates of a document after which a new snapshot is stored."
    )
    snapshot_every_bytes: Bytes = Field(
        default=ByteSize(MIB), description="Bytes of updates after which a new snapshot is stored."
    )
    delete_grace_days: float = Field(
        default=30.0,
        ge=0,
        allow_inf_nan=False,
        description="Days before a deleted session's contents go.",
    )
    audit_retention_days: Days = Field(
        default=365.0,
        description="Days for which the audit trail is kept, in whole months. 0 keeps it for ever.",
    )
    user_sessions_retention_days: Days = Field(
        default=90.0,
        description="Days for which it is kept who was connected. 0 keeps it for ever.",
    )
    log_retention_days: Days = Field(
        default=90.0,
        description="Days for which every edit is kept by itself; of older days the last state "
        "stays, and named snapshots. 0 keeps every edit for ever.",
    )

    # How the process behaves.
    heartbeat_timeout: Seconds = Field(
        default=2.0, description="A worker silent for so many seconds is replaced."
    )
    shutdown_seconds: Seconds = Field(
        default=10.0, description="Time a graceful stop may take: flush, say goodbye, exit."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="Least important messages logged: debug, info, warning or error.",
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto",
        description="`json`, one object a line; `console`, for people; or `auto`: for people in "
        "the development mode on a terminal, else JSON.",
    )

    @model_validator(mode="after")
    def _one_kind_of_key(self) -> Settings:
        """Two kinds of key at once would let a token choose how it is checked."""
        given = [
            name
            for name in ("jwt_secret", "jwt_jwks_url", "jwt_jwks")
            if getattr(self, name) is not None
        ]
        if len(given) > 1:
            names = " and ".join(variable(name) for name in given)
            raise ValueError(f"{names} exclude one another: set one of them")
        return self

    @model_validator(mode="after")
    def _development_is_local(self) -> Settings:
        if self.dev and not is_loopback(self.host):
            raise ValueError(
                "the development mode listens on loopback only: leave out the host, "
                "or run without the development mode"
            )
        return self

    @model_validator(mode="after")
    def _a_key_has_a_certificate(self) -> Settings:
        if self.ssl_keyfile is not None and self.ssl_certfile is None:
            names = f"{variable('ssl_keyfile')} needs {variable('ssl_certfile')}"
            raise ValueError(f"{names}: a key alone identifies nobody")
        return self

    @property
    def uses_tls(self) -> bool:
        """Served as https and wss."""
        return self.ssl_certfile is not None

    @property
    def origins(self) -> frozenset[str]:
        """`allowed_origins`, one by one."""
        return frozenset(_listed(self.allowed_origins))

    @property
    def proxies(self) -> tuple[str, ...]:
        """`trusted_proxies`, one by one."""
        return tuple(_listed(self.trusted_proxies))

    @property
    def uses_secret(self) -> bool:
        """Tokens are checked with a shared secret, given or generated; not with a key set."""
        return self.jwt_jwks_url is None and self.jwt_jwks is None

    def environment(self) -> dict[str, str]:
        """These settings as environment variables, secrets in clear: for a process of ours.

        `Settings()` in an environment of these variables equals this object.
        """
        values = self.model_dump(mode="python", exclude_none=True)
        return {variable(name): _as_text(value) for name, value in values.items()}


def _given_by(environ: Mapping[str, str]) -> dict[str, str]:
    """The settings of an environment, by their names; variables may be written in small letters,
    and the usual spelling goes first.

    An empty one counts as none: compose files pass on variables that nobody set as such.
    """
    found = {name: value for name, value in environ.items() if value}
    given = {name.upper(): value for name, value in found.items()} | found
    names = [name for name in Settings.model_fields if variable(name) in given]
    return {name: given[variable(name)] for name in names}


def names_key_set() -> bool:
    """Whether the environment names a key set: then public keys check tokens, and no secret."""
    return not {"jwt_jwks", "jwt_jwks_url"}.isdisjoint(_given_by(os.environ))


def _as_text(value: object) -> str:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value)  # the shortest text that reads back as the same number
        case _:
            return str(value)


def is_ours(name: str) -> bool:
    """Whether an environment variable has our prefix, in whatever letters."""
    return name.upper().startswith(ENV_PREFIX)


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return ENV_PREFIX + name.upper()


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def describe_errors(error: ValidationError) -> str:
    """What is wrong with the settings, in one line, without any value that was given."""
    problems = []
    for detail in error.errors(include_url=False, include_input=False, include_context=False):
        message = detail["msg"].removeprefix("Value error, ")
        where = variable(str(detail["loc"][0])) + ": " if detail["loc"] else ""
        problems.append(where + message)
    return "; ".join(problems)


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Variables with our prefix that no setting reads: most likely spelling mistakes."""
    known = {variable(name) for name in Settings.model_fields}
    return sorted(name for name in environ if is_ours(name) and name.upper() not in known)


def settings_table() -> str:
    """Every setting as a Markdown table: variable, default, meaning."""
    rows = [
        f"| `{variable(name)}` | {_default_text(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| Variable | Default | Meaning |", "|---|---|---|", *rows])


def _default_text(field: FieldInfo) -> str:
    default: Any = field.default
    if default is None or default == "":
        return "none"
    if isinstance(default, ByteSize):
        return f"`{_size_text(default)}`"
    if isinstance(default, float):
        return f"`{default:.3g}`"
    return f"`{_as_text(default)}`"


def _size_text(size: int) -> str:
    units: Iterable[tuple[str, int]] = (("MiB", MIB), ("KiB", KIB))
    for unit, factor in units:
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


if __name__ == "__main__":
    sys.stdout.write(settings_table() + "\n")
