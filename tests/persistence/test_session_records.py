"""Records of a session: every column there is, and values that come back as they were."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_docs.errors import Malformed
from persistence.pool import DatabasePool
from persistence.session_records import (
    KINDS_OF,
    LEFT_OUT,
    RECORDS,
    RecordKind,
    decode_record,
    encode_record,
)

ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)

_COLUMNS = """
    SELECT column_name, data_type FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = $1
"""

_TABLES = """
    SELECT DISTINCT table_name FROM information_schema.columns
    JOIN pg_class ON pg_class.oid = table_name::regclass AND NOT relispartition
    WHERE table_schema = 'public' AND column_name IN ('session_id', 'room_id', 'document_id')
"""


def test_each_kind_belongs_to_a_session_or_a_room() -> None:
    """In the order of all kinds, which is that of the list of tables."""
    assert list(RECORDS) == list(RecordKind)
    order = [*RecordKind]
    for kinds in KINDS_OF.values():
        assert [*kinds] == sorted(kinds, key=order.index)
    assert {kind for kinds in KINDS_OF.values() for kind in kinds} == {*RecordKind}


async def test_every_column_of_a_session_is_exported_or_made_again(pool: DatabasePool) -> None:
    async with pool.borrow() as connection:
        for records in RECORDS.values():
            there = {row["column_name"] for row in await connection.fetch(_COLUMNS, records.table)}
            known = {*records.columns, *records.made, records.owner}
            assert there - {"id"} == known - {"id"}, records.table


async def test_every_table_that_belongs_to_a_session_is_exported(pool: DatabasePool) -> None:
    async with pool.borrow() as connection:
        there = {row["table_name"] for row in await connection.fetch(_TABLES)}
    exported = {records.table for records in RECORDS.values()}
    assert there - LEFT_OUT <= exported


VERSION: dict[str, Any] = {
    "object_id": "ü",
    "version": 3,
    "previous_state": {"a": [1, None, 2.5]},
    "changed_by": uuid4(),
    "actor_kind": "user",
    "contributors": [uuid4(), uuid4()],
    "relayed_by": None,
    "changed_at": datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC),
    "changed_until": datetime(2026, 2, 3, tzinfo=timezone(timedelta(hours=-3))),
    "change_type": "update",
    "update_seq": 2**62,
}
UPDATE: dict[str, Any] = {
    "seq": 1,
    "update": bytes(range(256)),
    "user_id": None,
    "actor_kind": "service",
    "taken_back": '[["objects","a"]]',
    "committed_at": datetime(2026, 2, 3, tzinfo=UTC),
}


@pytest.mark.parametrize(
    ("kind", "row"),
    [(RecordKind.OBJECT_VERSION, VERSION), (RecordKind.UPDATE, UPDATE)],
)
def test_what_is_written_is_read_again(kind: RecordKind, row: dict[str, Any]) -> None:
    assert decode_record(kind, encode_record(kind, row)) == row


@given(
    st.sampled_from(RecordKind),
    st.data(),
)
def test_any_values_are_a_row_or_malformed(kind: RecordKind, data: st.DataObject) -> None:
    values = {
        name: data.draw(ANY_VALUE) for name in RECORDS[kind].columns if data.draw(st.booleans())
    }
    with contextlib.suppress(Malformed):
        row = decode_record(kind, values)
        assert row.keys() == RECORDS[kind].columns.keys()
