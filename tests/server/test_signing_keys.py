"""The keys: one kind only, a secret that is made once, and a key set that is fetched with care."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import PyJWK
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from pydantic import SecretStr

from server.authentication import Authenticator, InvalidToken
from server.settings import Settings
from server.signing_keys import (
    KEY_SET_COOLDOWN,
    KEY_SET_LIFETIME,
    SECRET_FILE,
    KeySet,
    KeySetAtUrl,
    KeySource,
    KeysUnavailable,
    SharedSecret,
    UnknownKey,
    UnusableSecret,
    key_source,
    shared_secret,
)
from tests.server.token_forge import SECRET, Forge, unsigned

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()

RSA_JWK = RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True) | {"kid": "rsa"}
EC_JWK = ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True) | {"kid": "ec"}
ED_JWK = OKPAlgorithm.to_jwk(ED_KEY.public_key(), as_dict=True) | {"kid": "ed"}
SIGNERS: dict[str, tuple[Any, str]] = {
    "rsa": (RSA_KEY, "RS256"),
    "ec": (EC_KEY, "ES256"),
    "ed": (ED_KEY, "EdDSA"),
}


def key_set(*keys: dict[str, Any]) -> KeySet:
    """A key set of these JWKs."""
    return KeySet.from_json(json.dumps({"keys": keys}))


def signed(forge: Forge, signer: str, *, key_id: str | None) -> str:
    """A token of the issuer's."""
    key, algorithm = SIGNERS[signer]
    headers = {} if key_id is None else {"kid": key_id}
    return jwt.encode(forge.claims(), key, algorithm=algorithm, headers=headers)


async def is_accepted(keys: KeySource, forge: Forge, token: str) -> bool:
    """Whether a token passes for these keys."""
    try:
        await Authenticator(keys, clock=forge.clock).authenticate(token)
    except InvalidToken:
        return False
    return True


# The shared secret


def settings_in(data_dir: Path, **values: Any) -> Settings:
    """Settings that keep their data there."""
    return Settings.model_validate({"data_dir": data_dir, **values})


def test_the_secret_of_the_settings_goes_first(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, jwt_secret=SecretStr("ü" * 20))
    assert shared_secret(settings) == ("ü" * 20).encode()
    assert list(tmp_path.iterdir()) == []


def test_a_secret_is_made_once_and_kept_private(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "new" / "data")
    secret = shared_secret(settings)
    assert len(secret) >= 32
    assert shared_secret(settings) == secret
    path = settings.data_dir / SECRET_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700


def test_two_directories_have_two_secrets(tmp_path: Path) -> None:
    first, second = (shared_secret(settings_in(tmp_path / name)) for name in ("a", "b"))
    assert first != second


def test_all_who_start_at_once_share_one_secret(tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def start(_: int) -> bytes:
        together.wait(10)
        return shared_secret(settings_in(tmp_path))

    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(start, range(8)))
    assert len(secrets) == 1
    assert [path.name for path in tmp_path.iterdir()] == [SECRET_FILE]


def test_who_comes_second_takes_the_secret_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = shared_secret(settings_in(tmp_path))
    monkeypatch.setattr(Path, "exists", lambda _path: False)  # looked just before it was there
    assert shared_secret(settings_in(tmp_path)) == secret


def test_a_secret_others_can_read_is_refused(tmp_path: Path) -> None:
    shared_secret(settings_in(tmp_path))
    (tmp_path / SECRET_FILE).chmod(0o640)
    with pytest.raises(UnusableSecret, match="chmod 600"):
        shared_secret(settings_in(tmp_path))


@pytest.mark.parametrize("content", [b"", b"short\n"])
def test_a_damaged_secret_is_refused_and_not_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / SECRET_FILE
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(UnusableSecret, match="damaged"):
        shared_secret(settings_in(tmp_path))
    assert path.read_bytes() == content


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(UnusableSecret, match="fewer than 32"):
        SharedSecret(b"x" * 31)


@pytest.mark.parametrize(
    "secret",
    [
        RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        json.dumps(RSA_JWK).encode(),
    ],
    ids=["PEM", "JWK"],
)
def test_a_public_key_is_no_secret(secret: bytes) -> None:
    with pytest.raises(UnusableSecret, match="asymmetric"):
        SharedSecret(secret)


def test_there_is_no_secret_beside_a_key_set(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, jwt_jwks=json.dumps({"keys": [RSA_JWK]}))
    with pytest.raises(UnusableSecret, match="issuer"):
        shared_secret(settings)


# A key set


@pytest.mark.parametrize("signer", ["rsa", "ec", "ed"])
async def test_tokens_of_the_issuer_pass(signer: str) -> None:
    forge, keys = Forge(), key_set(RSA_JWK, EC_JWK, ED_JWK)
    assert await is_accepted(keys, forge, signed(forge, signer, key_id=signer))
    assert not await is_accepted(keys, forge, signed(forge, signer, key_id="unknown"))


async def test_a_key_is_used_with_its_own_algorithm_only() -> None:
    forge, keys = Forge(), key_set(RSA_JWK, EC_JWK)
    assert not await is_accepted(keys, forge, signed(forge, "ec", key_id="rsa"))
    pss = jwt.encode(forge.claims(), RSA_KEY, algorithm="PS256", headers={"kid": "rsa"})
    assert not await is_accepted(keys, forge, pss)


async def test_a_token_without_key_id_needs_the_only_key() -> None:
    forge = Forge()
    token = signed(forge, "rsa", key_id=None)
    assert await is_accepted(key_set(RSA_JWK), forge, token)
    assert not await is_accepted(key_set(RSA_JWK, EC_JWK), forge, token)


async def test_a_public_key_signs_nothing() -> None:
    """Key confusion: HS256 with the published key as its secret."""
    forge, keys = Forge(), key_set(RSA_JWK)
    pem = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS256", "kid": "rsa"}
    signed_part = unsigned(header, forge.claims()).rpartition(".")[0]
    signature = hmac.digest(pem, signed_part.encode(), "sha256")
    token = f"{signed_part}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
    assert not await is_accepted(keys, forge, token)


async def test_the_secret_takes_no_token_of_a_key_set() -> None:
    forge = Forge()
    assert not await is_accepted(SharedSecret(SECRET), forge, signed(forge, "rsa", key_id="rsa"))


async def test_a_symmetric_key_in_a_key_set_is_ignored() -> None:
    symmetric = {"kty": "oct", "kid": "oct", "k": "c2VjcmV0" * 8, "alg": "HS256"}
    keys = key_set(RSA_JWK, symmetric)
    with pytest.raises(UnknownKey):
        await keys.key_for("oct")


@pytest.mark.parametrize(
    "unusable",
    [
        {"kty": "oct", "kid": "x", "k": "c2VjcmV0" * 8},
        RSA_JWK | {"use": "enc"},
        RSA_JWK | {"alg": "RS512"},
        {"kty": "RSA"},
        {"kty": "moon"},
    ],
)
def test_a_set_without_a_usable_key_is_refused(unusable: dict[str, Any]) -> None:
    with pytest.raises(UnusableSecret, match="no usable key"):
        key_set(unusable)


async def test_a_weak_key_proves_nothing() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    keys = key_set(RSAAlgorithm.to_jwk(weak.public_key(), as_dict=True))
    forge = Forge()
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = jwt.encode(forge.claims(), weak, algorithm="RS256")
    assert not await is_accepted(keys, forge, token)


# A key set at an address


class Issuer:
    """Publishes keys; counts how often it is asked; can be away."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = [PyJWK(key) for key in keys]
        self.asked = 0
        self.is_away = False
        self.now = 1000.0

    def publish(self) -> list[PyJWK]:
        """What is fetched."""
        self.asked += 1
        if self.is_away:
            raise OSError("no route to the issuer")
        return self.keys

    def source(self) -> KeySetAtUrl:
        """A server's view of this issuer."""
        return KeySetAtUrl(self.publish, clock=lambda: self.now)


async def test_a_key_set_is_fetched_once_and_kept() -> None:
    issuer = Issuer(RSA_JWK, EC_JWK)
    source = issuer.source()
    for key_id in ("rsa", "ec", "rsa"):
        assert (await source.key_for(key_id)).algorithm == SIGNERS[key_id][1]
    assert issuer.asked == 1


async def test_a_hundred_at_once_fetch_once() -> None:
    issuer = Issuer(RSA_JWK)
    source = issuer.source()
    await asyncio.gather(*(source.key_for("rsa") for _ in range(100)))
    assert issuer.asked == 1


async def test_a_new_key_of_the_issuer_is_fetched_but_not_for_every_unknown_id() -> None:
    issuer = Issuer(RSA_JWK)
    source = issuer.source()
    await source.key_for("rsa")
    issuer.keys.append(PyJWK(EC_JWK))
    for _ in range(3):
        with pytest.raises(UnknownKey):
            await source.key_for("ec")
    assert issuer.asked == 1
    issuer.now += KEY_SET_COOLDOWN
    assert (await source.key_for("ec")).algorithm == "ES256"
    assert issuer.asked == 2


async def test_a_withdrawn_key_is_forgotten_in_time() -> None:
    issuer = Issuer(RSA_JWK, EC_JWK)
    source = issuer.source()
    await source.key_for("ec")
    del issuer.keys[1]
    issuer.now += KEY_SET_LIFETIME + 1
    with pytest.raises(UnknownKey):
        await source.key_for("ec")


async def test_nothing_can_be_said_while_the_first_fetch_fails() -> None:
    issuer = Issuer(RSA_JWK)
    issuer.is_away = True
    source = issuer.source()
    for _ in range(3):
        with pytest.raises(KeysUnavailable):
            await source.key_for("rsa")
    assert issuer.asked == 1, "an issuer in trouble is left alone for a while"
    issuer.is_away = False
    issuer.now += KEY_SET_COOLDOWN
    assert (await source.key_for("rsa")).algorithm == "RS256"


async def test_an_issuer_that_is_away_locks_nobody_out() -> None:
    issuer = Issuer(RSA_JWK)
    source = issuer.source()
    await source.key_for("rsa")
    issuer.is_away = True
    issuer.now += KEY_SET_LIFETIME + 1
    assert (await source.key_for("rsa")).algorithm == "RS256"
    assert issuer.asked == 2


@contextmanager
def published(document: bytes) -> Iterator[str]:
    """A key set on a real socket; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/keys"
        finally:
            server.shutdown()
            thread.join()


async def test_a_key_set_is_fetched_over_http(tmp_path: Path) -> None:
    forge = Forge()
    with published(json.dumps({"keys": [EC_JWK]}).encode()) as url:
        keys = key_source(settings_in(tmp_path, jwt_jwks_url=url))
        assert await is_accepted(keys, forge, signed(forge, "ec", key_id="ec"))


@pytest.mark.parametrize("document", [b"", b"<html>", b"[]", b'{"keys": []}', b'{"keys": 7}'])
async def test_an_address_without_keys_is_as_good_as_away(document: bytes) -> None:
    with published(document) as url, pytest.raises(KeysUnavailable):
        await KeySetAtUrl.at(url).key_for("ec")


def test_the_settings_choose_the_kind_of_key(tmp_path: Path) -> None:
    secret = key_source(settings_in(tmp_path))
    given = key_source(settings_in(tmp_path, jwt_jwks=json.dumps({"keys": [RSA_JWK]})))
    at_url = key_source(settings_in(tmp_path, jwt_jwks_url="https://issuer.example/keys"))
    assert [type(keys) for keys in (secret, given, at_url)] == [SharedSecret, KeySet, KeySetAtUrl]
