"""ACC: who may open a session's document, and as what."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from crdt_docs.access import Role
from crdt_docs.identifiers import ActorKind, DocumentKind, Identity, document_name
from persistence.ports import Participant, Session, SessionStatus, SessionType
from server.access_decision import Allowed, Denied, Ended, NotFound, decide_access, default_role
from server.authentication import Credentials
from tests.server.clocks import NOON

HOST, GUEST = uuid4(), uuid4()
WORKSPACE, ELSEWHERE = uuid4(), uuid4()
BOARD = uuid4()


def session(**config: Any) -> Session:
    """A running session of HOST in WORKSPACE."""
    return Session(
        id=BOARD,
        workspace_id=WORKSPACE,
        session_type=SessionType.WHITEBOARD,
        host_user_id=HOST,
        status=SessionStatus.ACTIVE,
        config=config,
        max_participants=10,
        is_recording=False,
        started_at=NOON,
    )


def caller(
    user: UUID = GUEST,
    kind: ActorKind = ActorKind.USER,
    *,
    grants: dict[UUID, Role] | None = None,
    workspaces: set[UUID] | None = None,
) -> Credentials:
    """Somebody with a good token."""
    return Credentials(
        identity=Identity(user, kind=kind),
        is_service=kind is ActorKind.SERVICE,
        workspaces=None if workspaces is None else frozenset(workspaces),
        grants={document_name(DocumentKind.OCW, id_): role for id_, role in (grants or {}).items()},
        expires_at=NOON + timedelta(hours=1),
        jti="t",
    )


def row(
    role: Role, *, user: UUID = GUEST, left: bool = False, removed: bool = False
) -> Participant:
    """A participants row."""
    return Participant(
        session_id=BOARD,
        user_id=user,
        role=role,
        joined_at=NOON,
        left_at=NOON if left else None,
        removed_at=NOON if removed else None,
    )


def test_no_session_is_not_found() -> None:
    assert decide_access(caller(), None, None) == NotFound()
    assert decide_access(caller(kind=ActorKind.SERVICE), None, None) == NotFound()


def test_a_stranger_is_denied() -> None:
    assert isinstance(decide_access(caller(), session(), None), Denied)


def test_its_creator_is_host() -> None:
    assert decide_access(caller(HOST), session(), None) == Allowed(Role.HOST)


@pytest.mark.parametrize("role", list(Role))
def test_a_row_gives_its_role(role: Role) -> None:
    assert decide_access(caller(), session(), row(role)) == Allowed(role)


def test_who_left_may_come_back() -> None:
    decision = decide_access(caller(), session(), row(Role.EDITOR, left=True))
    assert decision == Allowed(Role.EDITOR)


def test_a_row_decides_before_grant_default_and_host() -> None:
    granted = caller(grants={BOARD: Role.HOST})
    assert decide_access(granted, session(default_role="editor"), row(Role.VIEWER)) == Allowed(
        Role.VIEWER
    )
    demoted = decide_access(caller(HOST), session(), row(Role.VIEWER, user=HOST))
    assert demoted == Allowed(Role.VIEWER)


def test_a_removal_decides_before_grant_default_and_host() -> None:
    removed = row(Role.EDITOR, removed=True)
    granted = caller(grants={BOARD: Role.EDITOR})
    assert isinstance(decide_access(granted, session(default_role="editor"), removed), Denied)
    thrown_out_host = row(Role.HOST, user=HOST, removed=True)
    assert isinstance(decide_access(caller(HOST), session(), thrown_out_host), Denied)


@pytest.mark.parametrize("role", list(Role))
def test_a_grant_gives_its_role(role: Role) -> None:
    assert decide_access(caller(grants={BOARD: role}), session(), None) == Allowed(role)


def test_a_grant_decides_before_the_default() -> None:
    viewer = caller(grants={BOARD: Role.VIEWER})
    assert decide_access(viewer, session(default_role="editor"), None) == Allowed(Role.VIEWER)


def test_a_grant_elsewhere_gives_nothing_here() -> None:
    elsewhere = caller(grants={uuid4(): Role.HOST})
    assert isinstance(decide_access(elsewhere, session(), None), Denied)


def test_a_grant_for_another_kind_of_document_gives_nothing_here() -> None:
    of_a_room = replace(caller(), grants={document_name(DocumentKind.XR, BOARD): Role.HOST})
    assert isinstance(decide_access(of_a_room, session(), None), Denied)


@pytest.mark.parametrize("role", [Role.EDITOR, Role.VIEWER, Role.SPECTATOR])
def test_the_sessions_default_applies_to_everybody_else(role: Role) -> None:
    assert decide_access(caller(), session(default_role=role.value), None) == Allowed(role)


@pytest.mark.parametrize("value", ["host", "boss", "", "EDITOR", None, 1, True, ["editor"], {}])
def test_a_default_that_means_nothing_lets_nobody_in(value: object) -> None:
    assert default_role({"default_role": value}) is None
    assert isinstance(decide_access(caller(), session(default_role=value), None), Denied)


def test_working_in_the_workspace_is_not_enough() -> None:
    assert isinstance(decide_access(caller(workspaces={WORKSPACE}), session(), None), Denied)


def test_a_service_is_host_everywhere_or_in_its_workspaces() -> None:
    service = ActorKind.SERVICE
    assert decide_access(caller(kind=service), session(), None) == Allowed(Role.HOST)
    inside = caller(kind=service, workspaces={WORKSPACE})
    assert decide_access(inside, session(), None) == Allowed(Role.HOST)
    for workspaces in ({ELSEWHERE}, set[UUID]()):
        outside = caller(kind=service, workspaces=workspaces)
        assert isinstance(decide_access(outside, session(default_role="editor"), None), Denied)


def test_an_agent_sees_nothing_until_something_can_be_shared_with_it() -> None:
    agent = caller(kind=ActorKind.AGENT, grants={BOARD: Role.EDITOR})
    assert isinstance(decide_access(agent, session(default_role="editor"), None), Denied)
    assert isinstance(decide_access(agent, session(), row(Role.EDITOR)), Denied)


def test_an_ended_session_says_so_only_to_those_it_concerned() -> None:
    ended = replace(session(), status=SessionStatus.ENDED, ended_at=NOON)
    assert decide_access(caller(HOST), ended, None) == Ended(Role.HOST)
    assert decide_access(caller(), ended, row(Role.VIEWER)) == Ended(Role.VIEWER)
    assert isinstance(decide_access(caller(), ended, None), Denied)


def test_a_paused_session_is_open() -> None:
    paused = replace(session(), status=SessionStatus.PAUSED)
    assert decide_access(caller(HOST), paused, None) == Allowed(Role.HOST)
