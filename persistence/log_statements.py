"""What `update_log` asks of PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from crdt_docs.identifiers import DocumentKind
from crdt_docs.object_kinds import ObjectKind
from persistence.object_tables import store_objects, tables_of

# One statement. `spans` is one row a document of the batch; `touched` makes or moves its row, but
# not where there would be a gap, and locks it: batches of one document follow one another. A
# position that is taken is left alone, and counted as missing from `stored`.
_STORE = """
WITH batch AS (
    SELECT name, seq, update, user_id, actor_kind, taken_back
    FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::uuid[], $5::text[], $10::text[])
        AS entry (name, seq, update, user_id, actor_kind, taken_back)
), spans AS (
    SELECT name, min(seq) AS first_seq, max(seq) AS last_seq FROM batch GROUP BY name ORDER BY name
), touched AS (
    INSERT INTO documents AS document (name, last_seq)
    SELECT name, last_seq FROM spans
    WHERE first_seq = 1 OR EXISTS (SELECT FROM documents WHERE documents.name = spans.name)
    ON CONFLICT (name) DO UPDATE
        SET last_seq = greatest(document.last_seq, excluded.last_seq), updated_at = now()
        WHERE document.last_seq + 1
            >= (SELECT first_seq FROM spans WHERE spans.name = document.name)
    RETURNING document.id, document.name
), stored AS (
    INSERT INTO document_updates (document_id, seq, update, user_id, actor_kind, taken_back)
    SELECT touched.id, batch.seq, batch.update, batch.user_id, batch.actor_kind, batch.taken_back
    FROM batch JOIN touched USING (name)
    ON CONFLICT (document_id, seq) DO NOTHING
    RETURNING document_id
), introduced AS (
    INSERT INTO document_authors (document_id, client_id, user_id, seq)
    SELECT DISTINCT ON (touched.id, author.client_id)
        touched.id, author.client_id, author.user_id, author.seq
    FROM unnest($6::text[], $7::bigint[], $8::uuid[], $9::bigint[])
        AS author (name, client_id, user_id, seq)
    JOIN touched USING (name)
    ORDER BY touched.id, author.client_id, author.seq
    ON CONFLICT (document_id, client_id) DO NOTHING
)"""

# How many entries of each document were stored now: always its last in the batch.
COMMIT = f"""{_STORE}
SELECT touched.name, count(stored.document_id) AS entries
FROM touched LEFT JOIN stored ON stored.document_id = touched.id
GROUP BY touched.name
"""  # noqa: S608 - constants


# The usual case, in one round trip and without a transaction block: every entry is new and fits,
# and so do the rows of objects. Otherwise a division by zero takes the statement back, and the
# careful way finds out why.
def _commit_new(kinds: Sequence[ObjectKind]) -> str:
    return f"""{_STORE}
        {store_objects(kinds, 13)}
        SELECT 1 / (
            (SELECT count(*) FROM touched) = $11 AND (SELECT count(*) FROM stored) = $12
        )::int
    """  # noqa: S608 - constants


# By what a batch changes: tables cost time also where nothing is written to them.
COMMIT_NEW = {
    kinds: _commit_new(kinds)
    for number in range(len(ObjectKind) + 1)
    for kinds in combinations(ObjectKind, number)
}

DIFFERING = """
SELECT entry.name, entry.seq
FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS entry (name, seq, update)
JOIN documents ON documents.name = entry.name
JOIN document_updates AS log ON log.document_id = documents.id AND log.seq = entry.seq
WHERE log.update <> entry.update
LIMIT 1
"""

LAST_SEQS = "SELECT name, last_seq FROM documents WHERE name = ANY ($1::text[])"

# One statement sees one moment: the snapshot and the tail fit together, whoever commits meanwhile.
LOAD = """
SELECT
    document.last_seq,
    document.snapshot_seq,
    document.state,
    document.outline,
    document.has_lost_changes,
    ARRAY(
        SELECT log.update FROM document_updates AS log
        WHERE log.document_id = document.id AND log.seq > document.snapshot_seq
        ORDER BY log.seq
    ) AS tail,
    ARRAY(
        SELECT author.client_id FROM document_authors AS author
        WHERE author.document_id = document.id ORDER BY author.client_id
    ) AS client_ids,
    ARRAY(
        SELECT author.user_id FROM document_authors AS author
        WHERE author.document_id = document.id ORDER BY author.client_id
    ) AS user_ids
FROM documents AS document
WHERE document.name = $1
"""

NOTE_LOSS = "UPDATE documents SET has_lost_changes = true WHERE name = ANY ($1::text[])"
NOTE_REPAIRED = """
UPDATE documents SET has_lost_changes = false WHERE name = $1 AND has_lost_changes
"""

LAST_SEQ = "SELECT last_seq FROM documents WHERE name = $1"

READ_LOG = """
SELECT log.seq, log.update, log.user_id, log.actor_kind, log.taken_back, ARRAY(
    SELECT author.client_id FROM document_authors AS author
    WHERE author.document_id = log.document_id AND author.seq = log.seq
    ORDER BY author.client_id
) AS introduced
FROM documents AS document
JOIN document_updates AS log ON log.document_id = document.id
WHERE document.name = $1 AND log.seq > $2
ORDER BY log.seq
LIMIT $3
"""


# Authors and named versions go by foreign key; the log and the rows have none (see the migrations).
def _delete(document: DocumentKind) -> str:
    owner_id = f"substr($1, {len(document) + 2})::uuid"
    rows = "".join(
        f", {table} AS (DELETE FROM {table} WHERE {owner} = {owner_id})"  # noqa: S608 - constants
        for table, owner in tables_of(document)
    )
    return f"""
        WITH gone AS (
            DELETE FROM documents WHERE name = $1::text RETURNING id
        ){rows}
        DELETE FROM document_updates WHERE document_id IN (SELECT id FROM gone)
    """  # noqa: S608 - constants


DELETE = {document: _delete(document) for document in DocumentKind}
