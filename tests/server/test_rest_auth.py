"""REST: tokens that are minted, refreshed and revoked."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
import pytest
import structlog

from crdt_docs.access import Role
from crdt_docs.identifiers import ActorKind, DocumentName
from persistence.ports import StorageUnavailable
from server.authentication import ExpiredToken, InvalidToken, RevokedToken
from tests.server.rest_client import Api, Caller, refusal

ANNA = UUID(int=0xA11A)
TOKEN, REFRESH, REVOKE = "/api/auth/token", "/api/auth/refresh", "/api/auth/revoke"


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


async def minted(service: Caller, **body: Any) -> dict[str, Any]:
    answer = await service.post(TOKEN, json={"user_id": str(ANNA), **body})
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def refresh(api: Api, token: str) -> httpx.Response:
    return await api.client.post(REFRESH, json={"refresh_token": token})


async def refreshed(api: Api, token: str) -> dict[str, Any]:
    answer = await refresh(api, token)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def revoke(api: Api, token: str) -> dict[str, Any]:
    answer = await api.client.post(REVOKE, json={"refresh_token": token})
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


# Minting


async def test_a_service_mints_a_token_for_a_person(api: Api) -> None:
    workspace, session = uuid4(), uuid4()
    issued = await minted(
        api.service(),
        name="  Anna\tÉ ",
        workspaces=[str(workspace)],
        grants={f"ocw/{session}": "viewer"},
    )
    assert issued["token_type"] == "Bearer"
    assert issued["user_id"] == str(ANNA)
    assert issued["expires_at"] == "2030-05-17T12:15:00Z"
    assert issued["refresh_expires_at"] == "2030-06-16T12:00:00Z"
    credentials = await api.services.authenticator.authenticate(issued["access_token"])
    assert credentials.identity.user_id == ANNA
    assert credentials.identity.name == "Anna É"
    assert credentials.identity.kind is ActorKind.USER
    assert credentials.workspaces == frozenset({workspace})
    assert credentials.grants == {DocumentName(f"ocw/{session}"): Role.VIEWER}
    assert credentials.family is not None
    assert not credentials.is_service
    api.forge.clock.turn(15 * 60)
    with pytest.raises(ExpiredToken):
        await api.services.authenticator.authenticate(issued["access_token"])


async def test_a_token_is_not_to_be_kept_by_anybody(api: Api) -> None:
    """TOK-6: not by caches, and not for an idempotency key, where it would lie in clear."""
    service = api.service()
    answers = [
        await service.post(
            TOKEN, json={"user_id": str(ANNA)}, headers={"Idempotency-Key": "one and the same"}
        )
        for _ in range(2)
    ]
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}
    first, second = (answer.json()["data"]["refresh_token"] for answer in answers)
    assert first != second
    assert "Idempotency-Replayed" not in answers[1].headers


async def test_an_agent_gets_a_token_and_nobody_a_services(api: Api) -> None:
    issued = await minted(api.service(), kind="agent")
    credentials = await api.services.authenticator.authenticate(issued["access_token"])
    assert credentials.identity.kind is ActorKind.AGENT
    for more in ({"kind": "service"}, {"scope": "service"}):
        answer = await api.service().post(TOKEN, json={"user_id": str(ANNA), **more})
        assert refusal(answer) == (400, "INVALID_BODY")


async def test_only_services_mint(api: Api) -> None:
    body = {"user_id": str(ANNA)}
    assert refusal(await api.caller().post(TOKEN, json=body)) == (403, "FORBIDDEN")
    assert refusal(await api.client.post(TOKEN, json=body)) == (401, "UNAUTHENTICATED")
    acting = {"X-Acting-User": str(uuid4())}
    answer = await api.service().post(TOKEN, json=body, headers=acting)
    assert refusal(answer) == (403, "FORBIDDEN")


@pytest.mark.parametrize("workspaces", [1, 0])
async def test_tok_4_a_service_of_workspaces_mints_for_nobody(api: Api, workspaces: int) -> None:
    own = [str(uuid4()) for _ in range(workspaces)]
    service = api.service(workspaces=own)
    bodies: tuple[dict[str, Any], ...] = ({}, {"workspaces": own}, {"kind": "agent"})
    for more in bodies:
        answer = await service.post(TOKEN, json={"user_id": str(ANNA), **more})
        assert refusal(answer) == (403, "FORBIDDEN"), more
        assert "X-Acting-User" in answer.json()["error"]["message"]
    assert api.audit.actions == []


async def test_tok_4_nobody_gets_at_another_workspace_through_a_person(api: Api) -> None:
    """The person's row says host, wherever the token was minted: rows know no workspaces."""
    elsewhere = uuid4()
    session = await api.caller(ANNA, workspaces=[str(elsewhere)]).create(
        workspace_id=str(elsewhere)
    )
    path = f"/api/ocw/sessions/{session['id']}"
    assert await minted(api.service()), "what is bound to nothing may, of course"
    service = api.service(workspaces=[str(uuid4())])
    assert refusal(await service.get(path))[0] in (403, 404)
    answer = await service.post(TOKEN, json={"user_id": str(ANNA)})
    assert refusal(answer) == (403, "FORBIDDEN")
    acting = await service.get(path, headers={"X-Acting-User": str(ANNA)})
    assert refusal(acting)[0] in (403, 404)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user_id": "nobody"},
        {"user_id": str(ANNA), "grants": {"ocw/x": "viewer"}},
        {"user_id": str(ANNA), "grants": {f"ocw/{ANNA}": "owner"}},
        {"user_id": str(ANNA), "workspaces": [str(uuid4()) for _ in range(33)]},
        {"user_id": str(ANNA), "name": "x" * 513},
    ],
)
async def test_what_cannot_be_minted_is_said(api: Api, body: dict[str, Any]) -> None:
    assert refusal(await api.service().post(TOKEN, json=body)) == (400, "INVALID_BODY")


async def test_the_longest_token_fits(api: Api) -> None:
    issued = await minted(
        api.service(),
        name="\U0001f600" * 500,
        workspaces=[str(uuid4()) for _ in range(32)],
        grants={f"thread/{uuid4()}": "spectator" for _ in range(32)},
    )
    await api.services.authenticator.authenticate(issued["access_token"])


async def test_with_a_key_set_tokens_come_from_its_issuer(tmp_path: Path) -> None:
    api = Api(tmp_path, secret=None)
    answer = await api.service().post(TOKEN, json={"user_id": str(ANNA)})
    assert refusal(answer) == (409, "TOKENS_NOT_ISSUED_HERE")
    assert refusal(await refresh(api, "x" * 43)) == (401, "REFRESH_TOKEN_REFUSED")


# Refreshing


async def test_tok_1_a_refresh_token_gives_the_next_ones(api: Api) -> None:
    workspace = str(uuid4())
    first = await minted(api.service(), name="Anna", workspaces=[workspace])
    api.forge.clock.turn(14 * 60)
    second = await refreshed(api, first["refresh_token"])
    assert second["refresh_token"] != first["refresh_token"]
    authenticator = api.services.authenticator
    one = await authenticator.authenticate(first["access_token"])
    other = await authenticator.authenticate(second["access_token"])
    assert other.family == one.family
    assert other.jti != one.jti
    assert (other.identity, other.workspaces) == (one.identity, one.workspaces)
    assert second["expires_at"] == "2030-05-17T12:29:00Z"


async def test_tok_2_a_reused_refresh_token_ends_all_that_came_of_it(api: Api) -> None:
    first = await minted(api.service())
    other = await minted(api.service())
    second = await refreshed(api, first["refresh_token"])
    assert refusal(await refresh(api, first["refresh_token"])) == (401, "REFRESH_TOKEN_REUSED")
    assert api.permissions.told == [("revoked",)]
    assert refusal(await refresh(api, second["refresh_token"])) == (401, "REFRESH_TOKEN_REFUSED")
    for issued in (first, second):
        with pytest.raises(RevokedToken):
            await api.services.authenticator.authenticate(issued["access_token"])
    await api.services.authenticator.authenticate(other["access_token"])
    assert await refreshed(api, other["refresh_token"])


async def test_tok_2_of_two_at_once_one_is_a_thief(api: Api) -> None:
    first = await minted(api.service())
    answers = await asyncio.gather(*(refresh(api, first["refresh_token"]) for _ in range(2)))
    good = [answer for answer in answers if answer.status_code == 200]
    assert len(good) == 1
    newest = good[0].json()["data"]["refresh_token"]
    assert refusal(await refresh(api, newest)) == (401, "REFRESH_TOKEN_REFUSED")


async def test_a_refresh_token_that_lay_too_long_has_ended(api: Api) -> None:
    issued = await minted(api.service())
    api.forge.clock.turn(30 * 24 * 3600)
    assert refusal(await refresh(api, issued["refresh_token"])) == (401, "REFRESH_TOKEN_REFUSED")


@pytest.mark.parametrize("token", ["", "x" * 43, "é", "\x00", "x" * 256])
async def test_a_made_up_refresh_token_is_refused(api: Api, token: str) -> None:
    answer = await refresh(api, token)
    assert refusal(answer) == (401, "REFRESH_TOKEN_REFUSED")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_refresh_token_is_its_owners_whoever_sends_it(api: Api) -> None:
    """Neither the header nor the body can make it a token of somebody else."""
    issued = await minted(api.service())
    answer = await api.caller().post(REFRESH, json={"refresh_token": issued["refresh_token"]})
    assert answer.json()["data"]["user_id"] == str(ANNA)
    more = {"refresh_token": "x", "user_id": str(uuid4())}
    assert refusal(await api.client.post(REFRESH, json=more)) == (400, "INVALID_BODY")


async def test_an_access_token_refreshes_nothing(api: Api) -> None:
    issued = await minted(api.service())
    answer = await refresh(api, issued["access_token"][:256])
    assert refusal(answer) == (401, "REFRESH_TOKEN_REFUSED")


async def test_guessing_refresh_tokens_is_slow(api: Api) -> None:
    """LIM-7."""
    codes = [(await refresh(api, f"guess{number}")).status_code for number in range(14)]
    assert codes[0] == 401
    assert codes[-1] == 429


async def test_while_storage_is_away_nothing_is_used_up(api: Api) -> None:
    issued = await minted(api.service())
    store: Any = api.stored_tokens
    store.fail_with = StorageUnavailable("gone")
    assert refusal(await refresh(api, issued["refresh_token"])) == (503, "STORAGE_UNAVAILABLE")
    store.fail_with = None
    assert await refreshed(api, issued["refresh_token"])


# Revoking


async def test_acc_15_whoever_holds_a_refresh_token_signs_out(api: Api) -> None:
    first = await minted(api.service())
    second = await refreshed(api, first["refresh_token"])
    assert await revoke(api, second["refresh_token"]) == {"revoked": True}
    assert api.permissions.told == [("revoked",)]
    for issued in (first, second):
        with pytest.raises(RevokedToken):
            await api.services.authenticator.authenticate(issued["access_token"])
    assert refusal(await refresh(api, second["refresh_token"])) == (401, "REFRESH_TOKEN_REFUSED")
    assert await revoke(api, "unknown") == {"revoked": False}


async def test_acc_15_a_service_revokes_all_that_somebody_has(api: Api) -> None:
    issued = await minted(api.service())
    own = api.caller(ANNA)
    other = api.caller()
    answer = await api.service().post(REVOKE, json={"user_id": str(ANNA)})
    assert answer.json()["data"] == {"revoked": True}
    assert refusal(await refresh(api, issued["refresh_token"])) == (401, "REFRESH_TOKEN_REFUSED")
    for token in (issued["access_token"], own.token):
        with pytest.raises(RevokedToken):
            await api.services.authenticator.authenticate(token)
    assert (await other.get("/api/ocw/sessions")).status_code == 200
    assert refusal(await own.get("/api/ocw/sessions")) == (401, "UNAUTHENTICATED")
    # Who signs in again is let in, in the same second as well.
    again = await minted(api.service())
    await api.services.authenticator.authenticate(again["access_token"])
    api.forge.clock.turn(1)
    assert (await api.caller(ANNA).get("/api/ocw/sessions")).status_code == 200


async def test_acc_15_a_service_revokes_one_token(api: Api) -> None:
    stolen, own = api.caller(ANNA, jti="stolen"), api.caller(ANNA)
    answer = await api.service().post(
        REVOKE, json={"jti": "stolen", "expires_at": "2030-05-17T12:20:00Z"}
    )
    assert answer.status_code == 200
    assert refusal(await stolen.get("/api/ocw/sessions")) == (401, "UNAUTHENTICATED")
    assert (await own.get("/api/ocw/sessions")).status_code == 200


@pytest.mark.parametrize(
    "until",
    [
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
        "2030-05-17T11:59:59Z",
        "2030-05-17T12:00:00Z",
        "2030-05-17T12:20:00",
        1e300,
        "",
    ],
)
@pytest.mark.parametrize("what", [{"jti": "stolen"}, {"user_id": str(ANNA)}])
async def test_what_is_revoked_ends_in_the_future(
    api: Api, what: dict[str, str], until: object
) -> None:
    stolen = api.caller(ANNA, jti="stolen")
    answer = await api.service().post(REVOKE, json={**what, "expires_at": until})
    assert refusal(answer) == (400, "INVALID_BODY")
    (error,) = answer.json()["error"]["details"]["errors"]
    assert error["field"] == "expires_at"
    assert (await stolen.get("/api/ocw/sessions")).status_code == 200


async def test_who_may_revoke(api: Api) -> None:
    body = {"user_id": str(ANNA)}
    assert refusal(await api.client.post(REVOKE, json=body)) == (401, "UNAUTHENTICATED")
    assert refusal(await api.caller(ANNA).post(REVOKE, json=body)) == (403, "FORBIDDEN")
    bound = api.service(workspaces=[str(uuid4())])
    assert refusal(await bound.post(REVOKE, json=body)) == (403, "FORBIDDEN")
    for wrong in (
        {},
        {"user_id": str(ANNA), "jti": "x"},
        {"refresh_token": "x", "expires_at": "2030-05-17T12:20:00Z"},
        {"jti": "a b"},
    ):
        answer = await api.service().post(REVOKE, json=wrong)
        assert refusal(answer) == (400, "INVALID_BODY"), wrong


async def test_tok_3_a_revocation_outlives_the_server(api: Api, tmp_path: Path) -> None:
    issued = await minted(api.service())
    await revoke(api, issued["refresh_token"])
    again = Api(tmp_path, forge=api.forge, stored_tokens=api.stored_tokens)
    await again.services.authenticator.authenticate(issued["access_token"])
    await again.tokens.load()
    with pytest.raises(RevokedToken):
        await again.services.authenticator.authenticate(issued["access_token"])
    assert len(again.services.authenticator.revocations) == 1
    again.forge.clock.turn(16 * 60)
    await again.tokens.load()
    assert len(again.services.authenticator.revocations) == 0


async def test_tok_3_a_revocation_that_others_prolonged_holds_while_it_is_read(api: Api) -> None:
    store: Any = api.stored_tokens
    now = api.forge.clock()
    await api.tokens.revoke_user(ANNA, now + timedelta(minutes=1))
    await store.revoke_user(ANNA, now, now + timedelta(hours=1))
    api.forge.clock.turn(2 * 60)
    store.pause()
    loading = asyncio.create_task(api.tokens.load())
    await store.until_called()
    assert len(api.services.authenticator.revocations) == 1
    store.resume()
    await loading
    assert len(api.services.authenticator.revocations) == 1


async def test_tok_5_what_could_not_be_stored_is_not_revoked(api: Api) -> None:
    """Otherwise it would come back with the next start."""
    issued = await minted(api.service())
    store: Any = api.stored_tokens
    store.fail_with = StorageUnavailable("gone")
    answer = await api.client.post(REVOKE, json={"refresh_token": issued["refresh_token"]})
    assert refusal(answer) == (503, "STORAGE_UNAVAILABLE")
    answer = await api.service().post(REVOKE, json={"user_id": str(ANNA)})
    assert refusal(answer) == (503, "STORAGE_UNAVAILABLE")
    assert api.permissions.told == []
    await api.services.authenticator.authenticate(issued["access_token"])


async def test_a_forged_family_evades_no_revocation(api: Api) -> None:
    """A token signed before with a family of its own choice: only an issuer can, and it is cut."""
    api.forge.clock.turn(-5)
    invented = api.caller(ANNA, fam=str(uuid4()))
    malformed = api.forge.token(ANNA, fam="not a family")
    api.forge.clock.turn(5)
    await api.service().post(REVOKE, json={"user_id": str(ANNA)})
    assert refusal(await invented.get("/api/ocw/sessions")) == (401, "UNAUTHENTICATED")
    with pytest.raises(InvalidToken, match="fam"):
        await api.services.authenticator.authenticate(malformed)


async def test_a_family_cannot_be_changed_without_the_secret(api: Api) -> None:
    issued = await minted(api.service())
    claims = jwt.decode(issued["access_token"], options={"verify_signature": False})
    for forged in (
        jwt.encode({**claims, "fam": str(uuid4())}, "x" * 43, algorithm="HS256"),
        jwt.encode({**claims, "fam": str(uuid4())}, None, algorithm="none"),  # type: ignore[arg-type]  # what an attacker does
    ):
        with pytest.raises(InvalidToken):
            await api.services.authenticator.authenticate(forged)


async def test_tok_6_nothing_of_a_token_is_told(api: Api) -> None:
    with structlog.testing.capture_logs() as logged:
        issued = await minted(api.service())
        following = await refreshed(api, issued["refresh_token"])
        await refresh(api, issued["refresh_token"])
        await revoke(api, following["refresh_token"])
    assert api.audit.actions == [
        "token.minted",
        "token.refreshed",
        "token.reused",
        "token.revoked",
    ]
    assert {event.target for event in api.audit.events} == {f"user/{ANNA}"}
    everything = repr(api.audit.events) + repr(api.audit.tallied) + repr(logged)
    for secret in (issued, following):
        assert secret["access_token"] not in everything
        assert secret["refresh_token"] not in everything
