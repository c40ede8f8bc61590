"""What a document's updates did to its objects and annotations, on its way into their tables."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from crdt_docs.gestures import Author, Step
from crdt_docs.object_kinds import ObjectKind
from crdt_docs.projection import AnnotationState, ObjectState, XrObjectState

State: TypeAlias = ObjectState | AnnotationState | XrObjectState
"""What a row says. The search text is what full text search finds; all else is its state in the
history."""


class ObjectChange(NamedTuple):
    """One change of one object, on its way into the tables together with a log entry.

    Attributes:
        kind: what it is.
        id: its id in the root map, 1 to 128 bytes.
        state: after the change, of the type that belongs to `kind`; None: it is deleted.
        author: whose change it was; where several touched it at once, of these the last to appear.
        step: what it does to the history.
        size: bytes that the state takes, about.
    """

    kind: ObjectKind
    id: str
    state: State | None
    author: Author
    step: Step
    size: int = 0
