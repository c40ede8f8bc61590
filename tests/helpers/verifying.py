"""Rows and history of a server's database compared with its documents, as `collab verify` does."""

from __future__ import annotations

from collections.abc import Sequence

from crdt_docs.identifiers import DocumentKind, document_name, parse_uuid
from persistence.inspection import PostgresInspection
from persistence.pool import DatabasePool
from server.verification import Verification


async def findings(dsn: str, *sessions: str) -> Sequence[str]:
    """What is wrong with these sessions, or with any document; the whole log is gone through."""
    pool = await DatabasePool.open(dsn, size=2, command_timeout=60)
    try:
        inspection = PostgresInspection(pool)
        names = [document_name(DocumentKind.OCW, parse_uuid(each)) for each in sessions]
        verification = Verification(inspection, whole_log=True)
        return [
            str(finding)
            for name in names or await inspection.documents(limit=10_000)
            async for finding in verification.document(name)
        ]
    finally:
        await pool.close()
