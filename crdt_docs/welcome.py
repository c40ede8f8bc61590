"""What a joiner is answered: the document, encoded as seldom as possible."""

from __future__ import annotations

from dataclasses import dataclass

from crdt_docs import messages
from crdt_docs.document import EMPTY_STATE_VECTOR, Document

SHARED_SECONDS = 2.0
"""How long joiners share one encoding of the whole document."""


@dataclass(slots=True)
class _Whole:
    """The document as it was at `made_at`."""

    version: int
    state_vector: bytes
    state: bytes
    made_at: float
    as_step2: bytes | None = None
    as_update: bytes | None = None


class Welcome:
    """Answers to step 1 in one room (ROM-1).

    In a busy room each joiner would meet another version of the document, and each version would
    have to be encoded whole. So joiners get one encoding that is up to SHARED_SECONDS old, and
    what has come since, which is small. The step 2 is always the last of it: clients take
    themselves for synced when it arrives.
    """

    def __init__(self) -> None:
        self._whole: _Whole | None = None
        self._since: tuple[int, bytes] = (-1, b"")

    def frames(self, document: Document, state_vector: bytes, now: float) -> list[bytes]:
        """The frames for somebody who has this much: perhaps an update, and a step 2."""
        if state_vector != EMPTY_STATE_VECTOR:
            return [messages.sync_step2(document.diff(state_vector))]
        whole = self._whole
        if whole is None or now - whole.made_at > SHARED_SECONDS:
            state = document.full_state()
            document.release_full_state()
            whole = _Whole(document.version, document.state_vector(), state, now)
            self._whole = whole
        if whole.version == document.version:
            if whole.as_step2 is None:
                whole.as_step2 = messages.sync_step2(whole.state)
            return [whole.as_step2]
        if whole.as_update is None:
            whole.as_update = messages.sync_update(whole.state)
        version, frame = self._since
        if version != document.version:
            frame = messages.sync_step2(document.diff(whole.state_vector))
            self._since = (document.version, frame)
        return [whole.as_update, frame]

    def release(self, now: float) -> None:
        """Let go of an encoding that nobody will be given any more."""
        if self._whole is not None and now - self._whole.made_at > SHARED_SECONDS:
            self._whole = None
            self._since = (-1, b"")
