"""What one room takes."""

from __future__ import annotations

from dataclasses import dataclass, field

from crdt_docs.awareness import AwarenessLimits
from crdt_docs.outline import DocumentLimits
from crdt_docs.update_guard import GuardLimits


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """Attributes:
    walk_at_once: bytes up to which an update is walked where it is received, unless it has
        thousands of structs.
    apply_at_once: structs and delete ranges up to which an update is one transaction.
    document_bytes: encoded size at which edits are refused, deletions excepted.
    objects: in one root map.
    """

    guard: GuardLimits = field(default_factory=GuardLimits)
    document: DocumentLimits = field(default_factory=DocumentLimits)
    awareness: AwarenessLimits = field(default_factory=AwarenessLimits)
    walk_at_once: int = 64 * 1024
    apply_at_once: int = 256
    document_bytes: int = 64 * 1024 * 1024
    objects: int = 100_000
