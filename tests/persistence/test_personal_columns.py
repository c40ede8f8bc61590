"""Every column that could tell of a person has its fate."""

from __future__ import annotations

from persistence.personal_columns import COLUMNS, Fate, fated
from persistence.pool import DatabasePool

_COULD_TELL = """
    SELECT part.relname AS table, attribute.attname AS column
    FROM pg_class AS part JOIN pg_attribute AS attribute ON attribute.attrelid = part.oid
    WHERE part.relnamespace = 'public'::regnamespace AND part.relkind IN ('r', 'p')
        AND NOT part.relispartition AND attribute.attnum > 0 AND NOT attribute.attisdropped
        AND attribute.atttypid IN (
            'uuid'::regtype, 'uuid[]'::regtype, 'text'::regtype, 'text[]'::regtype,
            'jsonb'::regtype, 'bytea'::regtype, 'inet'::regtype, 'cidr'::regtype
        )
"""


async def test_every_column_that_could_tell_of_a_person_is_listed(pool: DatabasePool) -> None:
    """A new column? Say in `persistence/personal_columns.py` what becomes of it when a person is
    forgotten, and have `persistence/privacy.py` do it."""
    async with pool.borrow() as connection:
        rows = await connection.fetch(_COULD_TELL)
    there = {(row["table"], row["column"]) for row in rows}
    listed = {(table, column) for table, columns in COLUMNS.items() for column in columns}
    assert listed == there


def test_columns_are_found_by_their_fate() -> None:
    assert fated("ocw_objects", Fate.ALIAS) == ("updated_by",)
    assert fated("ocw_object_history", Fate.ALIAS, Fate.ALIASES) == (
        "changed_by",
        "contributors",
        "relayed_by",
    )
    assert fated("documents", Fate.ALIAS) == ()
