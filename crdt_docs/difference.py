"""What is different between two moments of a document, object by object (PST-9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from crdt_docs.edit_values import same
from crdt_docs.object_changes import State
from crdt_docs.object_fields import project
from crdt_docs.object_kinds import ObjectKind, ObjectRoot
from crdt_docs.projection import is_projected_id

COMPARED_AT_ONCE = 50
"""Objects that are compared without a pause; about a millisecond where all differ."""


class DifferenceKind(StrEnum):
    """What happened to an object between the moments."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


class Difference(NamedTuple):
    """One object or annotation whose row differs.

    Attributes:
        before: None: it was not there.
        after: None: it is not there any more.
    """

    root: ObjectRoot
    id: str
    before: State | None
    after: State | None

    @property
    def kind(self) -> DifferenceKind:
        """What happened to it."""
        if self.before is None:
            return DifferenceKind.ADDED
        return DifferenceKind.CHANGED if self.after is not None else DifferenceKind.REMOVED

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns in which a changed one differs; none of one that was added or removed."""
        before, after = self.before, self.after
        if before is None or after is None:
            return ()
        names = before._fields
        return tuple(
            name
            for name, old, new in zip(names, before, after, strict=True)
            if name != "search_text" and not same(old, new)
        )


def comparing(
    kinds: Iterable[ObjectKind],
    before: Mapping[str, Mapping[str, Any]],
    after: Mapping[str, Mapping[str, Any]],
    found: list[Difference],
) -> Iterator[None]:
    """Find the differences, ordered by root and by the bytes of ids, a step at a time.

    Args:
        kinds: what of the document is compared.
        before: by root and id, as `ObjectReader` reads it; likewise `after`.
    """
    for kind in kinds:
        old, new = before.get(kind.root, {}), after.get(kind.root, {})
        ids = sorted(filter(is_projected_id, old.keys() | new.keys()), key=str.encode)
        for number, key in enumerate(ids):
            one, other = old.get(key), new.get(key)
            if not same(one, other):
                difference = Difference(kind.root, key, _state(kind, one), _state(kind, other))
                is_seen = difference.kind is not DifferenceKind.CHANGED or difference.fields
                if is_seen:
                    found.append(difference)
            if number % COMPARED_AT_ONCE == 0:
                yield


def _state(kind: ObjectKind, value: object) -> State | None:
    return None if value is None else project(kind, value)
