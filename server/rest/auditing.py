"""What requests leave in the audit trail: deeds that were done, and access that was denied.

AUR-1 A deed in `DEEDS` that succeeded is in the trail, once: an answer that is given again is not
      a second deed.
AUR-2 What was denied is in the trail, counted.
AUR-3 Of what a request says, the trail gets ids and words of ours (roles, formats), never text
      that people wrote.
AUR-4 Of whoever is not known, nothing is told that they can make up, but what they were denied and
      why: strangers add no more entries than there are operations and refusals.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
from fastapi import Request
from starlette.responses import Response
from starlette.types import Scope

from crdt_docs.errors import Malformed
from crdt_docs.identifiers import parse_uuid
from server.audit import DENIED, AuditEvent, AuditTrail, Detail, Origin
from server.audit_origin import nobody_known, origin_of
from server.rest.callers import Caller, caller_of
from server.rest.envelope import REQUEST_ID_KEY
from server.rest.errors import ApiError
from server.rest.idempotency import REPLAYED
from server.rest.services import services_of
from server.rest.xr_callers import room_id_of

MAX_ID = 128

Answering = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Deed:
    """What a request does, for the trail.

    Attributes:
        target: the kind of what it is done to.
        id_from: the parameter of the path that names it; None: the answer's `id` does.
        told: fields of the answer that are told.
        asked: parameters of the query that are told.
        is_frequent: it is counted, not told each time.
        is_creation: where it answers 200, what was to be made had been there already.
    """

    action: str
    target: str | None = None
    id_from: str | None = None
    told: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    is_frequent: bool = False
    is_creation: bool = False


DEEDS: Final[Mapping[str, Deed]] = {
    "create_session": Deed("session.created"),
    "pause_session": Deed("session.paused"),
    "resume_session": Deed("session.resumed"),
    "end_session": Deed("session.ended"),
    "delete_session": Deed("session.deleted"),
    "export_session": Deed("session.exported", asked=("format",)),
    "restore_session": Deed("session.restored", told=("before", "seq", "changed")),
    "join_session": Deed("participant.joined", told=("role",)),
    "leave_session": Deed("participant.left"),
    "change_participant": Deed(
        "participant.role_changed", target="user", id_from="user_id", told=("role",)
    ),
    "remove_participant": Deed("participant.removed", target="user", id_from="user_id"),
    "create_snapshot": Deed("snapshot.named", target="snapshot", told=("seq",)),
    "delete_snapshot": Deed("snapshot.removed", target="snapshot", id_from="snapshot_id"),
    "restore_object": Deed("object.restored", target="object", id_from="object_id"),
    "restore_annotation": Deed("annotation.restored", target="annotation", id_from="annotation_id"),
    "create_object": Deed("object.created", target="object", is_frequent=True),
    "patch_object": Deed("object.changed", target="object", id_from="object_id", is_frequent=True),
    "delete_object": Deed("object.deleted", target="object", id_from="object_id", is_frequent=True),
    "lock_object": Deed("object.locked", target="object", id_from="object_id"),
    "unlock_object": Deed("object.unlocked", target="object", id_from="object_id"),
    "create_annotation": Deed("annotation.created", target="annotation", is_frequent=True),
    "patch_annotation": Deed(
        "annotation.changed", target="annotation", id_from="annotation_id", is_frequent=True
    ),
    "delete_annotation": Deed(
        "annotation.deleted", target="annotation", id_from="annotation_id", is_frequent=True
    ),
    "create_room_object": Deed("object.created", target="object", is_frequent=True),
    "patch_room_object": Deed(
        "object.changed", target="object", id_from="object_id", is_frequent=True
    ),
    "delete_room_object": Deed(
        "object.deleted", target="object", id_from="object_id", is_frequent=True
    ),
    "restore_room_object": Deed("object.restored", target="object", id_from="object_id"),
    "restore_room": Deed("room.restored", told=("before", "seq", "changed")),
    "create_room_snapshot": Deed("snapshot.named", target="snapshot", told=("seq",)),
    "delete_room_snapshot": Deed("snapshot.removed", target="snapshot", id_from="snapshot_id"),
    "lock_room_object": Deed("object.locked", target="object", id_from="object_id"),
    "unlock_room_object": Deed("object.unlocked", target="object", id_from="object_id"),
    "create_room": Deed("room.created"),
    "change_room": Deed("room.changed"),
    "delete_room": Deed("room.deleted"),
    "put_room_member": Deed(
        "member.role_changed", target="user", id_from="user_id", told=("role",)
    ),
    "change_room_member": Deed(
        "member.role_changed", target="user", id_from="user_id", told=("role",)
    ),
    "remove_room_member": Deed("member.removed", target="user", id_from="user_id"),
    "start_xr_session": Deed("room.session_started", target="xr_session", is_creation=True),
    "end_xr_session": Deed("room.session_ended", target="xr_session", id_from="xr_session_id"),
    "join_xr_session": Deed(
        "participant.joined", target="xr_session", id_from="xr_session_id", told=("device_type",)
    ),
    "leave_xr_session": Deed("participant.left", target="xr_session", id_from="xr_session_id"),
}
"""By the names of the operations."""


def audited(operation: str, answer: Answering) -> Answering:
    """The same endpoint, with what it does in the trail.

    Args:
        operation: its name.
    """
    deed = DEEDS.get(operation)

    async def answer_and_tell(request: Request) -> Response:
        try:
            response = await answer(request)
        except ApiError as error:
            if error.status in (401, 403):
                _tell_denied(request, operation, error)
            raise
        if deed is not None and _is_done(deed, response):
            _tell(request, deed, response)
        return response

    return answer_and_tell


def _is_done(deed: Deed, response: Response) -> bool:
    if deed.is_creation and response.status_code == 200:
        return False
    return response.status_code < 400 and REPLAYED not in response.headers


def origin(scope: Scope) -> Origin:
    """Where a request came from."""
    found = origin_of(scope, scope.get(REQUEST_ID_KEY))
    return nobody_known(found) if caller_of(scope) is None else found  # AUR-4


def event_of(
    scope: Scope,
    action: str,
    *,
    session_id: UUID | None = None,
    target: str | None = None,
    details: Mapping[str, Detail] | None = None,
) -> AuditEvent:
    """An event that the caller of a request brought about, alone or by a service."""
    caller: Caller | None = caller_of(scope)
    identity = None if caller is None else caller.identity
    via = None if caller is None else caller.via
    return AuditEvent(
        action,
        None if identity is None else identity.user_id,
        None if identity is None else identity.kind,
        session_id=session_id,
        target=target,
        via=None if via is None else via.user_id,
        details=details or {},
        origin=origin(scope),
    )


def _tell(request: Request, deed: Deed, response: Response) -> None:
    trail: AuditTrail = services_of(request).audit
    data = _data(response) if _is_in_answer(request, deed) else {}
    details: dict[str, Detail] = {
        name: data[name] for name in deed.told if isinstance(data.get(name), str | int)
    }
    details |= {name: value for name in deed.asked if (value := request.query_params.get(name))}
    event = event_of(
        request.scope,
        deed.action,
        session_id=_session_id(request, deed, data),
        target=_target(request, deed, data),
        details=details,
    )
    if deed.is_frequent:
        trail.tally(event)
    else:
        trail.record(event)


def _tell_denied(request: Request, operation: str, error: ApiError) -> None:
    is_known = caller_of(request.scope) is not None
    event = event_of(
        request.scope,
        DENIED,
        session_id=_place_of(request) if is_known else None,
        details={"operation": operation, "code": error.code},
    )
    services_of(request).audit.tally(event)


def _is_in_answer(request: Request, deed: Deed) -> bool:
    """Whether the answer has to be read for it; some are long."""
    names_target = deed.target is not None and deed.id_from is None
    return bool(deed.told) or names_target or _place_of(request) is None


def _data(response: Response) -> dict[str, Any]:
    """What an answer says; nothing of a file."""
    body = getattr(response, "body", None)
    if not body or response.media_type != "application/json":
        return {}
    data = orjson.loads(body).get("data")
    return data if isinstance(data, dict) else {}


def _place_of(request: Request) -> UUID | None:
    """The session that the path names, or the room, or the one in which the session of a room is:
    whose the document is."""
    named = request.path_params.get("session_id") or request.path_params.get("room_id")
    return _uuid(named) or room_id_of(request.scope)


def _session_id(request: Request, deed: Deed, data: Mapping[str, Any]) -> UUID | None:
    place = _place_of(request)
    return place if place is not None or deed.target is not None else _uuid(data.get("id"))


def _target(request: Request, deed: Deed, data: Mapping[str, Any]) -> str | None:
    if deed.target is None:
        return None
    given = data.get("id") if deed.id_from is None else request.path_params.get(deed.id_from)
    return f"{deed.target}/{given[:MAX_ID]}" if isinstance(given, str) else None


def _uuid(text: object) -> UUID | None:
    try:
        return parse_uuid(text) if isinstance(text, str) else None
    except Malformed:
        return None
