"""One worker, seen from its supervisor."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Mapping

from server.applying_note import NoteReader, Suspicion
from server.blame import WorkerDeath, death_of, kills_for_memory
from server.inheritance import DEFAULT_APP, DEFAULT_WS, Inheritance, worker_environment
from server.settings import Settings
from server.worker_channel import Message, SupervisorEnd, open_channel

_REAP_SECONDS = 10.0


class WorkerProcess:
    """A running worker with its note and channel. Close it when it has ended."""

    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        poison_list: bytes,
        environ: Mapping[str, str],
        *,
        app: str = DEFAULT_APP,
        ws: str = DEFAULT_WS,
    ) -> None:
        """Start it. To be called in a thread that lives as long as the worker shall: on Linux a
        worker ends with the thread that started it.

        Args:
            settings: the worker's, the address of the database included.
            listener: the listening socket.
            poison_list: `PoisonList.for_worker`.
            environ: what it gets as its environment, apart from the settings.
            app: `module:function` that makes the application.
            ws: WebSocket protocol, as uvicorn names it, or `module:class`.

        Raises:
            OSError: no process or memory could be had.
        """
        self._kills_for_memory = kills_for_memory()
        self._note = NoteReader(poison_list)
        self._channel, theirs = open_channel()
        inheritance = Inheritance(
            listener.fileno(), self._note.fd, theirs.fileno(), os.getpid(), app, ws
        )
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                inheritance.command(),
                stdin=subprocess.DEVNULL,
                pass_fds=inheritance.descriptors,
                env=worker_environment(environ, settings),
                start_new_session=True,  # a Ctrl-C in the terminal is the supervisor's to handle
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def channel(self) -> SupervisorEnd:
        """To wait for what it says and for its end."""
        return self._channel

    def heard(self) -> list[Message]:
        """What it has said since the last call."""
        return self._channel.heard()

    def beats(self) -> int:
        """How often its heart has beaten."""
        return self._note.beats()

    def allowance(self) -> float:
        """For how many seconds it may be silent, beyond what is usual."""
        return self._note.allowance()

    def death(self) -> WorkerDeath | None:
        """How it ended, or None while it runs."""
        exit_code = self._process.poll()
        if exit_code is None:
            return None
        is_memory_short = kills_for_memory() > self._kills_for_memory
        return death_of(exit_code, out_of_memory=is_memory_short)

    def suspicion(self) -> Suspicion | None:
        """What it was applying when it ended.

        Raises:
            NoteUnreadable: it was applying something, but ran over its note.
        """
        return self._note.suspicion()

    def stop(self) -> None:
        """Ask for a graceful stop."""
        self._process.terminate()

    def kill(self) -> None:
        """End it at once, and wait until it has."""
        self._process.send_signal(signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # it hangs in the kernel: go on
            self._process.wait(_REAP_SECONDS)

    def close(self) -> None:
        """Let go of note and channel; kills it should it still run."""
        if self._process.poll() is None:
            self.kill()
        self._channel.close()
        self._note.close()
