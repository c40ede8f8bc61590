"""Changes of objects for tests of storage: who does what to which, as a room would say it."""

from __future__ import annotations

from uuid import UUID

from crdt_docs.gestures import Author, ChangeKind, Gestures, Step
from crdt_docs.identifiers import DocumentKind
from crdt_docs.object_changes import ObjectChange, State
from crdt_docs.object_kinds import KINDS, ObjectKind
from crdt_docs.projection import AnnotationState, ObjectState, XrObjectState

CREATE, UPDATE, DELETE, RESTORE = ChangeKind
OBJECTS, ANNOTATIONS = KINDS[DocumentKind.OCW]
(XR_OBJECTS,) = KINDS[DocumentKind.XR]


def box(x: float = 0, text: str = "") -> ObjectState:
    """A valid object that uses every column."""
    return ObjectState(
        object_type="sticky",
        position={"x": x, "y": -2.5},
        size={"width": 100, "height": 50},
        rotation=12.5,
        properties={"text": text, "colour": "#fc0"},
        layer=3,
        is_locked=True,
        created_by="someone",
        search_text=text,
    )


def remark(content: str) -> AnnotationState:
    """A valid annotation that uses every column."""
    return AnnotationState(
        annotation_type="comment",
        content=content,
        object_id="box",
        position={"x": 1, "y": 2},
        resolved=True,
        created_by="someone",
        search_text=content,
    )


def model(x: float = 0, text: str = "") -> XrObjectState:
    """A valid object of a room that uses every column."""
    return XrObjectState(
        object_type="model",
        position={"x": x, "y": -2.5, "z": 1},
        rotation={"x": 0, "y": 0.6, "z": 0, "w": 0.8},
        scale={"x": 1, "y": 2, "z": 0.5},
        parent_id="table",
        asset_url="https://example.org/chair.glb",
        properties={"text": text, "colour": "#fc0"},
        is_interactive=True,
        is_locked=True,
        lifetime="owner",
        created_by="someone",
        search_text=text,
    )


def state_for(kind: ObjectKind, number: int = 0, text: str = "") -> State:
    """A valid state, another one for each number."""
    match kind:
        case ObjectKind.OCW_OBJECT:
            return box(number, text)
        case ObjectKind.OCW_ANNOTATION:
            return remark(f"{text}{number}")
        case ObjectKind.XR_OBJECT:
            return model(number, text)


class Hands:
    """People at work on the objects of a document; `now` is the test's to turn, in seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self._gestures = Gestures()

    def change(
        self,
        kind: ChangeKind,
        identifier: str,
        state: State | None,
        author: Author | UUID,
        *,
        relayed_by: UUID | None = None,
    ) -> ObjectChange:
        """Do something to what has this id; the state says whether to an object."""
        return self.change_in(
            _kind_of(state), kind, identifier, state, author, relayed_by=relayed_by
        )

    def change_in(
        self,
        of: ObjectKind,
        kind: ChangeKind,
        identifier: str,
        state: State | None,
        author: Author | UUID,
        *,
        relayed_by: UUID | None = None,
    ) -> ObjectChange:
        """The same to what the state does not tell."""
        by = author if isinstance(author, Author) else Author(author)
        step = self._gestures.note((of, identifier), kind, by, self.now, relayed_by=relayed_by)
        return ObjectChange(of, identifier, state, by, step)

    def later(self, seconds: float = 60.0) -> None:
        """Let time go by: gestures end."""
        self.now += seconds


def extension(identifier: str, state: State, *contributors: UUID) -> ObjectChange:
    """An update that only extends a row, from a room that believes there is one."""
    author = Author(contributors[0])
    step = Step(
        starts=False, kind=UPDATE, changed_by=author, contributors=contributors, relayed_by=None
    )
    return ObjectChange(OBJECTS, identifier, state, author, step)


def _kind_of(state: State | None) -> ObjectKind:
    match state:
        case AnnotationState():
            return ANNOTATIONS
        case XrObjectState():
            return XR_OBJECTS
        case _:
            return OBJECTS
