"""Persons in audit events, and their pseudonyms (AUD-2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from crdt_docs.errors import Malformed
from crdt_docs.identifiers import parse_uuid
from crdt_docs.projection import Json, storable_text
from persistence.audit_ports import USER_TARGET, AuditEntry, AuditEvent, Detail, StoredEntry

LONGEST_TEXT = 512
"""Characters that are kept of any text."""


def persons_of(event: AuditEvent) -> frozenset[UUID]:
    """Everybody whom an event names."""
    named = {event.actor, event.via, event.origin.identity_id, _targeted(event.target)}
    named.update(_in_details(event.details))
    return frozenset(person for person in named if person is not None)


def _targeted(target: str | None) -> UUID | None:
    if target is None or not target.startswith(USER_TARGET):
        return None
    try:
        return parse_uuid(target.removeprefix(USER_TARGET))
    except Malformed:
        return None


def _in_details(detail: Detail) -> Iterator[UUID]:
    match detail:
        case UUID():
            yield detail
        case Mapping():
            for inner in detail.values():
                yield from _in_details(inner)
        case str():
            return
        case Sequence():
            for inner in detail:
                yield from _in_details(inner)
        case _:
            return


def pseudonymous(entry: AuditEntry, pseudonyms: Mapping[UUID, UUID]) -> StoredEntry:
    """An entry as it is kept.

    Args:
        pseudonyms: of everybody whom the event names.
    """
    event, origin = entry.event, entry.event.origin
    veil = _Veil(pseudonyms)
    return StoredEntry(
        id=entry.id,
        at=entry.at,
        action=event.action,
        actor=veil.person(event.actor),
        actor_kind=event.actor_kind,
        via=veil.person(event.via),
        session_id=event.session_id,
        target=None if event.target is None else veil.text(event.target),
        request_id=None if origin.request_id is None else veil.text(origin.request_id),
        identity_id=veil.person(origin.identity_id),
        network=origin.network,
        details={veil.text(name): veil.detail(told) for name, told in event.details.items()},
    )


def pseudonyms_in(entry: StoredEntry) -> frozenset[UUID]:
    """The pseudonyms in an entry, besides those in its details."""
    named = {entry.actor, entry.via, entry.identity_id, _targeted(entry.target)}
    return frozenset(pseudonym for pseudonym in named if pseudonym is not None)


def with_persons(entry: StoredEntry, persons: Mapping[UUID, UUID]) -> StoredEntry:
    """The entry, with those it names.

    Args:
        persons: whom pseudonyms mean.
    """
    known = {name: persons[name] for name in pseudonyms_in(entry) if name in persons}
    return replace(entry, persons=known)


class _Veil:
    """Puts pseudonyms in the place of persons."""

    def __init__(self, pseudonyms: Mapping[UUID, UUID]) -> None:
        self._pseudonyms = pseudonyms

    def person(self, person: UUID | None) -> UUID | None:
        return None if person is None else self._pseudonyms[person]

    def text(self, text: str) -> str:
        """Ids of objects and of requests are chosen by clients: they may hold anything."""
        text = storable_text(text[:LONGEST_TEXT])
        if "-" not in text:
            return text
        for person, pseudonym in self._pseudonyms.items():
            text = text.replace(str(person), str(pseudonym))
            text = text.replace(str(person).upper(), str(pseudonym))
        return text

    def detail(self, detail: Detail) -> Json:
        match detail:
            case UUID():
                return str(self._pseudonyms[detail])
            case Mapping():
                return {self.text(name): self.detail(inner) for name, inner in detail.items()}
            case str():
                return self.text(detail)
            case Sequence():
                return [self.detail(inner) for inner in detail]
            case _:
                return detail
