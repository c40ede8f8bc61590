"""yrs in a process of its own, which may hang, crash or run out of memory without harm to the test.

with YrsProcess() as yrs:
    outcome = yrs.apply([update, ...])
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import resource
import selectors
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from pycrdt import Doc, Map, Text, TransactionEvent, merge_updates

ROOT = Path(__file__).parent.parent.parent
MEMORY = 2 << 30
TYPELESS = "no Python equivalent"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a document to which updates were applied.

    Attributes:
        fault: None, or what went wrong: "hangs", "dies", or what was raised.
        clocks: the state vector of the document.
        copied_clocks: that of a fresh document that was given all of it in one update.
        contents: all roots of the document that hold anything, as far as they can be read.
        copied_contents: those of the copy.
        seconds: what applying the updates took.
    """

    fault: str | None
    clocks: bytes = b"\x00"
    copied_clocks: bytes = b"\x00"
    contents: str = ""
    copied_contents: str = ""
    seconds: float = 0.0


class YrsProcess:
    """The process; it is started again when it was lost."""

    def __init__(self, patience: float = 10.0) -> None:
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
            outcome = pickle.load(process.stdout)
        except EOFError:
            self._stop()
            return Outcome(f"dies ({process.returncode})")
        assert isinstance(outcome, Outcome)
        return outcome

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
    started = time.perf_counter()
    for update in updates:
        doc.apply_update(update)
    seconds = time.perf_counter() - started
    whole = doc.get_update()
    copy: Doc[Any] = Doc()
    copy.apply_update(whole)
    merge_updates(*updates, *emitted)
    contents = _read(doc)
    doc.unobserve(subscription)
    return Outcome(None, doc.get_state(), copy.get_state(), contents, _read(copy), seconds)


def _read(doc: Doc[Any]) -> str:
    """All roots as maps and as texts, so far as each can be read as that, without empty ones."""
    parts = []
    for name in sorted(doc.keys()):
        root = doc.get(name, type=Map)
        with doc.transaction() as transaction:
            encoded = root.integrated.to_json(transaction._txn)
        # yrs keeps the members of maps in no order.
        parts.append(json.dumps(json.loads(encoded), sort_keys=True))
        try:
            root.to_py()
        except ValueError as error:
            if TYPELESS not in str(error):
                raise
        text = doc.get(name, type=Text)
        parts.append(str(text))
        text.diff()
    return "|".join(part for part in parts if part not in ("", "{}"))


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
        pickle.dump(outcome, answers)
        answers.flush()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    _serve(sys.stdin.buffer, os.fdopen(os.dup(1), "wb"))
