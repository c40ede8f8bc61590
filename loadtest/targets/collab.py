"""This server: started here as its users start it, or a service that runs somewhere.

People of a run all come from one address. What this server counts of addresses is lifted where it
is started here; what it counts of users is not, because everybody is a user of their own, and
nobody real may do more. For a service that runs, `ADDRESS_LIMITS` says what its operator sets for
the time of the test; whoever is refused all the same is counted under 4503.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import httpx
import jwt
import psutil

from loadtest import processes
from loadtest.plan import Plan
from loadtest.seat import Seat
from loadtest.targets.child import Child, plain_environment
from loadtest.targets.collab_rooms import Issuer, Person, Rest, open_rooms, seats_in
from loadtest.targets.target import CannotRun, Casting, ServerPids

NAME = "collab"
AUDIENCE = "chenu-collab"
SERVICE_SECONDS = 7 * 86_400.0

ADDRESS_LIMITS = {
    "COLLAB_HANDSHAKES_PER_MINUTE": "1000000",
    "COLLAB_CONNECTIONS_PER_ADDRESS": "1000000",
    "COLLAB_MAX_CONNECTIONS": "1000000",
}
"""Settings under which a crowd may come from one address."""

QUIET = {"COLLAB_LOG_LEVEL": "warning", "COLLAB_MAX_PARTICIPANTS": "100000"}


class Collab:
    """`collab serve` on a free port, with an embedded database in a directory that goes.

    Args:
        port: 0 takes a free one.
        environment: further settings, as `COLLAB_…` variables.
        keeps_limits: what is counted of addresses has its ordinary limits, too.
    """

    name = NAME
    acknowledges = True

    def __init__(
        self,
        port: int = 0,
        environment: Mapping[str, str] | None = None,
        *,
        keeps_limits: bool = False,
    ) -> None:
        self._port = port or processes.free_port()
        lifted = {} if keeps_limits else ADDRESS_LIMITS
        self._secret = secrets.token_urlsafe(48)
        own = {**QUIET, **lifted, "COLLAB_JWT_SECRET": self._secret, **(environment or {})}
        self._child = Child(
            "collab serve",
            self._command,
            self._is_ready,
            environment={**plain_environment(), **own},
        )

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def version(self) -> str:
        """What its health says."""
        return version_of(self.url)

    @property
    def service_token(self) -> str:
        """A service's token: it makes sessions and other tokens."""
        return self._sign(Person(uuid4(), "Load test", {}, SERVICE_SECONDS), scope="service")

    @property
    def pids(self) -> ServerPids:
        """Its worker; supervisor and database beside it."""
        found = self._child.processes()
        workers = tuple(each.pid for each in found[1:] if _is_python(each))[:1]
        return ServerPids(workers, tuple(each.pid for each in found if each.pid not in workers))

    def __enter__(self) -> Self:
        self._child.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._child.__exit__(kind, error, traceback)

    def _command(self, directory: Path) -> list[str]:
        collab = str(Path(sys.executable).with_name("collab"))
        return [collab, "serve", "--port", str(self._port), "--data-dir", str(directory / "data")]

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/api/health/ready", timeout=5.0).is_success
        except httpx.TransportError:
            return False

    def seats(self, plan: Plan, scenario: Casting) -> list[Seat]:
        """Places in new rooms."""
        return make_seats(self.url, self.service_token, plan, scenario, self._sign)

    def _sign(self, person: Person, **claims: str) -> str:
        now = time.time()
        content = {
            "sub": str(person.user),
            "aud": AUDIENCE,
            "iat": int(now),
            "exp": int(now + person.seconds),
            "jti": str(uuid4()),
            "name": person.name,
            "grants": dict(person.grants),
        }
        return jwt.encode({**content, **claims}, self._secret, algorithm="HS256")


class CollabService:
    """This server where it already runs.

    Args:
        url: `http://host:port`.
        token: a service's, not bound to workspaces: it makes rooms and people's tokens.
    """

    name = NAME
    acknowledges = True
    pids = ServerPids()

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._token = token

    @property
    def version(self) -> str:
        """What its health says."""
        return version_of(self.url)

    def __enter__(self) -> Self:
        version_of(self.url)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def seats(self, plan: Plan, scenario: Casting) -> list[Seat]:
        """Places in new rooms."""
        rest = Rest(self.url, self._token)
        try:
            issue = _asking(rest)
            return make_seats(self.url, self._token, plan, scenario, issue)
        finally:
            rest.close()


def make_seats(
    url: str, service_token: str, plan: Plan, scenario: Casting, issue: Issuer
) -> list[Seat]:
    """Open rooms, and give everybody a place."""
    rest = Rest(url, service_token)
    try:
        rooms = open_rooms(rest, plan, scenario)
        return seats_in(rooms, plan, scenario, url=url, issue=issue, service_token=service_token)
    finally:
        rest.close()


def version_of(url: str) -> str:
    """What a server of ours says its version is.

    Raises:
        CannotRun: nobody is there, or somebody else.
    """
    try:
        answer = httpx.get(f"{url}/api/health", timeout=10.0)
        answer.raise_for_status()
        return str(answer.json()["data"]["version"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise CannotRun(f"no server of this kind answers at {url}: {error!r}") from error


def _asking(rest: Rest) -> Issuer:
    def issue(person: Person) -> str:
        body = {
            "user_id": str(person.user),
            "name": person.name,
            "grants": dict(person.grants),
        }
        issued = rest.post("/auth/token", body)
        token = str(issued["access_token"])
        _check_lasts(token, person.seconds)
        return token

    return issue


def _check_lasts(token: str, seconds: float) -> None:
    expires = jwt.decode(token, options={"verify_signature": False})["exp"]
    lasts = expires - time.time()
    if lasts < seconds:
        raise CannotRun(
            f"tokens of this server last {lasts / 60:.0f} minutes and the run {seconds / 60:.0f}: "
            "set COLLAB_ACCESS_TOKEN_MINUTES higher there"
        )


def _is_python(process: psutil.Process) -> bool:
    try:
        return "python" in process.name() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
