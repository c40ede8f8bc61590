"""A real `collab serve` in a process of its own, as its users run it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
import jwt
import psutil

from crdt_docs.identifiers import DocumentKind
from tests.helpers.lifted_limits import LIFTED_ENVIRONMENT
from tests.helpers.live_documents import LiveDocument

SECRET = "a secret of the tests, long enough to sign tokens with"
AUDIENCE = "chenu-collab"
START_SECONDS = 60.0
STOP_SECONDS = 30.0


class ServerDied(Exception):  # noqa: N818 - says what is the case
    """The server ended although nobody asked it to; carries the end of its log."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """Where a client connects, and as whom.

    Attributes:
        base: what a WebsocketProvider takes as its address.
        room: and as its room name.
        token: JWT; empty for none.
        user_id: whose token it is.
        document: what a HocuspocusProvider takes as its name.
    """

    base: str
    room: str
    token: str
    user_id: UUID
    document: str = ""

    @property
    def url(self) -> str:
        """Address of the WebSocket, with the token."""
        return self.url_with()

    def url_with(self, **params: str) -> str:
        """The same with further query parameters."""
        query = {"token": self.token, **params} if self.token else params
        return str(httpx.URL(f"{self.base}/{self.room}", params=query))


@dataclass(frozen=True, slots=True)
class LiveSession(LiveDocument):
    """One OCW session of a server."""

    kind = DocumentKind.OCW
    below = "/ocw/sessions"

    def invite_with(self, token: str, user_id: UUID | None = None) -> Invitation:
        """See `LiveDocument.invite_with`."""
        user = user_id or uuid4()
        return Invitation(self.server.socket_base, f"{self.id}/ws", token, user, self.name)

    async def end(self) -> None:
        """End the session; everybody is sent away."""
        await self.request("POST", "/end")


def mint(
    user_id: UUID,
    *,
    name: str | None = None,
    lifetime: float = 3600.0,
    grants: Mapping[str, str] | None = None,
    is_service: bool = False,
    secret: str = SECRET,
    **claims: Any,
) -> str:
    """Sign a token as an issuer would. `claims` replace or add to what it says."""
    now = time.time()
    content: dict[str, Any] = {
        "sub": str(user_id),
        "aud": AUDIENCE,
        "iat": int(now),
        "exp": int(now + lifetime),
        "jti": str(uuid4()),
    }
    if name is not None:
        content["name"] = name
    if is_service:
        content["scope"] = "service"
    if grants:
        content["grants"] = dict(grants)
    return jwt.encode({**content, **claims}, secret, algorithm="HS256")


class ServerProcess:
    """`collab serve` on a free port with a data directory of its own.

    Its calls block; from a coroutine use `asyncio.to_thread`.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        environment: Mapping[str, str] | None = None,
        database_url: str | None = None,
        has_limits: bool = False,
        certificate: Path | None = None,
    ) -> None:
        """
        Args:
            environment: further settings, as `COLLAB_…` variables.
            database_url: an external database instead of the embedded one.
            has_limits: keeps the rates that users have by default.
            certificate: served with TLS; both it and its key, in one file.
        """
        self.certificate = certificate
        self.data_dir = data_dir
        self.port = free_port()
        self._log = data_dir.with_name(data_dir.name + ".log")
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("COLLAB_")},
            "COLLAB_JWT_SECRET": SECRET,
            **({} if has_limits else LIFTED_ENVIRONMENT),
            **(environment or {}),
        }
        if certificate is not None:
            self._environment["COLLAB_SSL_CERTFILE"] = str(certificate)
        if database_url is not None:
            self._environment["COLLAB_DATABASE_URL"] = database_url
        self._process: subprocess.Popen[bytes] | None = None

    # Its life

    def start(self) -> None:
        """Start it on its directory and port, and wait until it is ready.

        Raises:
            ServerDied: it ended meanwhile.
            TimeoutError: it was not ready in time.
        """
        command = [
            str(Path(sys.executable).with_name("collab")),
            "serve",
            "--port",
            str(self.port),
            "--data-dir",
            str(self.data_dir),
        ]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait_ready()

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until it says that it takes edits and stores them."""
        deadline = time.monotonic() + seconds
        while not self._is_ready():
            if self._process is None or self._process.poll() is not None:
                raise ServerDied(self.log()[-4000:])
            if time.monotonic() > deadline:
                raise TimeoutError(f"not ready after {seconds} s:\n{self.log()[-4000:]}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.api}/health/ready", timeout=5.0, verify=self.trust).is_success
        except httpx.TransportError:
            return False

    def kill(self, *, everything: bool = False) -> None:
        """End it with SIGKILL.

        Args:
            everything: also its worker and its database in the same moment, as when the machine
                fails; otherwise they find out for themselves that they are orphans.
        """
        assert self._process is not None
        victims = self.processes() if everything else [psutil.Process(self._process.pid)]
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process = None
        psutil.wait_procs(victims, timeout=STOP_SECONDS)

    def stop(self) -> int | None:
        """Ask it to end, and wait. Returns its exit status; None when it was not running."""
        if self._process is None:
            return None
        leftovers = self.processes()
        self._process.terminate()
        try:
            status = self._process.wait(STOP_SECONDS)
        finally:
            # Nothing may outlive a test, whatever went wrong in it.
            for process in leftovers:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(leftovers, timeout=STOP_SECONDS)
            self._process = None
        return status

    @property
    def is_running(self) -> bool:
        """Whether the process that was started still runs."""
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """Everything it has printed."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    # Its processes

    def processes(self) -> list[psutil.Process]:
        """The supervisor, then all below it: the worker, the embedded database."""
        if self._process is None:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            top = psutil.Process(self._process.pid)
            return [top, *top.children(recursive=True)]
        return []

    def postmaster(self) -> psutil.Process:
        """The embedded database's first process."""
        return psutil.Process(int(self._postmaster_file().read_text().split()[0]))

    def worker(self) -> psutil.Process:
        """The process that serves the sockets; waits for the next one when it is being replaced."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            pythons = [process for process in self.processes()[1:] if _is_python(process)]
            if pythons:
                return pythons[0]
            if time.monotonic() > deadline:
                raise TimeoutError("the server has no worker")
            time.sleep(0.02)

    def memory(self) -> int:
        """Bytes of memory that the worker has resident and shares with nobody."""
        used: int = self.worker().memory_full_info().uss
        return used

    # Its database

    def database_dsn(self) -> str:
        """Connection string of the embedded database, with the password of the data directory."""
        socket_dir = self._postmaster_file().read_text().splitlines()[4]
        passwords = (self.data_dir / "postgres.pgpass").read_text().splitlines()
        owner = next(line for line in passwords if line.split(":")[3] == "collab")
        password = owner.split(":", 4)[4]
        return f"postgresql://collab:{password}@/collab?host={quote(socket_dir)}"

    def _postmaster_file(self) -> Path:
        return next(self.data_dir.rglob("postmaster.pid"))

    # Talking to it

    @property
    def api(self) -> str:
        """Address of the REST API."""
        scheme = "http" if self.certificate is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}/api"

    @property
    def trust(self) -> ssl.SSLContext | bool:
        """What its clients believe: its own certificate, where it has one."""
        if self.certificate is None:
            return True
        return ssl.create_default_context(cafile=str(self.certificate))

    @property
    def socket_base(self) -> str:
        """Address below which the sessions' sockets are."""
        scheme = "ws" if self.certificate is None else "wss"
        return f"{scheme}://127.0.0.1:{self.port}/api/ocw/sessions"

    @property
    def collab_url(self) -> str:
        """Address of the socket for Hocuspocus clients."""
        return f"ws://127.0.0.1:{self.port}/api/collab"

    def token(
        self, user_id: UUID, name: str | None, grants: Mapping[str, str], lifetime: float
    ) -> str:
        """A token that it believes."""
        return mint(user_id, name=name, grants=grants, lifetime=lifetime)

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One REST request with a backend's token."""
        headers = {"Authorization": f"Bearer {mint(uuid4(), is_service=True)}"}
        async with httpx.AsyncClient(timeout=30.0, verify=self.trust) as client:
            return await client.request(method, self.api + path, headers=headers, **options)

    async def create_session(self, **config: Any) -> LiveSession:
        """A new session."""
        body = {"workspace_id": str(uuid4()), "session_type": "whiteboard", "config": config}
        response = await self.request("POST", "/ocw/sessions", json=body)
        response.raise_for_status()
        return LiveSession(self, response.json()["data"]["id"])

    async def create_sessions(self, count: int) -> list[LiveSession]:
        """Many new sessions."""
        headers = {"Authorization": f"Bearer {mint(uuid4(), is_service=True)}"}
        body = {"workspace_id": str(uuid4()), "session_type": "whiteboard"}
        sessions = []
        async with httpx.AsyncClient(timeout=30.0, headers=headers) as client:
            for _ in range(count):
                response = await client.post(f"{self.api}/ocw/sessions", json=body)
                response.raise_for_status()
                sessions.append(LiveSession(self, response.json()["data"]["id"]))
        return sessions


def _is_python(process: psutil.Process) -> bool:
    try:
        return "python" in process.name() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextlib.contextmanager
def running_server(
    *,
    database_url: str | None = None,
    has_limits: bool = False,
    certificate: Path | None = None,
    **environment: str,
) -> Iterator[ServerProcess]:
    """A started server with a new data directory, both gone afterwards.

    The directory lies beside those of pytest, not among them: a pytest that starts meanwhile makes
    its common directory private again, and PostgreSQL, which runs as another user under root,
    could not pass through it any more.
    """
    with tempfile.TemporaryDirectory(prefix="collab-test-") as directory:
        server = ServerProcess(
            Path(directory) / "data",
            environment=environment,
            database_url=database_url,
            has_limits=has_limits,
            certificate=certificate,
        )
        try:
            server.start()
            yield server
        finally:
            server.stop()


def free_port() -> int:
    """A port nobody listens on now.

    Below those that systems give to outgoing connections: a client that tries to reach a server
    that is down must not be given the server's port, nor connect to itself.
    """
    while True:
        port = random.randrange(15_000, 30_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
