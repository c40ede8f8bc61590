"""What is written of objects beside the log: their rows and their history (HST-5, HST-6).

The changes of a batch become one `ObjectWrite` an object: where it ends, and the gestures that it
went through. A statement takes those of each table as one JSON value, so that it has two
parameters more, however many columns there are. What was before the batch is read where it is, in
the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from crdt_docs.gestures import ChangeKind, Step
from crdt_docs.identifiers import ActorKind, DocumentKind, DocumentName, id_of, kind_of
from crdt_docs.object_changes import ObjectChange, State
from crdt_docs.object_kinds import ObjectKind, kinds_in
from persistence.json_values import encode_json
from persistence.object_tables import TABLES
from persistence.ports import Commit

BYTES_AT_ONCE = 8 * 1024 * 1024
"""Of rows in one statement; what is more is halved. The stems of texts are made at a megabyte a
second, at worst slower, and a statement that always takes longer than it may would never end."""

MAX_BYTES = 128 * 1024 * 1024
"""Of a row that is alone in its statement. PostgreSQL takes twice that in a value."""


@dataclass(slots=True)
class ObjectWrite:
    """All that a batch changes of one object: where it ends, and what its history gets.

    Attributes:
        owner_id: in the name of its document.
        kind: in whose table it is.
        id: its id in the document.
        state: the last one; None while the batch only deletes it.
        is_deleted: it ends deleted.
        is_created: it was created in this batch.
        updated_by: who changed it last.
        agent_id: who created it, if that was an agent.
        rows: of the history. The number 0 stands for the row that is there already.
    """

    owner_id: UUID
    kind: ObjectKind
    id: str
    state: State | None = None
    is_deleted: bool = False
    is_created: bool = False
    updated_by: UUID | None = None
    agent_id: UUID | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, change: ObjectChange, seq: int) -> None:
        """The next change of the object, stored at a position of the log."""
        step = change.step
        self._add_to_history(step, seq)
        if change.state is not None:
            self.state = change.state
        self.is_deleted = change.state is None
        if step.starts and step.kind is ChangeKind.CREATE:
            self.is_created = True
            creator = step.changed_by  # others may have touched it before it was stored
            self.agent_id = creator.user_id if creator.kind is ActorKind.AGENT else None
        self.updated_by = change.author.user_id

    def _add_to_history(self, step: Step, seq: int) -> None:
        if self.rows and not step.starts:
            self.rows[-1]["contributors"] = step.contributors
            self.rows[-1]["relayed_by"] = step.relayed_by
            return
        row = {
            "number": self.rows[-1]["number"] + 1 if self.rows else int(step.starts),
            "changed_by": step.changed_by.user_id,
            "actor_kind": step.changed_by.kind,
            "contributors": step.contributors,
            "relayed_by": step.relayed_by,
            "change_type": step.kind,
            "update_seq": seq,
        }
        if self.rows:  # otherwise it is read from the table
            row["previous_state"] = {} if self.is_deleted else stated(self.state)
        self.rows.append(row)

    def as_json(self) -> dict[str, Any]:
        """As `object_tables.store_objects` takes it."""
        table = TABLES[self.kind]
        state = self.state or table.blank
        return {
            **state._asdict(),
            table.owner: self.owner_id,
            "id": self.id,
            "has_state": self.state is not None,
            "is_created": self.is_created,
            "is_deleted": self.is_deleted,
            "extends": self.rows[0]["number"] == 0,
            "updated_by": self.updated_by,
            "agent_id": self.agent_id,
            "new_rows": self.rows[-1]["number"],
            "steps": self.rows,
        }

    def blanked(self) -> ObjectWrite:
        """The same without any content, for when the database refuses it (HST-7)."""
        blank = TABLES[self.kind].blank
        rows = [
            {**row, "previous_state": stated(blank)} if row.get("previous_state") else row
            for row in self.rows
        ]
        return replace(self, state=self.state and blank, rows=rows)


def stated(state: State | None) -> dict[str, Any]:
    """A state as the history keeps it."""
    if state is None:
        return {}
    fields = state._asdict()
    del fields["search_text"]
    return fields


def writes(batch: Iterable[Commit]) -> list[ObjectWrite]:
    """What a batch changes, an object at a time; of what documents have tables for."""
    found: dict[tuple[DocumentName, ObjectKind, str], ObjectWrite] = {}
    for commit in batch:
        if not commit.changes:
            continue
        document, seq = commit.document, commit.seq
        owner_id, kinds = id_of(document), kinds_in(document)
        for change in commit.changes:
            if change.kind not in kinds:
                continue
            key = (document, change.kind, change.id)
            write = found.get(key)
            if write is None:
                write = found[key] = ObjectWrite(owner_id, change.kind, change.id)
            write.add(change, seq)
    return list(found.values())


def session_of(document: DocumentName) -> UUID | None:
    """The OCW session whose document it is."""
    return id_of(document) if kind_of(document) is DocumentKind.OCW else None


def parameters(
    found: Sequence[ObjectWrite], kinds: Iterable[ObjectKind] = tuple(ObjectKind)
) -> tuple[bytes, ...]:
    """For `object_tables.store_objects`: a JSON array for each of these kinds, in their order.

    Raises:
        KeyError: something is of another kind.
        ValueError: too much for one statement, or no JSON.
    """
    limit = BYTES_AT_ONCE if len(found) > 1 else MAX_BYTES
    by_kind: dict[ObjectKind, list[bytes]] = {kind: [] for kind in kinds}
    size = 0
    for write in found:
        try:
            encoded = encode_json(write.as_json())
        except TypeError as error:
            raise ValueError(f"no JSON: {error}") from error
        size += len(encoded)
        if size > limit:  # before the rest is encoded: half of it will be
            raise ValueError(f"more than {limit} bytes of rows at once")
        by_kind[write.kind].append(encoded)
    return tuple(b"[" + b",".join(rows) + b"]" for rows in by_kind.values())
