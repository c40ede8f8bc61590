"""Names of documents and people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType
from uuid import UUID

from crdt_docs.errors import Malformed

DocumentName = NewType("DocumentName", str)
"""`<kind>/<uuid>`, lower case: `ocw/6f1c…`. Names one CRDT document everywhere."""


class DocumentKind(StrEnum):
    """What a document belongs to; the first part of its name."""

    OCW = "ocw"
    XR = "xr"
    THREAD = "thread"


class ActorKind(StrEnum):
    """Who stands behind a connection or an edit."""

    USER = "user"
    AGENT = "agent"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is, as the token says.

    Attributes:
        user_id: the platform's id of the person, agent or service.
        name: shown to others; None where the token names nobody.
        kind: person, AI agent or backend service.
    """

    user_id: UUID
    name: str | None = None
    kind: ActorKind = ActorKind.USER


def parse_uuid(text: str) -> UUID:
    """Read a UUID in its canonical 36-character form, upper or lower case.

    Raises:
        Malformed: for anything else, also for the braces, URN and bare-hex forms that
            `uuid.UUID` takes: one document must have one name.
    """
    if len(text) == 36 and text.isascii():
        try:
            value = UUID(text)
        except ValueError:
            pass
        else:
            if str(value) == text.lower():
                return value
    raise Malformed("an id must be a UUID such as 123e4567-e89b-42d3-a456-426614174000")


def document_name(kind: DocumentKind, identifier: UUID) -> DocumentName:
    """The one name of a document."""
    return DocumentName(f"{kind.value}/{identifier}")


def kind_of(document: DocumentName) -> DocumentKind:
    """What a document belongs to."""
    return DocumentKind(document.partition("/")[0])


def id_of(document: DocumentName) -> UUID:
    """The id of what a document belongs to."""
    return UUID(document.partition("/")[2])
