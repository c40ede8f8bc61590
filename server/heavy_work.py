"""How long trusted work on a document may take (ROM-17).

Opening a large document, or showing it, keeps the worker busy for longer than its heart may stop:
the CRDT does it in one call. The supervisor is told beforehand how long that may be.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from crdt_docs.document import Fence

BASE_SECONDS = 2.0
SECONDS_A_BYTE = 1 / 3_000_000
"""On a busy machine a million bytes take 0.15 s to open and 0.2 s to show."""


def allowance(size: int) -> float:
    """Seconds for anything that is done once with a document of so many bytes."""
    return BASE_SECONDS + size * SECONDS_A_BYTE


@contextmanager
def heavy_work(fence: Fence, what: bytes, size: int) -> Iterator[None]:
    """Work on a document of so many bytes, known by `what` if it stops the worker.

    Nothing may be awaited within, and nothing applied.
    """
    fence.begin_heavy(what, allowance(size))
    try:
        yield
    finally:
        fence.end()
