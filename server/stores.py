"""Where everything is kept, and opening it in PostgreSQL; `memory_stores` has it in memory."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from persistence.answer_ports import AnswerStore
from persistence.archive import PostgresArchive
from persistence.archive_ports import Archive
from persistence.audit_log import PostgresAuditStore
from persistence.audit_ports import AuditStore
from persistence.database_lock import DatabaseLock
from persistence.inspection import PostgresInspection
from persistence.inspection_ports import Inspection
from persistence.kept_answers import PostgresAnswerStore
from persistence.lookup_ports import ObjectLookup
from persistence.object_lookup import PostgresObjectLookup
from persistence.pool import DatabasePool
from persistence.ports import DocumentStore, SessionStore
from persistence.privacy import PostgresPrivacyStore
from persistence.privacy_ports import PrivacyStore
from persistence.search import PostgresSearch
from persistence.search_ports import Search
from persistence.sessions import PostgresSessionStore
from persistence.token_ports import TokenStore
from persistence.tokens import PostgresTokenStore
from persistence.update_log import PostgresDocumentStore
from persistence.visit_ports import VisitStore
from persistence.visits import PostgresVisitStore
from persistence.xr_stores import XrStores, xr_in_postgres
from server.database_watch import DatabaseWatch
from server.settings import Settings


@dataclass(frozen=True, slots=True)
class Stores:
    """Where things are kept.

    Attributes:
        inspection: compares rows with logs; None where both are gone with the process.
        is_up: whether storage answered when it was last spoken to.
    """

    documents: DocumentStore
    objects: ObjectLookup
    search: Search
    archive: Archive
    inspection: Inspection | None
    sessions: SessionStore
    answers: AnswerStore
    tokens: TokenStore
    audit: AuditStore
    visits: VisitStore
    xr: XrStores
    privacy: PrivacyStore
    is_up: Callable[[], bool]


OpenStores = Callable[[Settings, AsyncExitStack], Awaitable[Stores]]


async def open_postgres(settings: Settings, stack: AsyncExitStack) -> Stores:
    """Stores in PostgreSQL; nobody else may serve the same database.

    Raises:
        DatabaseInUse: somebody does.
        StorageUnavailable: the database cannot be reached.
    """
    if settings.database_url is None:
        raise ValueError("no database: the supervisor starts one where none is configured")
    # Another server has the database: end at once, gracefully, and start no more.
    lock = DatabaseLock(settings.database_url, on_lost=lambda: signal.raise_signal(signal.SIGTERM))
    await lock.acquire()
    stack.push_async_callback(lock.release)
    pool = await DatabasePool.open(settings.database_url, size=settings.database_pool_size)
    stack.push_async_callback(pool.close)
    watch = DatabaseWatch(pool.ping)
    watching = asyncio.create_task(watch.run())
    stack.callback(watching.cancel)
    return Stores(
        documents=PostgresDocumentStore(pool),
        objects=PostgresObjectLookup(pool),
        search=PostgresSearch(pool),
        archive=PostgresArchive(pool),
        inspection=PostgresInspection(pool),
        sessions=PostgresSessionStore(pool),
        answers=PostgresAnswerStore(pool),
        tokens=PostgresTokenStore(pool),
        audit=PostgresAuditStore(pool),
        visits=PostgresVisitStore(pool),
        xr=xr_in_postgres(pool),
        privacy=PostgresPrivacyStore(pool),
        is_up=lambda: watch.is_up,
    )
