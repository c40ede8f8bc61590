"""The audit trail: who did what, for those who answer for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from crdt_docs.access import Role
from crdt_docs.identifiers import ActorKind
from persistence.audit_ports import AuditEvent, AuditFilter, StoredEntry
from persistence.ports import InvalidCursor
from persistence.pseudonyms import pseudonyms_in
from server.rest.auditing import event_of
from server.rest.callers import Caller, CallerOf, open_session
from server.rest.descriptions import described
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Items, Reply, page
from server.rest.errors import (
    FORBIDDEN,
    INVALID_CURSOR,
    SESSION_NOT_FOUND,
    STORAGE_UNAVAILABLE,
    ApiError,
    forbidden,
    refuses,
)
from server.rest.moments import Time
from server.rest.requests import PageQuery, Uuid
from server.rest.services import Services, ServicesOf
from server.rest.xr_callers import open_room

router = resource_router("Governance")

READ = "audit.read"
ACTION_PATTERN = r"^[a-z_]{1,32}\.[a-z_]{1,31}$"

_ACTOR = "5b0d8f0e-6a1f-4a43-9a51-0f6f5d1c2b3a"


class ListAudit(PageQuery):
    """Query of `GET /governance/audit`."""

    session_id: Uuid | None = Field(
        None, description="Of this session, or this XR room; needed by its hosts."
    )
    action: str | None = Field(
        None, pattern=ACTION_PATTERN, description="Of this kind, as `session.ended`."
    )
    user_id: Uuid | None = Field(None, description="What this person did.")
    since: Time | None = Field(None, alias="from", description="At this time or later (RFC 3339).")
    before: Time | None = Field(None, alias="to", description="Before this time (RFC 3339).")


@described(
    {
        "id": "0b8e0a0e-4f0b-4f5c-9d8e-1f6f3c2f4a77",
        "at": "2030-05-17T12:00:00Z",
        "action": "participant.role_changed",
        "actor": _ACTOR,
        "actor_kind": "user",
        "via": None,
        "session_id": "6f1c1ad8-52a5-4a51-9f0c-7d2a3f6b9c11",
        "target": "user/77a3a1de-7c1e-4f9e-8f61-5a0b1c9d2e3f",
        "request_id": "0f6cf1c0-6a2f-4a3e-9b52-8a3a4d1b7e11",
        "identity_id": None,
        "network": "192.0.2.0/24",
        "details": {"role": "viewer"},
        "persons": {_ACTOR: "0d9f6a52-57a0-4f39-8a94-2a9b1a3c7e55"},
    }
)
class AuditView(TypedDict):
    """An entry of the trail. Persons stand in it by pseudonyms; `persons` says whom they mean, as
    long as they are not forgotten. `identity_id` is what `X-Identity-ID` said, which nobody has
    checked; `network` is the address, less its last part: both, and `request_id`, for services."""

    id: UUID
    at: datetime
    action: str
    actor: UUID | None
    actor_kind: ActorKind | None
    via: UUID | None
    session_id: UUID | None
    target: str | None
    request_id: str | None
    identity_id: UUID | None
    network: str | None
    details: Mapping[str, Any]
    persons: Mapping[str, UUID]


@router.get("/governance/audit", response_model=Envelope[Items[AuditView]])
@refuses(FORBIDDEN, SESSION_NOT_FOUND, INVALID_CURSOR, STORAGE_UNAVAILABLE)
async def list_audit(
    request: Request,
    caller: CallerOf,
    query: Annotated[ListAudit, Query()],
    services: ServicesOf,
    reply: Reply,
) -> Response:
    """Who did what, newest first.

    A service reads all of its workspaces, or everything if none bound it; the host of a session or
    room reads what concerns it. Whoever reads the first page is in the trail for that.
    """
    wanted = AuditFilter(
        workspaces=await _workspaces(caller, query, services),
        session_id=query.session_id,
        action=query.action,
        user_id=query.user_id,
        since=query.since,
        until=query.before,
    )
    try:
        found = await services.audits.find(wanted, limit=query.limit, cursor=query.cursor)
    except InvalidCursor:
        raise ApiError(INVALID_CURSOR) from None
    if query.cursor is None:
        services.audit.record(_reading(request, query))
    is_service = caller.credentials.is_service
    shown = [audit_view(entry, with_origin=is_service) for entry in found.items]
    return reply(page(shown, found.next_cursor))


async def _workspaces(
    caller: Caller, query: ListAudit, services: Services
) -> tuple[UUID, ...] | None:
    """Which sessions' trails the caller may read; None: all, and what belongs to none."""
    if caller.credentials.is_service:
        bounds = caller.token.workspaces
        return None if bounds is None else tuple(bounds)
    if query.session_id is None:
        raise forbidden("name a session or room of which you are a host: session_id=…")
    if await _role(caller, query.session_id, services) is not Role.HOST:
        raise forbidden("only a host of the session or room, or a service, may do this")
    return None


async def _role(caller: Caller, place_id: UUID, services: Services) -> Role:
    """The caller's role in a room, or else in a session."""
    if await services.xr.rooms.get(place_id) is not None:
        return (await open_room(services, caller, str(place_id))).role
    return (await open_session(services, caller, str(place_id))).role


def _reading(request: Request, query: ListAudit) -> AuditEvent:
    details: dict[str, Any] = {"action": query.action, "user": query.user_id}
    return event_of(
        request.scope,
        READ,
        session_id=query.session_id,
        details={name: value for name, value in details.items() if value is not None},
    )


def audit_view(entry: StoredEntry, *, with_origin: bool) -> AuditView:
    """An entry as REST shows it.

    Args:
        with_origin: also where it came from: hosts need not know that of their guests.
    """
    persons = entry.persons
    if not with_origin:
        entry = replace(entry, request_id=None, identity_id=None, network=None)
        persons = {name: each for name, each in persons.items() if name in pseudonyms_in(entry)}
    return AuditView(
        id=entry.id,
        at=entry.at,
        action=entry.action,
        actor=entry.actor,
        actor_kind=entry.actor_kind,
        via=entry.via,
        session_id=entry.session_id,
        target=entry.target,
        request_id=entry.request_id,
        identity_id=entry.identity_id,
        network=entry.network,
        details=entry.details,
        persons={str(name): person for name, person in persons.items()},
    )
