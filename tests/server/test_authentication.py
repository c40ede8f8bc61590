"""Tokens: which prove something, what they say, and where a request carries them."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from crdt_docs.access import Role
from crdt_docs.identifiers import ActorKind, DocumentKind, document_name
from server.authentication import (
    MAX_TOKEN_BYTES,
    SIGNATURES_KEPT,
    Authenticator,
    ExpiredToken,
    InvalidToken,
    bearer_token,
    clean_name,
    mint,
    token_from_scope,
)
from server.settings import Settings
from server.signing_keys import SharedSecret, VerificationKey
from tests.helpers.proving import few_or_many
from tests.server.token_forge import AUDIENCE, SECRET, Forge, unsigned

ANNA = UUID("11111111-1111-4111-8111-111111111111")
BOARD = UUID("22222222-2222-4222-8222-222222222222")


@pytest.fixture
def forge() -> Forge:
    return Forge()


async def refusal(authenticator: Authenticator, token: str) -> str:
    """Why a token is refused."""
    with pytest.raises(InvalidToken) as refused:
        await authenticator.authenticate(token)
    return str(refused.value)


# What a good token says


async def test_a_token_says_who_it_is_and_until_when(forge: Forge) -> None:
    token = forge.token(ANNA, name="Anna", jti="token-1")
    credentials = await forge.authenticator().authenticate(token)
    assert credentials.identity.user_id == ANNA
    assert credentials.identity.name == "Anna"
    assert credentials.identity.kind is ActorKind.USER
    assert credentials.expires_at == forge.clock() + timedelta(seconds=600)
    assert credentials.jti == "token-1"
    assert not credentials.is_service
    assert credentials.workspaces is None
    assert credentials.grants == {}


async def test_a_minted_token_brings_back_what_was_put_in(forge: Forge) -> None:
    workspace = uuid4()
    document = document_name(DocumentKind.OCW, BOARD)
    token = mint(
        SECRET,
        ANNA,
        lifetime=timedelta(minutes=5),
        now=forge.clock(),
        name="Anna",
        workspaces=[workspace],
        grants={document: Role.VIEWER},
    )
    credentials = await forge.authenticator().authenticate(token)
    assert credentials.identity.user_id == ANNA
    assert credentials.workspaces == frozenset({workspace})
    assert credentials.grants == {document: Role.VIEWER}
    assert credentials.expires_at == forge.clock() + timedelta(minutes=5)


async def test_two_minted_tokens_differ(forge: Forge) -> None:
    first, second = (
        mint(SECRET, ANNA, lifetime=timedelta(minutes=5), now=forge.clock()) for _ in range(2)
    )
    authenticator = forge.authenticator()
    one, other = await authenticator.authenticate(first), await authenticator.authenticate(second)
    assert one.jti != other.jti


@pytest.mark.parametrize("scope", ["service", "openid service profile"])
async def test_the_scope_service_makes_a_service(forge: Forge, scope: str) -> None:
    credentials = await forge.authenticator().authenticate(forge.token(scope=scope))
    assert credentials.is_service
    assert credentials.identity.kind is ActorKind.SERVICE


@pytest.mark.parametrize("scope", ["openid profile", "services", "Service", ""])
async def test_other_scopes_make_no_service(forge: Forge, scope: str) -> None:
    credentials = await forge.authenticator().authenticate(forge.token(scope=scope))
    assert not credentials.is_service
    assert credentials.identity.kind is ActorKind.USER


async def test_minting_for_services_and_agents(forge: Forge) -> None:
    authenticator = forge.authenticator()
    terms: dict[str, Any] = {"lifetime": timedelta(minutes=5), "now": forge.clock()}
    service = await authenticator.authenticate(mint(SECRET, ANNA, is_service=True, **terms))
    agent = await authenticator.authenticate(mint(SECRET, ANNA, is_agent=True, **terms))
    assert service.is_service
    assert agent.identity.kind is ActorKind.AGENT


async def test_nobody_is_agent_and_service_at_once(forge: Forge) -> None:
    token = forge.token(kind="agent", scope="service")
    assert "only one" in await refusal(forge.authenticator(), token)


async def test_an_audience_may_be_one_of_several(forge: Forge) -> None:
    token = forge.token(ANNA, aud=["platform", AUDIENCE])
    credentials = await forge.authenticator().authenticate(token)
    assert credentials.identity.user_id == ANNA


async def test_claims_nobody_knows_are_ignored(forge: Forge) -> None:
    token = forge.token(ANNA, iss="https://platform.example", roles=["x"], email="a@b.example")
    assert (await forge.authenticator().authenticate(token)).identity.user_id == ANNA


async def test_credentials_cannot_be_changed_afterwards(forge: Forge) -> None:
    token = forge.token(grants={f"ocw/{BOARD}": "viewer"})
    credentials = await forge.authenticator().authenticate(token)
    with pytest.raises(TypeError):
        credentials.grants[document_name(DocumentKind.OCW, BOARD)] = Role.HOST  # type: ignore[index]  # the point of the test


# Which tokens prove nothing


async def test_an_expired_token_is_refused_as_expired(forge: Forge) -> None:
    token = forge.token()
    forge.clock.turn(600)
    with pytest.raises(ExpiredToken):
        await forge.authenticator().authenticate(token)


async def test_a_token_is_good_until_the_second_it_expires(forge: Forge) -> None:
    token = forge.token(ANNA)
    forge.clock.turn(599.9)
    assert (await forge.authenticator().authenticate(token)).identity.user_id == ANNA


async def test_the_leeway_never_stretches_an_expiry(forge: Forge) -> None:
    token = forge.token()
    forge.clock.turn(601)
    with pytest.raises(ExpiredToken):
        await forge.authenticator(leeway=300).authenticate(token)


@pytest.mark.parametrize("claim", ["iat", "nbf"])
async def test_an_issuer_may_be_ahead_by_the_leeway_and_no_more(forge: Forge, claim: str) -> None:
    now = int(forge.clock().timestamp())
    authenticator = forge.authenticator(leeway=10)
    ahead = await authenticator.authenticate(forge.token(ANNA, **{claim: now + 10}))
    assert ahead.identity.user_id == ANNA
    reason = await refusal(authenticator, forge.token(**{claim: now + 11}))
    assert "not valid yet" in reason


@pytest.mark.parametrize("claim", ["sub", "exp", "iat", "jti", "aud"])
async def test_a_required_claim_is_missing(forge: Forge, claim: str) -> None:
    assert claim in await refusal(forge.authenticator(), forge.token(**{claim: None}))


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("sub", "anna"),
        ("sub", "{11111111-1111-4111-8111-111111111111}"),
        ("sub", "11111111111141118111111111111111"),
        ("sub", 7),
        ("sub", ""),
        ("exp", True),
        ("exp", 4e9),
        ("exp", "4000000000"),
        ("exp", float("inf")),
        ("exp", float("nan")),
        ("exp", -1),
        ("exp", 10**30),
        ("exp", [4_000_000_000]),
        ("iat", False),
        ("iat", 1.5),
        ("iat", "0"),
        ("nbf", True),
        ("nbf", "0"),
        ("jti", ""),
        ("jti", 7),
        ("jti", "with space"),
        ("jti", "line\nbreak"),
        ("jti", "x" * 129),
        ("aud", "somebody-else"),
        ("aud", ["somebody-else"]),
        ("aud", []),
        ("aud", {"chenu-collab": 1}),
        ("aud", 7),
        ("aud", "CHENU-COLLAB"),
        ("name", 7),
        ("name", ["Anna"]),
        ("workspaces", "11111111-1111-4111-8111-111111111111"),
        ("workspaces", ["mine"]),
        ("workspaces", [7]),
        ("workspaces", {"a": 1}),
        ("scope", ["service"]),
        ("scope", 1),
        ("kind", "service"),
        ("kind", "root"),
        ("kind", 7),
        ("grants", ["ocw/22222222-2222-4222-8222-222222222222"]),
        ("grants", "ocw/22222222-2222-4222-8222-222222222222"),
        ("grants", {"ocw/x": "viewer"}),
        ("grants", {"22222222-2222-4222-8222-222222222222": "viewer"}),
        ("grants", {"board/22222222-2222-4222-8222-222222222222": "viewer"}),
        ("grants", {"ocw/22222222-2222-4222-8222-222222222222": "boss"}),
        ("grants", {"ocw/22222222-2222-4222-8222-222222222222": 7}),
        ("grants", {"ocw/22222222-2222-4222-8222-222222222222": None}),
    ],
)
async def test_a_claim_of_a_wrong_shape_is_refused(forge: Forge, claim: str, value: object) -> None:
    claims = forge.claims()
    claims[claim] = value
    token = jwt.encode(claims, SECRET, algorithm="HS256")
    assert claim in await refusal(forge.authenticator(), token)


async def test_an_overlong_token_is_refused_before_it_is_looked_at(forge: Forge) -> None:
    token = forge.token(name="x" * MAX_TOKEN_BYTES)
    assert "longer than" in await refusal(forge.authenticator(), token)


@pytest.mark.parametrize("spelling", ["none", "None", "NONE", "nOnE"])
async def test_the_algorithm_none_is_refused(forge: Forge, spelling: str) -> None:
    for signature in (b"", b"x"):
        token = unsigned({"alg": spelling, "typ": "JWT"}, forge.claims(), signature)
        await refusal(forge.authenticator(), token)


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
async def test_the_secret_is_good_for_one_algorithm_only(forge: Forge, algorithm: str) -> None:
    token = jwt.encode(forge.claims(), SECRET * 2, algorithm=algorithm)
    assert "algorithm" in await refusal(forge.authenticator(), token)


async def test_a_token_signed_with_another_secret_is_refused(forge: Forge) -> None:
    token = jwt.encode(forge.claims(), b"another secret, also long enough for it", "HS256")
    assert "signature" in await refusal(forge.authenticator(), token)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "HS256", "crit": ["exp"], "exp": 1},
        {"alg": "HS256", "b64": False, "crit": ["b64"]},
        {"alg": "HS256", "kid": 7},
        {"alg": ["HS256"]},
        {"alg": {}},
        {"typ": "JWT"},
        {},
    ],
)
async def test_a_strange_header_is_refused(forge: Forge, header: dict[str, Any]) -> None:
    await refusal(forge.authenticator(), unsigned(header, forge.claims(), b"x" * 32))


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "ä.ö.ü", "\ud800.x.y", "x" * 100, "\0", "e30.e30."],
)
async def test_what_is_no_token_is_refused(forge: Forge, token: str) -> None:
    assert "not a JWT" in await refusal(forge.authenticator(), token)


async def test_reasons_repeat_nothing_of_the_token(forge: Forge) -> None:
    marker = "MARKER"
    token = forge.token(grants={f"ocw/{marker}": marker})
    assert marker not in await refusal(forge.authenticator(), token)
    assert marker not in await refusal(forge.authenticator(), forge.token(sub=marker))
    assert marker not in await refusal(forge.authenticator(), forge.token(aud=marker))


@settings(max_examples=few_or_many(150, 10_000), deadline=None)
@given(data=st.data())
async def test_any_mutation_of_a_token_is_refused(data: st.DataObject) -> None:
    forge = Forge()
    token = forge.token(ANNA, name="Anna", jti="fixed")
    position = data.draw(st.integers(0, len(token)))
    removed = data.draw(st.integers(0, 3))
    inserted = data.draw(
        st.text(st.sampled_from("abcXYZ019-_.= \n%"), max_size=3) | st.text(max_size=2)
    )
    mutated = token[:position] + inserted + token[position + removed :]
    assume(mutated != token)
    await refusal(forge.authenticator(), mutated)


@settings(max_examples=few_or_many(150, 10_000), deadline=None)
@given(text=st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("latin-1")))
async def test_any_text_is_refused_and_never_breaks(text: str) -> None:
    await refusal(Forge().authenticator(), text)


async def test_settings_make_an_authenticator(tmp_path_factory: pytest.TempPathFactory) -> None:
    forge = Forge()
    configured = Settings(
        jwt_secret=SecretStr(SECRET.decode()),
        jwt_audience="elsewhere",
        data_dir=tmp_path_factory.mktemp("data"),
    )
    authenticator = Authenticator.from_settings(configured, clock=forge.clock)
    credentials = await authenticator.authenticate(forge.token(ANNA, aud="elsewhere"))
    assert credentials.identity.user_id == ANNA
    assert "elsewhere" in await refusal(authenticator, forge.token())


# Names


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("Anna", "Anna"),
        ("  Anna   Maria\t", "Anna Maria"),
        ("Anna\nB\x00ob\x7f", "Anna B ob"),
        ("evil\u202etxt.exe", "evil txt.exe"),
        ("", None),
        ("\n\t ", None),
        ("Ω" * 200, "Ω" * 128),
        ("👩‍👩‍👧", "👩‍👩‍👧"),
        ("\ud800", None),
    ],
)
def test_names_are_cleaned(given_name: str, shown: str | None) -> None:
    assert clean_name(given_name) == shown


def test_no_name_stays_no_name() -> None:
    assert clean_name(None) is None


@given(st.text(max_size=300))
def test_a_cleaned_name_is_one_short_line_and_stays_as_it_is(name: str) -> None:
    shown = clean_name(name)
    if shown is not None:
        assert 0 < len(shown) <= 128
        assert not any(unicodedata.category(character) == "Cc" for character in shown)
        assert clean_name(shown) == shown


# Where a request carries its token


def scope(
    *,
    headers: list[tuple[bytes, bytes]] | None = None,
    subprotocols: list[str] | None = None,
    query: bytes = b"",
) -> dict[str, Any]:
    """A handshake as an ASGI server describes it."""
    return {
        "type": "websocket",
        "headers": headers or [],
        "subprotocols": subprotocols or [],
        "query_string": query,
    }


@pytest.mark.parametrize(
    ("value", "token"),
    [
        (b"Bearer abc", "abc"),
        (b"bearer abc", "abc"),
        (b"BEARER   abc  ", "abc"),
        (b"Bearer", None),
        (b"Bearer ", None),
        (b"Basic abc", None),
        (b"abc", None),
        (b"", None),
    ],
)
def test_a_header_carries_a_bearer_token(value: bytes, token: str | None) -> None:
    assert bearer_token(scope(headers=[(b"authorization", value)])) == token


def test_two_authorization_headers_are_none() -> None:
    headers = [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")]
    assert bearer_token(scope(headers=headers)) is None


@pytest.mark.parametrize(
    ("handshake", "expected"),
    [
        (scope(), (None, None)),
        (scope(query=b"token=abc"), ("abc", None)),
        (scope(query=b"ack=1&token=a%2Eb"), ("a.b", None)),
        (scope(query=b"token="), (None, None)),
        (scope(query=b"token=a&token=b"), (None, None)),
        (scope(query=b"Token=a"), (None, None)),
        (scope(query=b"&".join([b"x=1"] * 100)), (None, None)),
        (scope(query=b"token=\xff\xfe"), ("ÿþ", None)),
        (scope(subprotocols=["bearer.abc"]), ("abc", "bearer.abc")),
        (scope(subprotocols=["yjs", "bearer.a.b.c"]), ("a.b.c", "bearer.a.b.c")),
        (scope(subprotocols=["bearer."]), (None, "bearer.")),
        (scope(subprotocols=["yjs"]), (None, None)),
        (scope(headers=[(b"authorization", b"Bearer abc")]), ("abc", None)),
    ],
)
def test_where_a_handshake_carries_its_token(
    handshake: dict[str, Any], expected: tuple[str | None, str | None]
) -> None:
    assert token_from_scope(handshake) == expected


def test_the_header_goes_before_the_subprotocol_and_that_before_the_query() -> None:
    everywhere = scope(
        headers=[(b"authorization", b"Bearer header")],
        subprotocols=["bearer.subprotocol"],
        query=b"token=query",
    )
    assert token_from_scope(everywhere) == ("header", "bearer.subprotocol")
    everywhere["headers"] = []
    assert token_from_scope(everywhere) == ("subprotocol", "bearer.subprotocol")
    everywhere["subprotocols"] = []
    assert token_from_scope(everywhere) == ("query", None)


async def test_a_signature_is_checked_once_a_minute_and_the_times_always() -> None:
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    checked = 0

    class Counting(SharedSecret):
        async def key_for(self, key_id: str | None) -> VerificationKey:
            nonlocal checked
            checked += 1
            return await super().key_for(key_id)

    secret = b"s" * 32
    authenticator = Authenticator(Counting(secret), clock=lambda: now[0])
    token = mint(secret, uuid4(), lifetime=timedelta(seconds=90), now=now[0])
    first = await authenticator.authenticate(token)
    assert await authenticator.authenticate(token) == first
    assert checked == 1
    now[0] += timedelta(seconds=61)
    await authenticator.authenticate(token)
    assert checked == 2
    now[0] -= timedelta(seconds=1)
    await authenticator.authenticate(token)
    assert checked == 3, "the clock was set back: nobody knows when that was"
    now[0] += timedelta(seconds=31)
    with pytest.raises(ExpiredToken):
        await authenticator.authenticate(token)
    for _ in range(SIGNATURES_KEPT + 5):
        other = mint(secret, uuid4(), lifetime=timedelta(seconds=90), now=now[0])
        await authenticator.authenticate(other)
    assert len(authenticator._seen) == SIGNATURES_KEPT
    now[0] += timedelta(seconds=61)
    await authenticator.authenticate(mint(secret, uuid4(), lifetime=timedelta(1), now=now[0]))
    assert len(authenticator._seen) == 1
