"""What is written of objects beside the log: their rows and their history (HST-5, HST-6).

The changes of a batch become one `ObjectWrite` an object: where it ends, and the gestures that it
went through. `store_objects` takes those of each table as one JSON value, so that a statement has
two parameters more, however many columns there are. What was before the batch is read where it is,
in the table.

These are parts of the one statement that stores the log, and not a function in the database:
`persistence/SCHEMA.md` has what both take.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from uuid import UUID

from crdt_docs.gestures import ChangeKind, Step
from crdt_docs.identifiers import ActorKind, DocumentKind, DocumentName
from crdt_docs.projection import AnnotationState, ObjectState
from persistence.json_values import encode_json
from persistence.object_ports import ObjectChange, ObjectRoot, State
from persistence.ports import Commit

MAX_BYTES = 128 * 1024 * 1024
"""Of rows in one statement. PostgreSQL takes twice that in a value; what is more is halved."""


class Table(NamedTuple):
    """The table of a root, and the columns that are a row's state, with their types.

    Attributes:
        wide: of these, what may be large: written only when it changed, as an unchanged value
            stays where it is stored out of the row.
        by_agents: has a column for the agent who made it.
        blank: the state of what the database refuses (HST-7).
    """

    name: str
    history: str
    columns: Mapping[str, str]
    wide: frozenset[str]
    by_agents: bool
    blank: State

    @property
    def state(self) -> str:
        """SQL for the state of the row `o`, as the history keeps it."""
        pairs = ", ".join(f"'{column}', o.{column}" for column in self.columns)
        return f"jsonb_build_object({pairs})"


TABLES: Mapping[ObjectRoot, Table] = {
    ObjectRoot.OBJECTS: Table(
        "ocw_objects",
        "ocw_object_history",
        {
            "object_type": "text",
            "position": "jsonb",
            "size": "jsonb",
            "rotation": "double precision",
            "properties": "jsonb",
            "layer": "double precision",
            "is_locked": "boolean",
            "created_by": "text",
            "is_valid": "boolean",
        },
        frozenset({"properties"}),
        by_agents=False,
        blank=ObjectState(is_valid=False),
    ),
    ObjectRoot.ANNOTATIONS: Table(
        "ocw_annotations",
        "ocw_annotation_history",
        {
            "annotation_type": "text",
            "content": "text",
            "object_id": "text",
            "position": "jsonb",
            "resolved": "boolean",
            "created_by": "text",
            "is_valid": "boolean",
        },
        frozenset({"content"}),
        by_agents=True,
        blank=AnnotationState(is_valid=False),
    ),
}


def store_objects(root: ObjectRoot, parameter: str) -> str:
    """SQL that writes a table and its history, to follow other common table expressions.

    Args:
        root: whose table.
        parameter: where the statement gets `parameters` of it, such as `$12`.

    Everything goes through the primary key, by a lateral lookup or as a conflict: a plan that was
    made for empty tables is kept for long, and a join of whole tables would be slow by then.
    """
    table = TABLES[root]
    name, history, columns, wide, by_agents, _ = table
    kept = [*columns, *(["agent_id"] if by_agents else [])]
    given = ", ".join(
        f"CASE WHEN w.has_state OR o.id IS NULL THEN w.{column} ELSE o.{column} END AS {column}"
        for column in columns
    )
    if by_agents:
        given += ", CASE WHEN w.is_created THEN w.agent_id ELSE o.agent_id END AS agent_id"
    declared = ", ".join(f"{column} {kind}" for column, kind in columns.items())
    changes = ", ".join(
        f"{c} = CASE WHEN o.{c} = excluded.{c} THEN o.{c} ELSE excluded.{c} END"
        if c in wide
        else f"{c} = excluded.{c}"
        for c in kept
    )
    changes += "".join(
        f", {column} = excluded.{column}"
        for column in ("version", "created_at", "updated_by", "updated_at", "deleted_at")
    )
    row = f"""session_id, id, {", ".join(kept)}, version, created_at, updated_by, updated_at,
        deleted_at, search_text"""
    return f""", {name}_written AS MATERIALIZED (
    SELECT w.session_id, w.id, {given},
        w.updated_by, now() AS updated_at, CASE WHEN w.is_deleted THEN now() END AS deleted_at,
        CASE WHEN w.is_created OR o.id IS NULL THEN now() ELSE o.created_at END AS created_at,
        CASE WHEN o.id IS NOT NULL THEN o.version WHEN w.extends THEN 1 ELSE 0 END AS base,
        coalesce(o.version, w.extends::integer) + w.new_rows AS version, w.steps,
        CASE WHEN o.id IS NULL OR o.deleted_at IS NOT NULL OR w.extends THEN '{{}}'
            ELSE {table.state} END AS previous_state,
        w.search_text, o.id IS NULL OR w.has_state AND o.search_text <> w.search_text AS is_retold
    FROM jsonb_to_recordset(convert_from({parameter}, 'UTF8')::jsonb) AS w (
        session_id uuid, id text, {declared}, search_text text,
        has_state boolean, is_created boolean, is_deleted boolean, extends boolean,
        updated_by uuid, agent_id uuid, new_rows integer, steps jsonb
    ) LEFT JOIN LATERAL (
        SELECT * FROM {name} WHERE session_id = w.session_id AND id = w.id LIMIT 1
    ) AS o ON true
), {history}_written AS (
    INSERT INTO {history} AS h (
        session_id, object_id, version, previous_state, changed_by, actor_kind, contributors,
        relayed_by, change_type, update_seq
    )
    SELECT w.session_id, w.id, w.base + s.number, coalesce(s.previous_state, w.previous_state),
        s.changed_by, s.actor_kind, s.contributors, s.relayed_by, s.change_type, s.update_seq
    FROM {name}_written AS w CROSS JOIN LATERAL jsonb_to_recordset(w.steps) AS s (
        number integer, previous_state jsonb, changed_by uuid, actor_kind text,
        contributors uuid[], relayed_by uuid, change_type text, update_seq bigint
    )
    ORDER BY s.update_seq, w.id, s.number
    ON CONFLICT (session_id, object_id, version) DO UPDATE SET
        contributors = excluded.contributors, relayed_by = excluded.relayed_by,
        changed_until = now()
), {name}_moved AS (
    INSERT INTO {name} AS o ({row})
    SELECT {row.replace("search_text", "''")} FROM {name}_written WHERE NOT is_retold
    ON CONFLICT (session_id, id) DO UPDATE SET {changes}
), {name}_retold AS (
    INSERT INTO {name} AS o ({row})
    SELECT {row} FROM {name}_written WHERE is_retold
    ON CONFLICT (session_id, id) DO UPDATE SET {changes}, search_text = excluded.search_text
)"""  # noqa: S608 - constants


@dataclass(slots=True)
class ObjectWrite:
    """All that a batch changes of one object: where it ends, and what its history gets.

    Attributes:
        root: in whose table it is.
        id: its id in the document.
        state: the last one; None while the batch only deletes it.
        is_deleted: it ends deleted.
        is_created: it was created in this batch.
        updated_by: who changed it last.
        agent_id: who created it, if that was an agent.
        rows: of the history. The number 0 stands for the row that is there already.
    """

    session_id: UUID
    root: ObjectRoot
    id: str
    state: State | None = None
    is_deleted: bool = False
    is_created: bool = False
    updated_by: UUID | None = None
    agent_id: UUID | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, change: ObjectChange, seq: int) -> None:
        """The next change of the object, stored at a position of the log."""
        self._add_to_history(change.step, seq)
        if change.state is not None:
            self.state = change.state
        self.is_deleted = change.state is None
        if change.step.starts and change.step.kind is ChangeKind.CREATE:
            self.is_created = True
            self.agent_id = change.author.user_id if change.author.kind is ActorKind.AGENT else None
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
        """As `store_objects` takes it."""
        state = self.state or TABLES[self.root].blank
        return {
            **state._asdict(),
            "session_id": self.session_id,
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
        blank = TABLES[self.root].blank
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
    """What a batch changes, an object at a time; only OCW sessions have tables for theirs."""
    found: dict[tuple[DocumentName, ObjectRoot, str], ObjectWrite] = {}
    for commit in batch:
        for change in commit.changes:
            key = (commit.document, change.root, change.id)
            write = found.get(key)
            if write is None:
                session_id = session_of(commit.document)
                if session_id is None:
                    continue
                write = found[key] = ObjectWrite(session_id, change.root, change.id)
            write.add(change, commit.seq)
    return list(found.values())


def session_of(document: DocumentName) -> UUID | None:
    """The OCW session whose document it is."""
    kind, _, identifier = document.partition("/")
    return UUID(identifier) if kind == DocumentKind.OCW else None


def parameters(found: Iterable[ObjectWrite]) -> tuple[bytes, ...]:
    """Of a statement made with `store_objects`: a JSON array for each `ObjectRoot`, in its order.

    Raises:
        ValueError: too much for one statement, or no JSON.
    """
    by_root: dict[ObjectRoot, list[dict[str, Any]]] = {root: [] for root in ObjectRoot}
    for write in found:
        by_root[write.root].append(write.as_json())
    try:
        encoded = tuple(encode_json(rows) for rows in by_root.values())
    except TypeError as error:
        raise ValueError(f"no JSON: {error}") from error
    size = sum(map(len, encoded))
    if size > MAX_BYTES:
        raise ValueError(f"{size} bytes of rows at once")
    return encoded
