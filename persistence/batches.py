"""What every store asks of a batch before it looks at what it has."""

from __future__ import annotations

from collections.abc import Sequence

from crdt_docs.identifiers import DocumentName
from persistence.errors import SequenceGap
from persistence.ports import Commit


def check_consecutive(batch: Sequence[Commit]) -> None:
    """LOG-9 within a batch: each document's positions follow one another.

    Raises:
        SequenceGap: they do not.
    """
    last_seqs: dict[DocumentName, int] = {}
    for commit in batch:
        last = last_seqs.get(commit.document)
        if last is not None and commit.seq != last + 1:
            raise SequenceGap(f"{commit.document}: {commit.seq} does not follow on {last}")
        last_seqs[commit.document] = commit.seq
