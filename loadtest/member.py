"""One of a run's processes, as the runner sees it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self, cast

import orjson

from loadtest.lines import LONGEST
from loadtest.targets.target import CannotRun

END_SECONDS: Final = 10.0
TAIL: Final = 2000

Tick = Callable[[int, Mapping[str, Any]], None]
"""Told which second it is, and what happened in it."""

Left = Callable[[Sequence[int]], None]
"""Told which document somebody has left, and what they wrote there."""


class Member:
    """A process that talks in lines (`loadtest.lines`).

    It has a session of its own: Ctrl-C at the terminal is for the runner, who asks for what there
    is. It ends when the runner does.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process, errors: Any) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._input = cast("asyncio.StreamWriter", process.stdin)  # both are pipes, see `start`
        self._output = cast("asyncio.StreamReader", process.stdout)
        self._errors = errors
        self._on_tick: Tick | None = None
        self._on_left: Left | None = None
        self._said: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, module: str) -> Self:
        """Start a process that runs this module."""
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            limit=LONGEST,
        )
        return cls(module, process, errors)

    def tell(self, **message: Any) -> None:
        """Tell it something."""
        self._input.write(orjson.dumps(message) + b"\n")

    async def said(self, name: str, seconds: float) -> dict[str, Any]:
        """What it says next, which has to have this name.

        Raises:
            CannotRun: it ended, said something else, or nothing for so long.
        """
        try:
            async with asyncio.timeout(seconds):
                message = await self._said.get()
        except TimeoutError:
            tail = await asyncio.to_thread(self._tail)
            raise CannotRun(f"{self.name} said nothing for {seconds} s; {tail}") from None
        if message is None:
            raise CannotRun(f"{self.name} ended; {await asyncio.to_thread(self._tail)}")
        if name not in message:
            raise CannotRun(str(message.get("failed", message)))
        return message

    def on_tick(self, told: Tick) -> None:
        """Who is told of its seconds."""
        self._on_tick = told

    def on_left(self, told: Left) -> None:
        """Who is told of its people who leave a meeting for the next one."""
        self._on_left = told

    @property
    def status(self) -> int | None:
        """Its exit status, once it has ended."""
        return self._process.returncode

    async def stop(self) -> None:
        """Let it end; it has no work any more."""
        self._input.close()
        try:
            async with asyncio.timeout(END_SECONDS):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                self._process.kill()
            await self._process.wait()
        await self._reading
        self._errors.close()

    async def _read(self) -> None:
        async for line in self._output:
            self._take(orjson.loads(line))
        self._said.put_nowait(None)

    def _take(self, message: dict[str, Any]) -> None:
        if "tick" in message:
            if self._on_tick is not None:
                self._on_tick(message["second"], message["tick"])
        elif "left" in message:
            if self._on_left is not None:
                self._on_left(message["left"])
        else:
            self._said.put_nowait(message)

    def _tail(self) -> str:
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(size - TAIL, 0))
        text: str = self._errors.read().decode(errors="replace")
        return f"it wrote:\n{text}" if text else "it wrote nothing"
