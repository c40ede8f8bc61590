"""Search in memory: words as they are written, but for a plural s; no stems and no stop words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from crdt_docs.identifiers import DocumentKind
from crdt_docs.object_kinds import KINDS, ObjectKind, ObjectRoot
from crdt_docs.projection import AnnotationState
from persistence.memory_objects import MemoryObject, MemoryObjects
from persistence.object_rows import stated
from persistence.ports import Page, SessionFilter, SessionStore
from persistence.search_cursors import BEFORE_ALL, decode_place, encode_place, place_of
from persistence.search_ports import Hit, Part, SearchFilter

_ALL = 1 << 62
_TERM = re.compile(r'(-?)(?:"([^"]*)"|(\S+))')
_WORD = re.compile(r"\w+")


class _Term(NamedTuple):
    words: tuple[str, ...]
    is_wanted: bool


_Clause = list[_Term]


class MemorySearch:
    """`search_ports.Search` over stores in memory."""

    def __init__(self, sessions: SessionStore, objects: MemoryObjects) -> None:
        self._sessions = sessions
        self._objects = objects

    async def find(
        self, wanted: SearchFilter, *, limit: int = 20, cursor: str | None = None
    ) -> Page[Hit]:
        """See `search_ports.Search.find`."""
        after = BEFORE_ALL if cursor is None else decode_place(cursor, wanted.text)
        clauses = _clauses(wanted.text)
        if not all(any(term.is_wanted for term in clause) for clause in clauses):
            return Page(())
        hits = [
            hit
            for session_id in await self._readable(wanted)
            for kind in KINDS[DocumentKind.OCW]
            if wanted.root in (None, kind.root)
            for hit in self._hits(session_id, kind, clauses)
            if place_of(hit) < after
        ]
        hits.sort(key=place_of, reverse=True)
        items = tuple(hits[:limit])
        more = len(hits) > len(items) > 0
        return Page(items, encode_place(place_of(items[-1]), wanted.text) if more else None)

    async def _readable(self, wanted: SearchFilter) -> list[UUID]:
        bounds = SessionFilter(
            readable_by=wanted.readable_by, granted=wanted.granted, workspaces=wanted.workspaces
        )
        page = await self._sessions.find(bounds, limit=_ALL)
        return [each.id for each in page.items if wanted.session_id in (None, each.id)]

    def _hits(
        self, session_id: UUID, kind: ObjectKind, clauses: Sequence[_Clause]
    ) -> Iterator[Hit]:
        for identifier, row in self._objects.tables.get((session_id, kind), {}).items():
            words = [_stem(word) for word in _WORD.findall(row.state.search_text)]
            fits = max((_fits(words, clause) for clause in clauses), default=0)
            if row.deleted_at is None and fits:
                rank = fits / (1 + math.log(len(words)))
                yield _hit(session_id, identifier, row, rank, clauses)


def _hit(
    session_id: UUID,
    identifier: str,
    row: MemoryObject,
    rank: float,
    clauses: Sequence[_Clause],
) -> Hit:
    state, shown = row.state, stated(row.state)
    is_annotation = isinstance(state, AnnotationState)
    wanted = {
        word for clause in clauses for term in clause if term.is_wanted for word in term.words
    }
    return Hit(
        root=ObjectRoot.ANNOTATIONS if is_annotation else ObjectRoot.OBJECTS,
        session_id=session_id,
        id=identifier,
        type=shown["annotation_type" if is_annotation else "object_type"],
        object_id=shown.get("object_id"),
        position=shown["position"],
        snippet=tuple(_parts(state.search_text, wanted)),
        rank=rank,
        updated_at=row.updated_at,
    )


def _clauses(text: str) -> list[_Clause]:
    """Of which one has to fit, each with all of its terms."""
    clauses: list[_Clause] = [[]]
    for minus, phrase, word in _TERM.findall(text):
        words = tuple(map(_stem, _WORD.findall(phrase or word)))
        if not minus and word.lower() == "or":
            clauses.append([])
        elif words:
            clauses[-1].append(_Term(words, is_wanted=not minus))
    return clauses


def _stem(word: str) -> str:
    return word.casefold().removesuffix("s")


def _fits(words: list[str], clause: _Clause) -> int:
    """How often the terms of a clause are found; 0 where it does not fit."""
    times = 0
    for term in clause:
        found = sum(tuple(words[i : i + len(term.words)]) == term.words for i in range(len(words)))
        if bool(found) is not term.is_wanted:
            return 0
        times += found
    return times


def _parts(text: str, wanted: set[str]) -> Iterator[Part]:
    at = 0
    for match in _WORD.finditer(text):
        if _stem(match[0]) in wanted:
            if at < match.start():
                yield Part(text[at : match.start()], is_match=False)
            yield Part(match[0], is_match=True)
            at = match.end()
    if at < len(text):
        yield Part(text[at:], is_match=False)
