"""The one place that builds everything: settings in, an ASGI application out."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from crdt_docs.awareness import AwarenessLimits
from crdt_docs.document import Fence
from crdt_docs.identifiers import DocumentName
from crdt_docs.member import Member
from crdt_docs.outline import DocumentLimits
from crdt_docs.pacing import Pacing
from crdt_docs.pose_rates import PoseSettings
from crdt_docs.poses import Placed
from crdt_docs.room_limits import RoomLimits
from crdt_docs.update_guard import GuardLimits
from persistence.answer_ports import AnswerStore
from persistence.archive import PostgresArchive
from persistence.archive_ports import Archive
from persistence.audit_log import PostgresAuditStore
from persistence.audit_ports import AuditStore
from persistence.database_lock import DatabaseLock
from persistence.inspection import PostgresInspection
from persistence.inspection_ports import Inspection
from persistence.journal import WriteBehindJournal
from persistence.kept_answers import PostgresAnswerStore
from persistence.lookup_ports import ObjectLookup
from persistence.memory_answers import MemoryAnswerStore
from persistence.memory_audit import MemoryAuditStore
from persistence.memory_privacy import MemoryPrivacyStore
from persistence.memory_search import MemorySearch
from persistence.memory_sessions import MemorySessionStore
from persistence.memory_store import MemoryDocumentStore
from persistence.memory_tokens import MemoryTokenStore
from persistence.memory_visits import MemoryVisitStore
from persistence.memory_xr_tables import MemoryXrTables
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
from persistence.xr_stores import XrStores, xr_in_memory, xr_in_postgres
from server.audit import AuditWriter
from server.authentication import Authenticator
from server.clock import utc_now
from server.counters import Counters
from server.database_watch import DatabaseWatch
from server.demo_boards import hang_demo_boards
from server.demo_session import (
    LoopbackHostOnly,
    demo_lines,
    demo_token,
    ensure_demo_room,
    ensure_demo_session,
)
from server.document_standings import DocumentStandings
from server.emptying import Emptying
from server.forgetting import Forgetting
from server.housekeeping import keep_house
from server.lifetimes import OwnersGone
from server.limits.addresses import written_both_ways
from server.limits.handshakes import HandshakeLimit
from server.limits.message_budget import Rates
from server.limits.requests import RequestLimits, RequestRates
from server.limits.users import SocketLimits, Users
from server.live_documents import LiveRooms
from server.live_permissions import LiveRoomPermissions
from server.message_length import OneLength
from server.origins import OriginCheck, Origins
from server.pages import page_routes
from server.permission_watch import PermissionWatch
from server.personal_data import PersonalData
from server.rebuilding import rebuild
from server.renewals import Renewals
from server.rest.boundary import outside
from server.rest.routes import rest_routes
from server.rest.services import Services
from server.retention import Retention
from server.room_directory import RoomDirectory
from server.room_host import HostSettings
from server.room_rules import StoredRules
from server.security_headers import SecurityHeaders
from server.settings import Settings
from server.signing_keys import shared_secret
from server.sockets.collab_places import CollabLimits
from server.sockets.collab_socket import collab_socket_route
from server.sockets.services import SocketServices
from server.sockets.session_socket import session_socket_route
from server.sockets.xr_socket import xr_socket_route
from server.time_travel import TimeTravel
from server.token_issuing import Lifetimes, TokenIssuer
from server.trail_retention import TrailRetention
from server.visits import VisitBook
from server.witness import Recorder, Together
from server.xr_book import XrBook

log = structlog.get_logger(__name__)

LAST_WORDS_SECONDS = 2.0
"""How long the end of a server may wait for the trail and the book of visits: edits had their time
before, and where the database is away, these are lost."""


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


def create_app(
    settings: Settings, fence: Fence | None = None, open_stores: OpenStores | None = None
) -> Starlette:
    """The application of one worker; its lifespan opens and closes all it works with.

    Once started, `app.state.ready_lines` holds what the operator is to be told, and
    `app.state.directory` the rooms, `app.state.audit` the trail.
    """

    counters = Counters()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stores = await (open_stores or open_postgres)(settings, stack)
            await _build(app, settings, fence, stores, stack)
            yield

    middleware = [Middleware(LoopbackHostOnly)] if settings.dev else []
    return _Edged(
        settings,
        counters,
        lifespan=lifespan,
        middleware=middleware,
        exception_handlers={HTTPException: outside(utc_now)},
    )


class _Edged(Starlette):
    """The application within its edge: what is looked at before any endpoint is."""

    def __init__(self, settings: Settings, counters: Counters, **options: Any) -> None:
        super().__init__(**options)
        self._settings = settings
        self.state.counters = counters

    def build_middleware_stack(self) -> ASGIApp:
        """From the inside out; the outermost is around all that answers for faults."""
        settings, counters = self._settings, self.state.counters
        origins = Origins(settings.origins, with_this_machine=settings.dev)
        app = origins.around(super().build_middleware_stack())
        app = OneLength(OriginCheck(app, origins, counters))
        app = HandshakeLimit(app, settings.handshakes_per_minute, counters)
        if settings.proxies:
            app = ProxyHeadersMiddleware(app, written_both_ways(settings.proxies))  # type: ignore[arg-type, assignment]  # uvicorn types ASGI more strictly
        return SecurityHeaders(app)


async def _build(
    app: Starlette,
    settings: Settings,
    fence: Fence | None,
    stores: Stores,
    stack: AsyncExitStack,
) -> None:
    counters: Counters = app.state.counters
    authenticator = await asyncio.to_thread(Authenticator.from_settings, settings)
    issuer = await asyncio.to_thread(_token_issuer, settings, stores, authenticator)
    await issuer.load()
    audit = AuditWriter(stores.audit)
    audit.start()
    stack.push_async_callback(audit.close, LAST_WORDS_SECONDS)
    visits = VisitBook(stores.visits)
    await stores.visits.close_open(utc_now())
    await stores.xr.participants.close_open(utc_now())
    visits.start()
    stack.push_async_callback(visits.close, LAST_WORDS_SECONDS)

    def place_of(document: DocumentName, member: Member) -> Placed | None:
        return directory.place_of(document, member)

    xr_book = XrBook(stores.xr.participants, place_of)
    xr_book.start()
    stack.push_async_callback(xr_book.close, LAST_WORDS_SECONDS)
    journal = WriteBehindJournal(
        stores.documents,
        on_poisoned=lambda commit, error: directory.give_up(commit.document, error),
        interval=settings.journal_interval,
        max_backlog_bytes=settings.journal_backlog_bytes,
    )
    standings = DocumentStandings(stores.sessions, stores.xr.rooms)

    async def reload_revoked() -> None:
        await issuer.load()
        directory.close_revoked()

    witnesses = Together(Recorder(audit, visits), xr_book)
    directory = RoomDirectory(
        stores.documents,
        journal,
        counters=counters,
        limits=_room_limits(settings),
        pacing=_pacing(settings),
        poses=_poses(settings),
        host_settings=HostSettings(settings.keepalive_seconds, settings.slow_member_seconds),
        idle_seconds=settings.room_idle_seconds,
        snapshot_every_updates=settings.snapshot_every_updates,
        snapshot_every_bytes=settings.snapshot_every_bytes,
        fence=fence,
        archive=stores.archive,
        repair=partial(rebuild, stores.inspection) if stores.inspection else None,
        rules=StoredRules(stores.sessions, stores.xr.rooms, stores.objects),
        witness=witnesses,
        renewing=Renewals(authenticator, standings, rulings=lambda: directory.rulings),
        revocations=authenticator.revocations,
    )
    watch = PermissionWatch(
        directory, standings, every=settings.permission_check_seconds, reload=reload_revoked
    )
    live = LiveRooms(
        directory,
        backlog=lambda: (journal.backlog_bytes, journal.is_full),
        is_database_up=lambda: stores.is_up() and journal.last_error is None,
        fence=fence,
    )
    owners = OwnersGone(live, stores.objects)
    witnesses.add(owners)
    stack.callback(owners.close)
    journal.start()
    stack.push_async_callback(journal.close, settings.shutdown_seconds)
    directory.start()
    stack.push_async_callback(_close_rooms, directory, settings.shutdown_seconds)
    watching = asyncio.create_task(watch.run())
    stack.callback(watching.cancel)
    past = TimeTravel(stores.archive, fence)
    emptying = _emptying(stores, live, stack)

    async def send_away(user_id: UUID) -> None:
        await issuer.revoke_user(user_id)
        directory.close_revoked()

    async def write_down() -> None:
        await audit.flush()
        await visits.flush()

    _keep_house(settings, stores, past, stack)
    sockets = SocketServices(
        directory=directory,
        standings=standings,
        authenticator=authenticator,
        counters=counters,
        audit=audit,
        users=Users(socket_limits(settings), counters),
        max_frame_bytes=settings.max_frame_bytes,
    )
    services = Services(
        sessions=stores.sessions,
        xr=stores.xr,
        objects=stores.objects,
        search=stores.search,
        archive=stores.archive,
        past=past,
        answers=stores.answers,
        audit=audit,
        audits=stores.audit,
        live=live,
        permissions=LiveRoomPermissions(directory, standings, watch),
        tokens=issuer,
        forgetting=Forgetting(
            stores.privacy,
            send_away=send_away,
            aside=directory.set_aside,
            write_down=write_down,
        ),
        personal_data=PersonalData(stores.privacy),
        emptying=emptying,
        authenticator=authenticator,
        settings=settings,
        limits=request_limits(settings, counters),
    )
    app.router.routes.extend(
        [
            session_socket_route(sockets),
            xr_socket_route(sockets, stores.xr.sessions),
            collab_socket_route(sockets, _collab_limits(settings)),
            *rest_routes(services),
            *page_routes(),
        ]
    )
    app.state.directory = directory
    app.state.audit = audit
    app.state.ready_lines = await _demo(stores, live, settings) if settings.dev else []


def _emptying(stores: Stores, live: LiveRooms, stack: AsyncExitStack) -> Emptying:
    """Empties rooms that were left, from now on."""
    emptying = Emptying(stores.xr.sessions, live)
    looking = asyncio.create_task(emptying.run())
    stack.callback(looking.cancel)
    return emptying


def _keep_house(
    settings: Settings, stores: Stores, past: TimeTravel, stack: AsyncExitStack
) -> None:
    """From now on, what was deleted goes in time, and what is old is merged."""
    grace = timedelta(days=settings.delete_grace_days)
    housekeeping = asyncio.create_task(
        keep_house(
            stores.sessions,
            stores.xr.rooms,
            stores.documents,
            stores.answers,
            stores.tokens,
            grace=grace,
        )
    )
    stack.callback(housekeeping.cancel)
    trail = TrailRetention(
        stores.audit,
        stores.visits,
        stores.xr.participants,
        audit_for=timedelta(days=settings.audit_retention_days),
        visits_for=timedelta(days=settings.user_sessions_retention_days),
    )
    keeping = asyncio.create_task(trail.run())
    stack.callback(keeping.cancel)
    if settings.log_retention_days:
        kept_for = timedelta(days=settings.log_retention_days)
        merging = asyncio.create_task(Retention(stores.archive, past, kept_for).run())
        stack.callback(merging.cancel)


def _token_issuer(settings: Settings, stores: Stores, authenticator: Authenticator) -> TokenIssuer:
    """Blocks: may read the secret's file."""
    return TokenIssuer(
        stores.tokens,
        authenticator.revocations,
        secret=shared_secret(settings) if settings.uses_secret else None,
        audience=settings.jwt_audience,
        lifetimes=Lifetimes(
            timedelta(minutes=settings.access_token_minutes),
            timedelta(days=settings.refresh_token_days),
        ),
    )


async def _close_rooms(directory: RoomDirectory, within: float) -> None:
    try:
        async with asyncio.timeout(within):
            await directory.close()
    except TimeoutError:
        log.exception("edits could not be stored before the server had to stop")


async def _demo(stores: Stores, live: LiveRooms, settings: Settings) -> list[str]:
    session = await ensure_demo_session(stores.sessions, settings)
    room = await ensure_demo_room(stores.xr, session, settings)
    if room is not None:
        await hang_demo_boards(live, session, room)
    token = None
    if settings.uses_secret:
        token = await asyncio.to_thread(demo_token, settings, session)
    return demo_lines(settings, session, token, room)


def document_limits(settings: Settings) -> DocumentLimits:
    """What the structure of a document may be."""
    return DocumentLimits(
        max_depth=settings.max_nesting,
        max_clients=settings.max_client_ids,
        max_blind_writes=settings.max_blind_writes,
    )


def request_limits(settings: Settings, counters: Counters) -> RequestLimits:
    """How many requests may come in a minute."""
    rates = RequestRates(
        settings.auth_per_minute, settings.reads_per_minute, settings.writes_per_minute
    )
    return RequestLimits(rates, counters)


def socket_limits(settings: Settings) -> SocketLimits:
    """What the sockets of one user may do together."""
    rates = Rates(
        settings.messages_per_second,
        settings.bytes_per_second,
        settings.burst_seconds,
        settings.max_frame_bytes,
    )
    return SocketLimits(
        rates, settings.connections_per_user, settings.rooms_per_minute, settings.max_connections
    )


def _collab_limits(settings: Settings) -> CollabLimits:
    return CollabLimits(
        documents=settings.max_documents_per_socket, queued_bytes=settings.max_frame_bytes
    )


def _room_limits(settings: Settings) -> RoomLimits:
    return RoomLimits(
        guard=GuardLimits(structs=settings.max_structs_per_update),
        document=document_limits(settings),
        awareness=AwarenessLimits(
            settings.max_awareness_bytes, settings.max_awareness_ids_per_connection
        ),
        document_bytes=settings.max_document_bytes,
        objects=settings.max_objects,
    )


def _pacing(settings: Settings) -> Pacing:
    return Pacing(
        threshold=settings.pacing_threshold,
        update_interval=settings.update_interval,
        presence_interval=settings.presence_interval,
        presence_budget=settings.presence_budget,
    )


def _poses(settings: Settings) -> PoseSettings:
    return PoseSettings(
        rate=settings.pose_rate,
        small_rate=settings.pose_small_rate,
        small_room=settings.pose_small_room,
        shared_up_to=settings.pose_shared_up_to,
        near=settings.pose_near,
        middle=settings.pose_middle,
    )
