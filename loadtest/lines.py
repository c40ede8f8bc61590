"""How a process of a run talks with the one that started it: JSON, one object a line.

Commands come on standard input. When it ends, whoever started this is gone, and so is the reason
to go on.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from typing import Any, Final

import orjson
import uvloop

LONGEST: Final = 256 << 20
"""Bytes of a line: the seats of a thousand people are one."""


class Lines:
    """This process's end."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    @classmethod
    async def open(cls) -> Lines:
        """On standard input and output."""
        reader = asyncio.StreamReader(limit=LONGEST)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        return cls(reader)

    async def next(self) -> dict[str, Any]:
        """The next command.

        Raises:
            EOFError: there will be none.
        """
        line = await self._reader.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        command: dict[str, Any] = orjson.loads(line)
        return command

    def say(self, **message: Any) -> None:
        """Say something. It waits until that is taken: who started this reads all the time."""
        line = memoryview(orjson.dumps(message) + b"\n")
        while line:
            line = line[os.write(sys.stdout.fileno(), line) :]


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a process of this kind until its work is done, or nobody wants it any more."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work)
    except* EOFError:
        os._exit(1)  # nobody is left to say goodbye to, or to wait for


async def told(lines: Lines, name: str) -> Any:
    """What the command of this name says.

    Raises:
        EOFError: nobody is there any more.
        ValueError: another command came: the two sides disagree about whose turn it is.
    """
    command = await lines.next()
    if name not in command:
        raise ValueError(f"expected {name}, and was told {', '.join(command)}")
    return command[name]
