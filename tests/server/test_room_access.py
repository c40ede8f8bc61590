"""ACC: who may open a room's document, and as what."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from crdt_docs.access import Role
from crdt_docs.identifiers import ActorKind, DocumentKind, Identity, document_name
from persistence.xr_ports import (
    NOWHERE,
    RoomMember,
    RoomStanding,
    RoomTemplate,
    RoomType,
    XrRoom,
    XrSession,
    XrStatus,
)
from server.access_decision import Allowed, Denied, Ended, NotFound, decide
from server.authentication import Credentials
from tests.server.clocks import NOON

CREATOR, GUEST = uuid4(), uuid4()
WORKSPACE = uuid4()
ROOM = uuid4()
SESSION = XrSession(uuid4(), ROOM, NOON)


def standing(
    role: Role | None = None,
    *,
    session: XrSession | None = SESSION,
    removed: bool = False,
    is_public: bool = False,
    **config: Any,
) -> RoomStanding:
    """A room of CREATOR in WORKSPACE, and the guest's row in it."""
    room = XrRoom(
        id=ROOM,
        workspace_id=WORKSPACE,
        name="Hall",
        room_type=RoomType.MEETING,
        room_template=RoomTemplate.CONFERENCE,
        created_by=CREATOR,
        created_at=NOON,
        max_participants=10,
        config=config,
        is_public=is_public,
    )
    member = None if role is None else RoomMember(ROOM, GUEST, role, NOON)
    if member is not None and removed:
        member = replace(member, removed_at=NOON)
    return RoomStanding(room, session, member)


def caller(user: UUID = GUEST, kind: ActorKind = ActorKind.USER, **more: Any) -> Credentials:
    """Somebody with a good token."""
    return Credentials(
        identity=Identity(user, kind=kind),
        is_service=kind is ActorKind.SERVICE,
        workspaces=more.get("workspaces"),
        grants=more.get("grants", {}),
        expires_at=NOON + timedelta(hours=1),
        jti="t",
    )


def granted(kind: DocumentKind, role: Role) -> Credentials:
    """Somebody whose token grants a document of this room's id."""
    return caller(grants={document_name(kind, ROOM): role})


def test_no_room_is_not_found() -> None:
    assert decide(caller(), NOWHERE) == NotFound()


def test_a_room_without_a_session_is_not_open() -> None:
    assert decide(caller(), standing(Role.EDITOR, session=None)) == Ended(Role.EDITOR)
    over = replace(SESSION, status=XrStatus.ENDED, ended_at=NOON)
    assert decide(caller(), standing(Role.EDITOR, session=over)) == Ended(Role.EDITOR)


def test_a_stranger_is_denied() -> None:
    assert isinstance(decide(caller(), standing()), Denied)
    assert isinstance(decide(caller(), standing(session=None)), Denied)


def test_its_creator_is_host() -> None:
    assert decide(caller(CREATOR), standing()) == Allowed(Role.HOST)


@pytest.mark.parametrize("role", list(Role))
def test_a_row_decides_before_grant_and_default(role: Role) -> None:
    asked = granted(DocumentKind.XR, Role.HOST)
    assert decide(asked, standing(role, default_role="editor")) == Allowed(role)


def test_a_removal_decides_before_grant_and_default() -> None:
    asked = granted(DocumentKind.XR, Role.HOST)
    removed = standing(Role.HOST, removed=True, is_public=True, default_role="editor")
    assert isinstance(decide(asked, removed), Denied)


def test_a_grant_is_of_the_room_and_not_of_a_session_with_its_id() -> None:
    assert decide(granted(DocumentKind.XR, Role.EDITOR), standing()) == Allowed(Role.EDITOR)
    assert isinstance(decide(granted(DocumentKind.OCW, Role.EDITOR), standing()), Denied)


def test_a_public_room_may_be_looked_at() -> None:
    assert decide(caller(), standing(is_public=True)) == Allowed(Role.SPECTATOR)
    more = standing(is_public=True, default_role="editor")
    assert decide(caller(), more) == Allowed(Role.EDITOR)


def test_a_service_is_host_within_its_workspaces() -> None:
    service = caller(kind=ActorKind.SERVICE, workspaces=frozenset({WORKSPACE}))
    assert decide(service, standing()) == Allowed(Role.HOST)
    elsewhere = caller(kind=ActorKind.SERVICE, workspaces=frozenset({uuid4()}))
    assert isinstance(decide(elsewhere, standing()), Denied)


def test_an_agent_sees_nothing() -> None:
    agent = caller(kind=ActorKind.AGENT)
    assert isinstance(decide(agent, standing(is_public=True)), Denied)
