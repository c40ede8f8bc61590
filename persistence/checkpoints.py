"""Which snapshots stay as checkpoints when they are replaced, and what a moment is made from.

`stays` and `SAVE_SNAPSHOT` say the same, in memory and in PostgreSQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

MOST_UPDATES = 10_000
"""Entries of a log after which the next snapshot stays: applying as many small ones takes less than
opening a large document (`python -m benchmarks past loading`)."""

MOST_BYTES = 4 * 1024 * 1024
"""Likewise bytes of a log, where the document itself is not larger than that."""

MOST_KNOWN = 50_000
"""Entries of a log that are applied to a known state, rather than opening another checkpoint."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Kept:
    """What storage still has of a document's log.

    Attributes:
        first: the oldest entry; one past the last where none is left.
        last: the newest.
    """

    first: int
    last: int

    def leads(self, after: int, to: int) -> bool:
        """Whether every entry after a position, up to another, is there."""
        return after == to or self.first <= after + 1


@dataclass(frozen=True, slots=True)
class Way:
    """How a moment is reached: from the state at `after`, through the log to `seq`."""

    seq: int
    after: int
    is_known: bool
    is_rounded: bool


def way_to(
    seq: int, kept: Kept, *, base: int, known: int | None = None, is_rounded: bool = False
) -> Way:
    """The way to a position.

    Args:
        base: the nearest checkpoint at it or before; 0: none.
        known: a position that whoever asks has the state of.
        is_rounded: the position is not quite what was asked for.
    """
    if known is not None and known <= seq and kept.leads(known, seq):
        is_shorter = known >= base or seq - known <= MOST_KNOWN
        if is_shorter:
            return Way(seq, known, is_known=True, is_rounded=is_rounded)
    if kept.leads(base, seq):
        return Way(seq, base, is_known=False, is_rounded=is_rounded)
    return Way(base, base, is_known=False, is_rounded=True)


def day_of(at: datetime) -> datetime:
    """When a day began, UTC."""
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def day_after(at: datetime) -> datetime:
    """When the next one begins."""
    return day_of(at) + _DAY


def stays(*, updates: int, size: int, state: int, at: datetime, replaced_at: datetime) -> bool:
    """Whether a snapshot becomes a checkpoint when a newer one replaces it.

    Args:
        updates: entries since the checkpoint before it; `size`: their bytes.
        state: bytes of the snapshot.
        at: time of its last entry.
        replaced_at: time of the last entry of the newer one: the last state of a day stays.
    """
    return (
        updates >= MOST_UPDATES
        or size >= max(MOST_BYTES, state)
        or day_of(at) < day_of(replaced_at)
    )


# The statement that replaces a snapshot keeps it as a checkpoint where `stays` says so. All of it
# sees the document as it was before. Another that runs at the same time may keep the same one.
SAVE_SNAPSHOT = f"""
WITH replaced AS (
    SELECT document.id, document.snapshot_seq AS seq, document.state, entry.committed_at,
        newer.committed_at AS replaced_at,
        coalesce((
            SELECT checkpoint.seq FROM document_checkpoints AS checkpoint
            WHERE checkpoint.document_id = document.id AND checkpoint.seq <= document.snapshot_seq
            ORDER BY checkpoint.seq DESC LIMIT 1
        ), 0) AS last_kept
    FROM documents AS document
    JOIN document_updates AS entry
        ON entry.document_id = document.id AND entry.seq = document.snapshot_seq
    JOIN document_updates AS newer ON newer.document_id = document.id AND newer.seq = $2
    WHERE document.name = $1 AND document.snapshot_seq < $2
), kept AS (
    INSERT INTO document_checkpoints (document_id, seq, committed_at, state)
    SELECT id, seq, committed_at, state FROM replaced
    WHERE seq - last_kept >= {MOST_UPDATES}
        OR date_trunc('day', committed_at, 'UTC') < date_trunc('day', replaced_at, 'UTC')
        OR greatest({MOST_BYTES}, octet_length(state)) <= (
            SELECT sum(octet_length(log.update)) FROM document_updates AS log
            WHERE log.document_id = replaced.id
                AND log.seq > replaced.last_kept AND log.seq <= replaced.seq
        )
    ON CONFLICT (document_id, seq) DO NOTHING
)
UPDATE documents SET snapshot_seq = $2, state = $3, outline = $4
WHERE name = $1 AND snapshot_seq < $2 AND last_seq >= $2
"""  # noqa: S608 - constants
