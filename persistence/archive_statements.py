"""What `archive` asks of PostgreSQL. Every statement finds its rows by an index."""

from __future__ import annotations

from persistence.archive_ports import MAX_NAMED

DOCUMENT = """
SELECT document.id, document.last_seq, document.snapshot_seq, document.created_at,
    coalesce(
        (SELECT seq FROM document_updates WHERE document_id = document.id ORDER BY seq LIMIT 1),
        document.last_seq + 1
    ) AS first_seq
FROM documents AS document
WHERE document.name = $1
"""

# The last entry that was committed at a time or before, from the position before the first entry
# that is kept ($2) to the last one ($3). Positions and times ascend together: no index is needed
# besides the primary key, which every commit would have to write.
LAST_BEFORE = """
WITH RECURSIVE search AS (
    SELECT $2::bigint AS low, $3::bigint AS high
    UNION ALL
    SELECT
        CASE WHEN entry.committed_at <= $4 THEN middle.seq ELSE search.low END,
        CASE WHEN entry.committed_at <= $4 THEN search.high ELSE middle.seq - 1 END
    FROM search
    CROSS JOIN LATERAL (SELECT (search.low + search.high + 1) / 2 AS seq) AS middle
    JOIN LATERAL (
        SELECT log.committed_at FROM document_updates AS log
        WHERE log.document_id = $1 AND log.seq = middle.seq
    ) AS entry ON true
    WHERE search.low < search.high
)
SELECT low FROM search WHERE low = high
"""

CHECKPOINT_BEFORE = """
SELECT seq FROM document_checkpoints WHERE document_id = $1 AND committed_at <= $2
ORDER BY seq DESC LIMIT 1
"""

BASE = """
SELECT greatest(
    (SELECT seq FROM document_checkpoints
    WHERE document_id = $1 AND seq <= $2 ORDER BY seq DESC LIMIT 1),
    (SELECT snapshot_seq FROM documents WHERE id = $1 AND snapshot_seq <= $2),
    0
)
"""

TIME_OF = """
SELECT coalesce(
    (SELECT committed_at FROM document_updates WHERE document_id = $1 AND seq = $2),
    (SELECT committed_at FROM document_checkpoints WHERE document_id = $1 AND seq = $2)
)
"""

STATE = """
SELECT state FROM document_checkpoints WHERE document_id = $1 AND seq = $2
UNION ALL
SELECT state FROM documents WHERE id = $1 AND snapshot_seq = $2
LIMIT 1
"""

SIZE = """
SELECT coalesce(sum(octet_length(update)), 0)::bigint FROM document_updates
WHERE document_id = $1 AND seq > $2 AND seq <= $3
"""

TAIL = """
SELECT update FROM document_updates
WHERE document_id = $1 AND seq > $2 AND seq <= $3
ORDER BY seq
"""

KEEP = """
WITH entry AS (
    SELECT log.document_id, log.seq, log.committed_at
    FROM documents AS document
    JOIN document_updates AS log ON log.document_id = document.id AND log.seq = $2
    WHERE document.name = $1
), kept AS (
    INSERT INTO document_checkpoints (document_id, seq, committed_at, state)
    SELECT document_id, seq, committed_at, $3 FROM entry
    ON CONFLICT (document_id, seq) DO NOTHING
)
SELECT EXISTS (SELECT FROM entry) OR EXISTS (
    SELECT FROM documents AS document
    JOIN document_checkpoints AS checkpoint ON checkpoint.document_id = document.id
    WHERE document.name = $1 AND checkpoint.seq = $2
)
"""

KEEP_VIEW = """
INSERT INTO document_views AS kept (document_id, seq, view)
SELECT id, $2, $3 FROM documents WHERE name = $1 AND last_seq = $2
ON CONFLICT (document_id) DO UPDATE SET seq = excluded.seq, view = excluded.view
    WHERE kept.seq < excluded.seq
"""

VIEWED_SEQ = """
SELECT kept.seq FROM documents AS document
JOIN document_views AS kept ON kept.document_id = document.id
WHERE document.name = $1
"""

VIEW = """
SELECT kept.view FROM documents AS document
JOIN document_views AS kept ON kept.document_id = document.id
WHERE document.name = $1 AND kept.seq = document.last_seq
"""

LAST_SEQ = "SELECT last_seq FROM documents WHERE name = $1"

NAMED = "named.id, named.label, named.seq, named.committed_at, named.created_by, named.created_at"

NAME = f"""
INSERT INTO document_snapshots AS named (document_id, seq, label, created_by, committed_at)
SELECT document.id, $2, $3, $4, found.committed_at
FROM documents AS document
CROSS JOIN LATERAL (
    SELECT committed_at FROM document_updates WHERE document_id = document.id AND seq = $2
    UNION ALL
    SELECT committed_at FROM document_checkpoints WHERE document_id = document.id AND seq = $2
    LIMIT 1
) AS found
WHERE document.name = $1 AND (
    SELECT count(*) FROM document_snapshots WHERE document_id = document.id
) < {MAX_NAMED}
RETURNING {NAMED}
"""  # noqa: S608 - constants

COUNT_NAMED = """
SELECT count(*) FROM document_snapshots AS named
JOIN documents AS document ON document.id = named.document_id
WHERE document.name = $1
"""

NAMED_PAGE = f"""
SELECT {NAMED} FROM document_snapshots AS named
WHERE named.document_id = (SELECT id FROM documents WHERE name = $1)
    AND (named.created_at, named.id) < ($2, $3)
ORDER BY named.created_at DESC, named.id DESC
LIMIT $4
"""  # noqa: S608 - constants

FIND_NAMED = f"""
SELECT {NAMED} FROM document_snapshots AS named
JOIN documents AS document ON document.id = named.document_id
WHERE document.name = $1 AND named.id = $2
"""  # noqa: S608 - constants

FORGET_NAMED = """
DELETE FROM document_snapshots AS named USING documents AS document
WHERE document.id = named.document_id AND document.name = $1 AND named.id = $2
"""

# A page by names, each with one look at where its log begins.
DUE = """
SELECT document.name
FROM documents AS document
CROSS JOIN LATERAL (
    SELECT log.seq, log.committed_at FROM document_updates AS log
    WHERE log.document_id = document.id ORDER BY log.seq LIMIT 1
) AS oldest
WHERE document.name > $2 AND oldest.committed_at < $1 AND document.snapshot_seq >= oldest.seq
ORDER BY document.name
LIMIT $3
"""

FIRST_LACKING = """
SELECT min(named.seq) FROM document_snapshots AS named
WHERE named.document_id = $1 AND named.seq BETWEEN $2 AND $3 AND NOT EXISTS (
    SELECT FROM document_checkpoints AS checkpoint
    WHERE checkpoint.document_id = named.document_id AND checkpoint.seq = named.seq
)
"""

KEEP_CURRENT = """
INSERT INTO document_checkpoints (document_id, seq, committed_at, state)
SELECT document.id, log.seq, log.committed_at, document.state
FROM documents AS document
JOIN document_updates AS log ON log.document_id = document.id AND log.seq = document.snapshot_seq
WHERE document.id = $1 AND document.snapshot_seq = $2
ON CONFLICT (document_id, seq) DO NOTHING
"""

IS_KEPT = "SELECT EXISTS (SELECT FROM document_checkpoints WHERE document_id = $1 AND seq = $2)"

# Only up to a checkpoint, and never what opening reads.
REMOVE = """
WITH merged AS (
    SELECT document.id FROM documents AS document
    JOIN document_checkpoints AS checkpoint ON checkpoint.document_id = document.id
    WHERE document.name = $1 AND checkpoint.seq = $2 AND document.snapshot_seq >= $2
), oldest AS (
    SELECT log.document_id, log.seq FROM document_updates AS log
    WHERE log.document_id = (SELECT id FROM merged) AND log.seq <= $2
    ORDER BY log.seq LIMIT $3
)
DELETE FROM document_updates AS log USING oldest
WHERE log.document_id = oldest.document_id AND log.seq = oldest.seq
"""

THIN_OUT = """
WITH last AS (
    SELECT checkpoint.document_id, checkpoint.seq,
        date_trunc('day', checkpoint.committed_at, 'UTC') AS day
    FROM documents AS document
    JOIN document_checkpoints AS checkpoint ON checkpoint.document_id = document.id
    WHERE document.name = $1 AND checkpoint.seq = $2 AND NOT EXISTS (
        SELECT FROM document_updates AS log
        WHERE log.document_id = document.id AND log.seq <= $2
    )
)
DELETE FROM document_checkpoints AS checkpoint USING last
WHERE checkpoint.document_id = last.document_id AND checkpoint.seq < last.seq
    AND checkpoint.committed_at >= last.day
    AND NOT EXISTS (
        SELECT FROM document_snapshots AS named
        WHERE named.document_id = checkpoint.document_id AND named.seq = checkpoint.seq
    )
"""
