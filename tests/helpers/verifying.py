"""Rows and history of a server's database compared with its documents, as `collab verify` does."""

from __future__ import annotations

from collections.abc import Sequence

from crdt_docs.identifiers import DocumentKind, DocumentName, document_name, parse_uuid
from persistence.inspection import PostgresInspection
from persistence.pool import DatabasePool
from server.verification import Verification


async def findings(dsn: str, *documents: str) -> Sequence[str]:
    """What is wrong with these documents, or with any; the whole log is gone through.

    Args:
        documents: sessions by their ids, others by their names.
    """
    pool = await DatabasePool.open(dsn, size=2, command_timeout=60)
    try:
        inspection = PostgresInspection(pool)
        names = [DocumentName(each) if "/" in each else _session(each) for each in documents]
        verification = Verification(inspection, whole_log=True)
        return [
            str(finding)
            for name in names or await inspection.documents(limit=10_000)
            async for finding in verification.document(name)
        ]
    finally:
        await pool.close()


def _session(identifier: str) -> DocumentName:
    return document_name(DocumentKind.OCW, parse_uuid(identifier))
