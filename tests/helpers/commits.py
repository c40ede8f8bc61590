"""Log entries for tests of storage."""

from __future__ import annotations

from uuid import UUID

from crdt_docs.identifiers import ActorKind, DocumentKind, DocumentName, document_name
from persistence.ports import Commit

ANA = UUID("0a000000-0000-4000-8000-00000000000a")
BEN = UUID("0b000000-0000-4000-8000-00000000000b")


def document(number: int, kind: DocumentKind = DocumentKind.OCW) -> DocumentName:
    """The name of one of many documents."""
    return document_name(kind, UUID(int=number + 1))


def commit(
    name: DocumentName,
    seq: int,
    update: bytes | None = None,
    *,
    user_id: UUID | None = ANA,
    actor_kind: ActorKind = ActorKind.USER,
    introduced: tuple[int, ...] = (),
) -> Commit:
    """One entry; its update says where it belongs unless another is given."""
    content = f"{name}#{seq}".encode() if update is None else update
    return Commit(name, seq, content, user_id, actor_kind, introduced)


def log_of(name: DocumentName, first: int, last: int) -> list[Commit]:
    """The entries `first` to `last` of a document."""
    return [commit(name, seq) for seq in range(first, last + 1)]
