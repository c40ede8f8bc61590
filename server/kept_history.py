"""The rows and the history of a document as they are stored, without what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from crdt_docs.identifiers import DocumentName
from crdt_docs.object_kinds import ObjectKind, kinds_in
from crdt_docs.projection import storable
from persistence.inspection_ports import InspectedRow, Moment
from persistence.object_ports import HistoryRow

Key = tuple[ObjectKind, str]
"""An object: what it is, and its id."""


def canonical(value: object) -> bytes:
    """The same for values that say the same, whatever JSON made of their numbers on the way."""
    return orjson.dumps(storable(value), option=orjson.OPT_SORT_KEYS)


def digest(state: Mapping[str, Any]) -> bytes | None:
    """16 bytes for what a state of an object says; None for one that was not there."""
    if not state:
        return None
    fields = b"".join(name.encode() + canonical(state[name]) for name in sorted(state))
    return blake2b(fields, digest_size=16).digest()


class KeptVersion(NamedTuple):
    """A version that the history has.

    Attributes:
        row: without the state in it.
        before: what `digest` has for that state.
    """

    row: HistoryRow
    before: bytes | None


class Kept:
    """The rows and the history that are there, and of the states in them what `digest` has."""

    def __init__(self) -> None:
        self.versions: dict[Key, list[KeptVersion]] = {}
        self.rows: dict[Key, InspectedRow] = {}
        self.states: dict[Key, bytes | None] = {}

    @classmethod
    async def read(cls, moment: Moment, name: DocumentName) -> Kept:
        """All of a document's."""
        kept = cls()
        for kind in kinds_in(name):
            async for row in moment.versions(kind):
                version = KeptVersion(replace(row, previous_state={}), digest(row.previous_state))
                kept.versions.setdefault((kind, row.object_id), []).append(version)
            async for inspected in moment.rows(kind):
                key = (kind, inspected.id)
                kept.states[key] = digest(inspected.state)
                kept.rows[key] = replace(inspected, state={}, search_text="")
        return kept

    def has(self, key: Key) -> bool:
        """Whether there is anything of an object."""
        return key in self.versions or key in self.rows

    def version(self, kind: ObjectKind, identifier: str, number: int) -> KeptVersion | None:
        """One version of an object, if it is where its number says."""
        versions = self.versions.get((kind, identifier), [])
        return versions[number - 1] if 0 < number <= len(versions) else None

    def until(self, key: Key, seq: int) -> Sequence[KeptVersion]:
        """The versions of an object that began at this position or before."""
        return [each for each in self.versions.get(key, ()) if each.row.update_seq <= seq]
