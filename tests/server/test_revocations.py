"""Which tokens were revoked, in memory (ACC-15, TOK-3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from crdt_docs.identifiers import Identity
from persistence.token_ports import Revocation, RevokedKind
from server.authentication import Credentials
from server.revocations import Revocations

SECOND = datetime(2030, 5, 17, 12, 0, 0, tzinfo=UTC)
NOW = SECOND + timedelta(milliseconds=500)
HOUR = timedelta(hours=1)
ANA, FAMILY = UUID(int=1), UUID(int=7)
TOKEN = Credentials(Identity(ANA), False, None, {}, NOW + HOUR, "jti-1", None, SECOND - HOUR)  # noqa: FBT003 - a field


def revoked(kind: RevokedKind, key: object, at: datetime = NOW) -> Revocations:
    revocations = Revocations()
    revocations.add([Revocation(kind, str(key), at, at + HOUR)])
    return revocations


def test_nothing_is_revoked_at_first() -> None:
    assert not Revocations().covers(TOKEN)


def test_a_token_is_revoked_by_its_id() -> None:
    assert revoked(RevokedKind.TOKEN, "jti-1").covers(TOKEN)
    assert not revoked(RevokedKind.TOKEN, "jti-2").covers(TOKEN)
    assert not revoked(RevokedKind.TOKEN, FAMILY).covers(replace(TOKEN, family=FAMILY))


def test_a_family_is_revoked_with_all_its_tokens() -> None:
    revocations = revoked(RevokedKind.FAMILY, FAMILY)
    assert revocations.covers(replace(TOKEN, family=FAMILY))
    assert revocations.covers(replace(TOKEN, family=FAMILY, jti="another"))
    assert not revocations.covers(TOKEN)
    assert not revocations.covers(replace(TOKEN, family=UUID(int=8)))


@pytest.mark.parametrize(
    ("issued_at", "family", "is_covered"),
    [
        (SECOND - HOUR, None, True),
        (SECOND - timedelta(seconds=1), FAMILY, True),
        (SECOND, None, True),  # in the same second: in doubt it is refused
        (SECOND, FAMILY, False),  # but who signed in again has a new family
        (SECOND + timedelta(seconds=1), None, False),
    ],
)
def test_a_user_is_revoked_up_to_a_moment(
    issued_at: datetime,
    family: UUID | None,
    is_covered: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    revocations = revoked(RevokedKind.USER, ANA)
    token = replace(TOKEN, issued_at=issued_at, family=family)
    assert revocations.covers(token) is is_covered
    assert not revocations.covers(replace(token, identity=Identity(UUID(int=2))))


def test_the_later_moment_counts() -> None:
    revocations = revoked(RevokedKind.USER, ANA, NOW + HOUR)
    revocations.add([Revocation(RevokedKind.USER, str(ANA), NOW, NOW + HOUR)])
    assert revocations.covers(replace(TOKEN, issued_at=SECOND + timedelta(minutes=30)))


def test_what_is_of_no_use_any_more_is_forgotten() -> None:
    revocations = revoked(RevokedKind.TOKEN, "jti-1")
    revocations.add([Revocation(RevokedKind.FAMILY, str(FAMILY), NOW, NOW + 2 * HOUR)])
    revocations.forget_before(NOW + HOUR - timedelta(seconds=1))
    assert len(revocations) == 2
    revocations.forget_before(NOW + HOUR)
    assert len(revocations) == 1
    assert not revocations.covers(TOKEN)
    assert revocations.covers(replace(TOKEN, family=FAMILY))


def test_the_later_end_counts() -> None:
    revocations = revoked(RevokedKind.USER, ANA)
    revocations.add([Revocation(RevokedKind.USER, str(ANA), NOW + HOUR / 4, NOW + HOUR / 2)])
    revocations.forget_before(NOW + HOUR / 2)
    assert revocations.covers(TOKEN)
    assert revocations.covers(replace(TOKEN, issued_at=NOW))
    revocations.forget_before(NOW + HOUR)
    assert not revocations.covers(TOKEN)
