"""Other servers, as they come: without storage, on a free port, in a process of their own.

None of them says what is stored, and none stores anything here: what they are compared in is
passing edits on. Each has an entry in `PEERS`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as package_version
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlsplit
from uuid import uuid4

from loadtest import processes
from loadtest.plan import Plan
from loadtest.seat import Framing, Seat
from loadtest.targets.child import Child, answers, plain_environment
from loadtest.targets.target import CannotRun, Casting, Misuse, ServerPids

NODE = Path(__file__).parent / "node"
PYCRDT = "pycrdt-websocket"


@dataclass(frozen=True, slots=True)
class Kind:
    """One other server.

    Attributes:
        directory: with its package.json, below `node/`; empty for one in Python.
        package: that its version is told of.
    """

    name: str
    package: str
    directory: str = ""
    framing: Framing = Framing.YJS


PEERS: Mapping[str, Kind] = {
    each.name: each
    for each in (
        Kind("y-websocket", "@y/websocket-server", "y-websocket-server"),
        Kind("hocuspocus", "@hocuspocus/server", "hocuspocus", Framing.HOCUSPOCUS),
        Kind(PYCRDT, PYCRDT),
    )
}


class Peer:
    """One of them, started here.

    Args:
        port: 0 takes a free one.
    """

    acknowledges = False

    def __init__(self, kind: Kind, port: int = 0) -> None:
        self._kind = kind
        self._port = port or processes.free_port()
        self._place = NODE / kind.directory if kind.directory else None
        node = {"PORT": str(self._port), "NODE_ENV": "production"} if kind.directory else {}
        self._child = Child(
            kind.name,
            self._command,
            self._is_ready,
            environment={**plain_environment(), **node},
            place=self._place,
        )

    @property
    def name(self) -> str:
        """Which server this is."""
        return self._kind.name

    @property
    def version(self) -> str:
        """As its package says."""
        if self._place is None:
            return package_version(self._kind.package)
        package = self._place / "node_modules" / self._kind.package / "package.json"
        return str(json.loads(package.read_text())["version"])

    @property
    def url(self) -> str:
        """Its address."""
        return f"ws://127.0.0.1:{self._port}"

    @property
    def pids(self) -> ServerPids:
        """Its one process."""
        return ServerPids(tuple(each.pid for each in self._child.processes()))

    def __enter__(self) -> Self:
        if self._place is not None:
            install(self._place)
        self._child.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._child.__exit__(kind, error, traceback)

    def _command(self, _directory: Path) -> list[str]:
        if self._place is not None:
            return ["node", "server.mjs"]
        return [sys.executable, "-m", "loadtest.targets.pycrdt_server", str(self._port)]

    def _is_ready(self) -> bool:
        return answers(self._port)

    def seats(self, plan: Plan, scenario: Casting) -> list[Seat]:
        """Places in new rooms."""
        return open_seats(self.url, self._kind.framing, plan, scenario)


class Elsewhere:
    """Any Yjs server that already runs, and lets in whoever comes.

    Args:
        url: `ws://host:port/path`, below which the rooms are.
    """

    acknowledges = False
    version = ""
    pids = ServerPids()

    def __init__(self, name: str, url: str, framing: Framing = Framing.YJS) -> None:
        self.name = name
        self.url = url
        self._framing = framing

    def __enter__(self) -> Self:
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
        return open_seats(self.url, self._framing, plan, scenario)


def open_seats(url: str, framing: Framing, plan: Plan, scenario: Casting) -> list[Seat]:
    """Places on a server without access control: a room is there when somebody names it.

    Raises:
        Misuse: the scenario needs what these do not have.
    """
    if scenario.kind == "xr":
        raise Misuse(f"{plan.scenario} has headsets, and only this server has a lane for them")
    if scenario.needs_api:
        raise Misuse(f"{plan.scenario} calls the REST API that only this server has")
    names = [f"loadtest-{uuid4()}" for _ in range(plan.documents)]
    return [_seat(url, framing, place, plan, names) for place in range(plan.seats)]


def _seat(url: str, framing: Framing, place: int, plan: Plan, names: list[str]) -> Seat:
    parts = urlsplit(url)
    is_tls = parts.scheme in ("wss", "https")
    room = plan.room_of(place)
    base = parts.path.rstrip("/")
    is_hocuspocus = framing is Framing.HOCUSPOCUS
    path = (base or "/") if is_hocuspocus else f"{base}/{quote(names[room])}"
    return Seat(
        number=plan.number_of(place),
        room=room,
        host=parts.hostname or "",
        port=parts.port or (443 if is_tls else 80),
        is_tls=is_tls,
        path=path + (f"?{parts.query}" if parts.query else ""),
        document=names[room] if is_hocuspocus else "",
        framing=framing,
    )


def install(place: Path) -> None:
    """Install a peer's packages as its lock file has them, once.

    Raises:
        CannotRun: there is no Node here, or npm failed.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise CannotRun("node and npm are needed for this server")
    mark = place / "node_modules" / ".installed"
    if mark.exists():
        return
    command = ["npm", "ci", "--no-audit", "--no-fund", "--silent"]
    done = subprocess.run(  # noqa: S603 - these very words
        command, cwd=place, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CannotRun(f"npm ci in {place.name} failed:\n{done.stderr[-2000:]}")
    mark.touch()
