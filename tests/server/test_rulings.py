"""ACC-11: what was decided lately, for those who are just coming in."""

from __future__ import annotations

from uuid import UUID

import pytest

from crdt_docs.access import Role
from crdt_docs.identifiers import ActorKind, DocumentKind, Identity, document_name
from crdt_docs.messages import CloseCode
from server.rulings import REMEMBERED, Closed, Rulings

BOARD = document_name(DocumentKind.OCW, UUID(int=1))
OTHER = document_name(DocumentKind.OCW, UUID(int=2))
ANA, BEN = Identity(UUID(int=11)), Identity(UUID(int=12))


class Desk:
    """Rulings, and the time."""

    def __init__(self) -> None:
        self.now = 100.0
        self.rulings = Rulings(lambda: self.now)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_ruling_counts_for_who_was_asked_about_before(desk: Desk) -> None:
    desk.rulings.set_role(BOARD, ANA.user_id, Role.VIEWER)
    assert desk.rulings.role_since(BOARD, ANA, 99.0) is Role.VIEWER
    assert desk.rulings.role_since(BOARD, ANA, 100.0) is Role.VIEWER, "in doubt it counts"
    assert desk.rulings.role_since(BOARD, ANA, 101.0) is None
    assert desk.rulings.role_since(BOARD, BEN, 99.0) is None
    assert desk.rulings.role_since(OTHER, ANA, 99.0) is None


def test_all_are_closed_or_one(desk: Desk) -> None:
    desk.rulings.send_away(BOARD, ANA.user_id, "removed")
    assert desk.rulings.closed_since(BOARD, ANA, 99.0) == Closed(CloseCode.FORBIDDEN, "removed")
    assert desk.rulings.closed_since(BOARD, BEN, 99.0) is None
    desk.rulings.close(BOARD, CloseCode.ENDED, "over")
    for somebody in (ANA, BEN):
        assert desk.rulings.closed_since(BOARD, somebody, 99.0) == Closed(CloseCode.ENDED, "over")
    assert desk.rulings.closed_since(OTHER, BEN, 99.0) is None


def test_a_service_is_no_participant(desk: Desk) -> None:
    backend = Identity(ANA.user_id, None, ActorKind.SERVICE)
    desk.rulings.set_role(BOARD, ANA.user_id, Role.VIEWER)
    desk.rulings.send_away(BOARD, ANA.user_id, "removed")
    assert desk.rulings.role_since(BOARD, backend, 99.0) is None
    assert desk.rulings.closed_since(BOARD, backend, 99.0) is None


def test_what_was_seen_last_counts(desk: Desk) -> None:
    assert desk.rulings.set_paused(BOARD, is_paused=True, at=100.0)
    assert desk.rulings.set_paused(BOARD, is_paused=False, at=99.0), "seen before it was paused"
    assert not desk.rulings.set_paused(BOARD, is_paused=False, at=101.0)


def test_what_nobody_can_come_too_late_for_is_forgotten(desk: Desk) -> None:
    desk.rulings.set_role(BOARD, ANA.user_id, Role.VIEWER)
    desk.rulings.send_away(BOARD, ANA.user_id, "removed")
    desk.rulings.close(OTHER, CloseCode.ENDED, "over")
    desk.rulings.set_paused(BOARD, is_paused=True, at=100.0)
    desk.now += REMEMBERED
    desk.rulings.forget_old()
    assert desk.rulings.role_since(BOARD, ANA, 0.0) is Role.VIEWER
    desk.now += 1
    desk.rulings.forget_old()
    assert desk.rulings.role_since(BOARD, ANA, 0.0) is None
    assert desk.rulings.closed_since(BOARD, ANA, 0.0) is None
    assert desk.rulings.closed_since(OTHER, ANA, 0.0) is None
    assert not desk.rulings.set_paused(BOARD, is_paused=False, at=0.0)
