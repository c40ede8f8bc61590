"""Stores that forget everything with the process; nothing that `collab serve` loads."""

from __future__ import annotations

from contextlib import AsyncExitStack

from persistence.memory_answers import MemoryAnswerStore
from persistence.memory_audit import MemoryAuditStore
from persistence.memory_privacy import MemoryPrivacyStore
from persistence.memory_search import MemorySearch
from persistence.memory_sessions import MemorySessionStore
from persistence.memory_store import MemoryDocumentStore
from persistence.memory_tokens import MemoryTokenStore
from persistence.memory_visits import MemoryVisitStore
from persistence.memory_xr_stores import xr_in_memory
from persistence.memory_xr_tables import MemoryXrTables
from server.settings import Settings
from server.stores import Stores


async def open_memory(settings: Settings, stack: AsyncExitStack) -> Stores:
    """As `open_postgres`, of `memory_stores`."""
    return memory_stores()


def memory_stores() -> Stores:
    """Stores that forget everything with the process: for tests and demonstrations."""
    documents, sessions = MemoryDocumentStore(), MemorySessionStore()
    answers, tokens = MemoryAnswerStore(), MemoryTokenStore()
    xr = MemoryXrTables()
    audit = MemoryAuditStore(sessions.workspace_of, xr.workspace_of)
    visits = MemoryVisitStore(sessions.note_seen)
    return Stores(
        documents=documents,
        objects=documents.objects,
        search=MemorySearch(sessions, documents.objects),
        archive=documents.archive,
        inspection=None,
        sessions=sessions,
        answers=answers,
        tokens=tokens,
        audit=audit,
        visits=visits,
        xr=xr_in_memory(xr),
        privacy=MemoryPrivacyStore(
            documents, sessions, answers=answers, audit=audit, visits=visits, tokens=tokens, xr=xr
        ),
        is_up=lambda: True,
    )
