"""The one place that builds everything: settings in, an ASGI application out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from types import ModuleType
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
from persistence.inspection_ports import Inspection
from persistence.journal import WriteBehindJournal
from server.audit import AuditWriter
from server.authentication import Authenticator
from server.clock import utc_now
from server.counters import Counters
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
from server.last_edits import LastEdits
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
from server.stores import OpenStores, Stores, open_postgres
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
    standings = DocumentStandings(
        stores.sessions, stores.xr.rooms, checked_every=settings.permission_check_seconds
    )

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
        repair=partial(_repair, stores.inspection) if stores.inspection else None,
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
        await xr_book.flush()

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
            last_edits=LastEdits(directory, journal, owners).store,
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


async def _repair(inspection: Inspection, document: DocumentName) -> None:
    """Make the rows of a document anew. What does that is seldom needed, and loaded only then."""
    rebuilding = await asyncio.to_thread(_rebuilding)
    await rebuilding.repair(inspection, document)


def _rebuilding() -> ModuleType:
    from server import rebuilding  # noqa: PLC0415 - see `_repair`

    return rebuilding


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
        update_budget=settings.update_budget,
        updates_at_once=settings.updates_at_once,
        presence_interval=settings.presence_interval,
        presence_budget=settings.presence_budget,
        presence_at_once=settings.presence_at_once,
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
