"""What a supervisor hands to the worker that it starts; in a module of its own, so that the one
has nothing of what the other loads.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from server.settings import Settings, is_ours

DEFAULT_APP = "server.app:create_app"
DEFAULT_WS = "server.direct_channel:DirectProtocol"


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What a worker is started with, as its one command line argument.

    Attributes:
        listener: file descriptor of the listening socket.
        note: file descriptor of the applying note.
        channel: file descriptor of the worker's end of the channel.
        supervisor: process id.
        app: `module:function` that makes the application from settings and note.
        ws: uvicorn's name of a WebSocket protocol, or `module:class`.
    """

    listener: int
    note: int
    channel: int
    supervisor: int
    app: str = DEFAULT_APP
    ws: str = DEFAULT_WS

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The file descriptors to be inherited."""
        return self.listener, self.note, self.channel

    def command(self) -> list[str]:
        """The command that starts the worker.

        `-P`: a directory called `server` where somebody happens to start this one must not
        replace ours.
        """
        return [sys.executable, "-P", "-m", "server.worker_entry", json.dumps(asdict(self))]

    @classmethod
    def from_argument(cls, argument: str) -> Inheritance:
        """Read what `command` wrote."""
        return cls(**json.loads(argument))


def worker_environment(environ: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """The environment of a worker: `environ`, in which our variables say exactly `settings`."""
    foreign = {name: value for name, value in environ.items() if not is_ours(name)}
    return foreign | settings.environment()
