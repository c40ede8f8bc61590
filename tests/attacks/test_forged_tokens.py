"""Tokens that nobody issued, or not for this: over the wire, by every way a token can be brought.

Every one is answered with 4401 or 401, before anything of a document is sent, and neither the
answer nor the log repeats it.
"""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.attacks.neighbours import Neighbours
from tests.attacks.sockets import Ending, ending
from tests.helpers.server_process import (
    AUDIENCE,
    SECRET,
    LiveSession,
    ServerProcess,
    mint,
    running_server,
)

SETTINGS = {"COLLAB_AUTH_PER_MINUTE": "10000"}

UNAUTHENTICATED = 4401
PRIVATE_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC_PEM = PRIVATE_KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
JWK = {**json.loads(RSAAlgorithm.to_jwk(PRIVATE_KEY.public_key())), "kid": "ours", "alg": "RS256"}


def _grants(session_id: str) -> dict[str, str]:
    return {f"ocw/{session_id}": "host"}


def _claims(session_id: str) -> dict[str, object]:
    now = int(time.time())
    return {
        "sub": str(uuid4()),
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + 600,
        "jti": str(uuid4()),
        "scope": "service",
        "grants": _grants(session_id),
    }


def _segment(content: object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unsigned(session_id: str, algorithm: str) -> str:
    return f"{_segment({'alg': algorithm, 'typ': 'JWT'})}.{_segment(_claims(session_id))}."


def _signed_by_hand(key: bytes, claims: dict[str, object], digest: str = "sha256") -> str:
    """With keys that no library takes for one."""
    head = {"alg": f"HS{digest[3:]}", "typ": "JWT", "kid": "ours"}
    message = f"{_segment(head)}.{_segment(claims)}"
    return f"{message}.{_segment(hmac.new(key, message.encode(), digest).digest())}"


def _with_claims_of_a_host(session_id: str) -> str:
    """An honest token's signature under other claims."""
    head, _, signature = mint(uuid4()).split(".")
    return f"{head}.{_segment(_claims(session_id))}.{signature}"


def _minted(session_id: str, **changes: Any) -> str:
    """A service's token with something changed; None leaves a claim out."""
    return mint(uuid4(), grants=_grants(session_id), is_service=True, **changes)


FORGED: dict[str, Callable[[str], str]] = {
    "no algorithm": lambda session: _unsigned(session, "none"),
    "no algorithm, spelled otherwise": lambda session: _unsigned(session, "nOnE"),
    "no signature": lambda session: _unsigned(session, "HS256"),
    "the signature of another token": _with_claims_of_a_host,
    "another secret": lambda session: _minted(session, secret="another secret of 32 bytes or more"),
    "an empty secret": lambda session: _signed_by_hand(b"", _claims(session)),
    "another audience": lambda session: _minted(session, aud="another-service"),
    "no audience": lambda session: _minted(session, aud=None),
    "expired": lambda session: _minted(session, lifetime=-1.0),
    "expired a year ago": lambda session: _minted(session, lifetime=-365 * 86_400.0),
    "no expiry": lambda session: _minted(session, exp=None),
    "an expiry that is no number": lambda session: _minted(session, exp="never"),
    "an expiry beyond all time": lambda session: _minted(session, exp=10**400),
    "not valid yet": lambda session: _minted(session, nbf=int(time.time()) + 3600),
    "issued tomorrow": lambda session: _minted(session, iat=int(time.time()) + 86_400),
    "nobody's": lambda session: _minted(session, sub=None),
    "somebody whose id is a path": lambda session: _minted(session, sub="../../etc/passwd"),
    "a key of the sender's": lambda session: jwt.encode(
        _claims(session), PRIVATE_KEY, algorithm="RS256", headers={"jwk": JWK}
    ),
    "a key at an address of the sender's": lambda session: jwt.encode(
        _claims(session),
        PRIVATE_KEY,
        algorithm="RS256",
        headers={"jku": "http://127.0.0.1:9/keys", "x5u": "http://127.0.0.1:9/keys"},
    ),
    "a key id that is a path": lambda session: jwt.encode(
        _claims(session), b"x" * 32, algorithm="HS256", headers={"kid": "../../../dev/null"}
    ),
    "a longer hash": lambda session: _signed_by_hand(SECRET.encode(), _claims(session), "sha512"),
    "not a token": lambda _: "a.b.c",
    "6,000 letters": lambda _: "a" * 6_000,
}


async def _tried(server: ServerProcess, session: LiveSession, token: str) -> list[int]:
    """A token brought in every way: what REST answers, then the close codes."""
    invitation = session.invite_with(token)
    plain = session.invite_with("")
    async with httpx.AsyncClient(timeout=30.0) as client:
        address = f"{server.api}/ocw/sessions/{session.id}/state"
        answer = await client.get(address, headers={"Authorization": f"Bearer {token}"})
    endings = [
        await ending(invitation.url),
        await ending(plain.url, headers=[("Authorization", f"Bearer {token}")]),
    ]
    endings.append(await ending(plain.url, subprotocols=[f"bearer.{token}"]))
    for one in endings:
        _says_nothing(one, token)
    assert token not in answer.text
    return [answer.status_code, *(one.code for one in endings)]


def _says_nothing(one: Ending, token: str) -> None:
    assert one.frames == ()
    assert token not in one.reason
    assert one.reason, "a developer is told what was wrong"


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_token_opens_nothing(
    server: ServerProcess, neighbours: Neighbours, name: str
) -> None:
    token = FORGED[name](neighbours.session.id)
    tried = await _tried(server, neighbours.session, token)
    assert tried[0] == 401
    assert set(tried[1:]) == {UNAUTHENTICATED}
    assert token not in server.log()


async def test_no_token_opens_nothing(server: ServerProcess, neighbours: Neighbours) -> None:
    closed = await ending(neighbours.session.invite_with("").url)
    assert (closed.code, closed.frames) == (UNAUTHENTICATED, ())


async def test_two_tokens_are_not_more_than_one(
    server: ServerProcess, neighbours: Neighbours
) -> None:
    forged = FORGED["another secret"](neighbours.session.id)
    honest = mint(uuid4())
    base = neighbours.session.invite_with("").url
    for address in (
        f"{base}?token={honest}&token={forged}",
        f"{base}?token={forged}&token={honest}",
    ):
        closed = await ending(address)
        assert closed.code in (UNAUTHENTICATED, 4403)
        assert closed.frames == ()


# With a key set the public key is known to everybody.


@pytest.fixture(scope="module")
def keyed_server() -> Iterator[ServerProcess]:
    settings = {**SETTINGS, "COLLAB_JWT_JWKS": json.dumps({"keys": [JWK]}), "COLLAB_JWT_SECRET": ""}
    with running_server(
        database_url=None, has_limits=True, certificate=None, **settings
    ) as process:
        yield process


async def test_the_public_key_signs_nothing(keyed_server: ServerProcess) -> None:
    """Key confusion: the server's public key, taken for a shared secret."""
    keys = [PUBLIC_PEM, PUBLIC_PEM.strip(), json.dumps(JWK).encode(), JWK["n"].encode()]
    async with httpx.AsyncClient(timeout=30.0, base_url=keyed_server.api) as client:
        for key in keys:
            token = _signed_by_hand(key, _claims(str(uuid4())))
            answer = await client.get("/ocw/sessions", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 401
        honest = jwt.encode(
            _claims(str(uuid4())), PRIVATE_KEY, algorithm="RS256", headers={"kid": "ours"}
        )
        answer = await client.get("/ocw/sessions", headers={"Authorization": f"Bearer {honest}"})
        assert answer.status_code == 200
