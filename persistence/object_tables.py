"""The tables of objects and annotations, and the SQL that writes them (HST-5, HST-6).

It is part of the one statement that stores the log, and not a function in the database:
`persistence/SCHEMA.md` has what both take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from crdt_docs.identifiers import DocumentKind
from crdt_docs.object_changes import State
from crdt_docs.object_kinds import KINDS, ObjectKind
from crdt_docs.projection import AnnotationState, ObjectState, XrObjectState


class Table(NamedTuple):
    """The table of a kind, and the columns that are a row's state, with their types.

    Attributes:
        owner: the column, also of the history, with the id in the document's name.
        wide: of these, what may be large: written only when it changed, as an unchanged value
            stays where it is stored out of the row.
        by_agents: has a column for the agent who made it.
        blank: the state of what the database refuses (HST-7).
    """

    name: str
    history: str
    owner: str
    columns: Mapping[str, str]
    wide: frozenset[str]
    by_agents: bool
    blank: State

    @property
    def state(self) -> str:
        """SQL for the state of the row `o`, as the history keeps it."""
        pairs = ", ".join(f"'{column}', o.{column}" for column in self.columns)
        return f"jsonb_build_object({pairs})"


TABLES: Mapping[ObjectKind, Table] = {
    ObjectKind.OCW_OBJECT: Table(
        "ocw_objects",
        "ocw_object_history",
        "session_id",
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
    ObjectKind.OCW_ANNOTATION: Table(
        "ocw_annotations",
        "ocw_annotation_history",
        "session_id",
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
    ObjectKind.XR_OBJECT: Table(
        "xr_objects",
        "xr_object_history",
        "room_id",
        {
            "object_type": "text",
            "position": "jsonb",
            "rotation": "jsonb",
            "scale": "jsonb",
            "parent_id": "text",
            "asset_url": "text",
            "properties": "jsonb",
            "is_interactive": "boolean",
            "is_locked": "boolean",
            "lifetime": "text",
            "created_by": "text",
            "is_valid": "boolean",
        },
        frozenset({"properties", "asset_url"}),
        by_agents=False,
        blank=XrObjectState(is_valid=False),
    ),
}


def tables_of(document: DocumentKind) -> list[tuple[str, str]]:
    """The tables of a document's objects and of their history, each with its `owner`."""
    tables = [TABLES[kind] for kind in KINDS[document]]
    return [(name, table.owner) for table in tables for name in (table.name, table.history)]


def store_objects(kinds: Sequence[ObjectKind], first: int) -> str:
    """SQL that writes tables and their history, to follow other common table expressions.

    Args:
        kinds: whose tables.
        first: number of the parameter from which on the statement gets what
            `object_rows.parameters` has for these kinds.

    Everything goes through the primary key, by a lateral lookup or as a conflict: a plan that was
    made for empty tables is kept for long, and a join of whole tables would be slow by then.
    """
    numbered = enumerate(kinds, start=first)
    return "".join(_store(TABLES[kind], f"${number}") for number, kind in numbered)


def _store(table: Table, parameter: str) -> str:
    return f""", {table.name}_written AS MATERIALIZED (
{_what_is_written(table, parameter)}
), {table.history}_written AS (
{_write_history(table)}
), {table.name}_moved AS (
{_write_rows(table, with_text=False)}
), {table.name}_retold AS (
{_write_rows(table, with_text=True)}
)"""


def _what_is_written(table: Table, parameter: str) -> str:
    """The rows as they will be, with what their history needs to know of them as they were.

    `base` is the version of the row that is there, or would be, if only extended.
    """
    declared = ", ".join(f"{column} {its_type}" for column, its_type in table.columns.items())
    given = "".join(
        f"CASE WHEN w.has_state OR o.id IS NULL THEN w.{column} ELSE o.{column} END AS {column}, "
        for column in table.columns
    )
    if table.by_agents:
        given += "CASE WHEN w.is_created THEN w.agent_id ELSE o.agent_id END AS agent_id, "
    return f"""
    SELECT w.{table.owner}, w.id, {given}
        CASE WHEN w.is_created OR o.id IS NULL THEN now() ELSE o.created_at END AS created_at,
        w.updated_by, now() AS updated_at, CASE WHEN w.is_deleted THEN now() END AS deleted_at,
        coalesce(o.version, w.extends::integer) AS base,
        coalesce(o.version, w.extends::integer) + w.new_rows AS version, w.steps,
        CASE WHEN o.id IS NULL OR o.deleted_at IS NOT NULL OR w.extends THEN '{{}}'
            ELSE {table.state} END AS previous_state,
        w.search_text, o.id IS NULL OR w.has_state AND o.search_text <> w.search_text AS is_retold
    FROM jsonb_to_recordset(convert_from({parameter}, 'UTF8')::jsonb) AS w (
        {table.owner} uuid, id text, {declared}, search_text text,
        has_state boolean, is_created boolean, is_deleted boolean, extends boolean,
        updated_by uuid, agent_id uuid, new_rows integer, steps jsonb
    ) LEFT JOIN LATERAL (
        SELECT * FROM {table.name} WHERE {table.owner} = w.{table.owner} AND id = w.id LIMIT 1
    ) AS o ON true"""  # noqa: S608 - constants


def _write_history(table: Table) -> str:
    """A row that is there already is extended (HST-2). Where the one that was begun was refused
    (HST-7), that is the one before it: who took part in it stays."""
    return f"""
    INSERT INTO {table.history} AS h (
        {table.owner}, object_id, version, previous_state, changed_by, actor_kind, contributors,
        relayed_by, change_type, update_seq
    )
    SELECT w.{table.owner}, w.id, w.base + s.number, coalesce(s.previous_state, w.previous_state),
        s.changed_by, s.actor_kind, s.contributors, s.relayed_by, s.change_type, s.update_seq
    FROM {table.name}_written AS w CROSS JOIN LATERAL jsonb_to_recordset(w.steps) AS s (
        number integer, previous_state jsonb, changed_by uuid, actor_kind text,
        contributors uuid[], relayed_by uuid, change_type text, update_seq bigint
    )
    ORDER BY s.update_seq, w.id, s.number
    ON CONFLICT ({table.owner}, object_id, version) DO UPDATE SET
        contributors = CASE WHEN excluded.contributors @> h.contributors THEN excluded.contributors
            ELSE h.contributors || ARRAY(
                SELECT c FROM unnest(excluded.contributors) WITH ORDINALITY AS further (c, number)
                WHERE c <> ALL (h.contributors) ORDER BY number
            ) END,
        relayed_by = coalesce(h.relayed_by, excluded.relayed_by), changed_until = now()"""  # noqa: S608 - constants


def _write_rows(table: Table, *, with_text: bool) -> str:
    """The search text is left alone where it is the same: its stems are made anew for each value
    that is given, and once more for the row that is proposed."""
    columns = [*table.columns, *(["agent_id"] if table.by_agents else [])]
    columns += ["version", "created_at", "updated_by", "updated_at", "deleted_at"]
    changes = ", ".join(
        f"{c} = CASE WHEN o.{c} = excluded.{c} THEN o.{c} ELSE excluded.{c} END"
        if c in table.wide
        else f"{c} = excluded.{c}"
        for c in [*columns, *(["search_text"] if with_text else [])]
    )
    return f"""
    INSERT INTO {table.name} AS o ({table.owner}, id, {", ".join(columns)}, search_text)
    SELECT {table.owner}, id, {", ".join(columns)}, {"search_text" if with_text else "''"}
    FROM {table.name}_written WHERE {"is_retold" if with_text else "NOT is_retold"}
    ON CONFLICT ({table.owner}, id) DO UPDATE SET {changes}"""  # noqa: S608 - constants
