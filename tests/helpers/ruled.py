"""Rooms whose documents have rules, and people who break them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pycrdt import Array, Doc, Map, Text

from crdt_docs.access import Role
from crdt_docs.document import Document
from crdt_docs.identifiers import DocumentKind
from crdt_docs.object_changes import ObjectChange
from crdt_docs.projector import Projector
from crdt_docs.room_limits import RoomLimits
from crdt_docs.rules import SessionRules
from tests.helpers.people import Gathering, Person


class Ruled(Gathering):
    """A room with a projector.

    Attributes:
        changes: what the projector told, as often as `take` was called.
    """

    def __init__(
        self,
        *people: Person,
        rules: SessionRules | None = None,
        limits: RoomLimits | None = None,
        kind: DocumentKind = DocumentKind.OCW,
        **options: Any,
    ) -> None:
        document = options.pop("document", None) or Document(kind=kind, with_owners=True)
        self.projector = Projector(document, {})
        self.changes: list[ObjectChange] = []
        self._rules = rules
        super().__init__(
            *people, document=document, projector=self.projector, limits=limits, **options
        )
        if rules is not None:
            self.authority.obey(rules)

    @property
    def authority(self) -> Any:
        """Of the room."""
        return self.room.authority

    def take(self) -> list[ObjectChange]:
        """What changed since this was called last."""
        self.changes = list(self.projector.take())
        return self.changes


def sticky(text: str = "hello", **fields: Any) -> Map[Any]:
    """An object as an editor makes it."""
    return Map(
        {
            "object_type": "sticky",
            "position": {"x": 1, "y": 2},
            "properties": Map(
                {"text": Text(text), "points": Array([1, 2, 3]), "parts": Array([Map({"a": 1})])}
            ),
            **fields,
        }
    )


def host(number: int = 1) -> Person:
    """A host of the session."""
    return Person(number, Role.HOST)


class Witness:
    """Looks at somebody's document after each frame they hear.

    Attributes:
        seen: every different state of what is watched, in order.
    """

    def __init__(self, person: Person, look: Callable[[Doc[Any]], Any]) -> None:
        self._doc = person.doc
        self._look = look
        self._hear = person.hear
        self.seen: list[Any] = [look(self._doc)]
        person.hear = self._note  # type: ignore[method-assign] # the frames of this person only

    def _note(self, frame: bytes) -> None:
        self._hear(frame)
        now = self._look(self._doc)
        if now != self.seen[-1]:
            self.seen.append(now)


def shown(doc: Doc[Any], root: str, *keys: str) -> dict[str, Any]:
    """Some objects of a document, as values."""
    objects = doc.get(root, type=Map)
    return {key: as_value(objects.get(key)) for key in keys}


def as_value(value: Any) -> Any:
    """A shared value as a plain one."""
    return value.to_py() if hasattr(value, "to_py") else value
