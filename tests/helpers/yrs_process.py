"""yrs in a process of its own, which may hang, crash or run out of memory without harm to the test.

with YrsProcess() as yrs:
    outcome = yrs.apply([update, ...])
"""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import selectors
import subprocess
import sys
import time
from dataclasses import astuple, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import psutil
from pycrdt import Doc, TransactionEvent, merge_updates

from tests.helpers.contents import contents

ROOT = Path(__file__).parent.parent.parent
MEMORY = 2 << 30


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a document to which updates were applied.

    Attributes:
        fault: None, or what went wrong: "hangs", "dies", or what was raised.
        clocks: the state vector of the document.
        copied_clocks: that of a fresh document that was given all of it in one update.
        contents: all roots of the document that hold anything, as far as they can be read.
        copied_contents: those of the copy.
        seconds: of processor time that applying the updates took.
        memory: bytes by which the process grew meanwhile.
    """

    fault: str | None
    clocks: bytes = b"\x00"
    copied_clocks: bytes = b"\x00"
    contents: str = ""
    copied_contents: str = ""
    seconds: float = 0.0
    memory: int = 0


class YrsProcess:
    """The process; it is started again when it was lost."""

    def __init__(self, patience: float = 30.0) -> None:
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def apply(self, updates: list[bytes]) -> Outcome:
        """Apply updates to a new document, one transaction each, and read it in every way."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        pickle.dump(updates, process.stdin)
        process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(self._patience):
                self._stop()
                return Outcome("hangs")
        try:
            answer = pickle.load(process.stdout)
        except EOFError:
            self._stop()
            return Outcome(f"dies ({process.returncode})")
        return Outcome(*answer)

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.yrs_process"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()
        process.wait()


def _outcome(updates: list[bytes]) -> Outcome:
    emitted: list[bytes] = []

    def collect(event: TransactionEvent) -> None:
        emitted.append(event.update)

    doc: Doc[Any] = Doc()
    subscription = doc.observe(collect)
    resident = _resident()
    started = time.process_time()
    for update in updates:
        doc.apply_update(update)
    seconds = time.process_time() - started
    memory = _resident() - resident
    whole = doc.get_update()
    copy: Doc[Any] = Doc()
    copy.apply_update(whole)
    # As the server does. Of what was received it merges nothing: where two updates say the same
    # clocks, one as collected and one as not, yrs panics from 21 updates on.
    merge_updates(*emitted)
    seen = contents(doc)
    doc.unobserve(subscription)
    return Outcome(None, doc.get_state(), copy.get_state(), seen, contents(copy), seconds, memory)


def _resident() -> int:
    """Bytes of this process in memory."""
    resident: int = psutil.Process().memory_info().rss
    return resident


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    while True:
        try:
            updates = pickle.load(requests)
        except EOFError:
            return
        try:
            outcome = _outcome(updates)
        except BaseException as error:  # noqa: BLE001 - a Rust panic is no Exception
            outcome = Outcome(f"{type(error).__name__}: {error}")
        # As a tuple: this module has another name here than where the answer is read.
        pickle.dump(astuple(outcome), answers)
        answers.flush()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    _serve(sys.stdin.buffer, os.fdopen(os.dup(1), "wb"))
