"""The keys that tokens are checked with.

Exactly one kind is configured, a shared secret or a key set, and it fixes the algorithms: a token
never chooses how it is checked (RFC 8725 §3.1).
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog
from jwt import PyJWK, PyJWKClient, PyJWKSet, PyJWTError
from jwt.algorithms import HMACAlgorithm

from server.data_directory import prepare_data_directory
from server.settings import MINIMUM_SECRET_BYTES, Settings

KEY_SET_ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
SECRET_FILE = "jwt_secret"  # noqa: S105 - the name of a file, not a secret

KEY_SET_LIFETIME = 300.0  # seconds after which the set is fetched again
KEY_SET_COOLDOWN = (
    30.0  # seconds between fetches: unknown key ids must not make us hammer the issuer
)
KEY_SET_TIMEOUT = 5.0  # seconds one fetch may take

log = structlog.get_logger(__name__)


class UnusableSecret(Exception):  # noqa: N818 - says what is the case
    """The configured or stored secret cannot be used. `str()` says why and what to do."""


class KeysUnavailable(Exception):  # noqa: N818 - says what is the case
    """The issuer's key set cannot be fetched, so nothing can be said about a token now."""


class UnknownKey(Exception):  # noqa: N818 - says what is the case
    """No configured key carries the id that a token names."""


@dataclass(frozen=True, slots=True, repr=False)
class VerificationKey:
    """A key and the one algorithm it is used with."""

    key: bytes | PyJWK
    algorithm: str


class KeySource(Protocol):
    """Where the key for a token comes from."""

    async def key_for(self, key_id: str | None) -> VerificationKey:
        """The key with this id; without an id, the only key there is.

        Raises:
            UnknownKey: there is none.
            KeysUnavailable: the keys cannot be had at the moment.
        """


class SharedSecret:
    """One secret for signing and checking: HS256."""

    def __init__(self, secret: bytes) -> None:
        """Raise UnusableSecret for one that is short, or is really an asymmetric key."""
        if len(secret) < MINIMUM_SECRET_BYTES:
            raise UnusableSecret(f"the token secret has fewer than {MINIMUM_SECRET_BYTES} bytes")
        try:
            HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
        except PyJWTError:
            # A public key used as an HMAC secret lets everybody who knows it sign tokens.
            raise UnusableSecret("the token secret is an asymmetric key or a JWK") from None
        self._key = VerificationKey(secret, "HS256")

    async def key_for(self, key_id: str | None) -> VerificationKey:
        """The secret, whatever id the token names."""
        return self._key


class KeySet:
    """A fixed set of public keys."""

    def __init__(self, keys: Iterable[PyJWK]) -> None:
        """Keep the usable keys: for signatures, with one of KEY_SET_ALGORITHMS."""
        self._keys = [
            key
            for key in keys
            if key.algorithm_name in KEY_SET_ALGORITHMS and key.public_key_use in {"sig", None}
        ]

    @classmethod
    def from_json(cls, text: str) -> KeySet:
        """Read a JSON Web Key Set (RFC 7517 §5).

        Raises:
            UnusableSecret: it holds no key for RS256, ES256 or EdDSA.
        """
        try:
            key_set = cls(PyJWKSet.from_dict(json.loads(text)).keys)
        except (PyJWTError, ValueError):
            key_set = cls([])
        if not key_set._keys:
            raise UnusableSecret("the key set has no usable key for RS256, ES256 or EdDSA")
        return key_set

    def find(self, key_id: str | None) -> VerificationKey | None:
        """The key with this id; without an id, the only key there is."""
        fitting = [key for key in self._keys if key_id is None or key.key_id == key_id]
        if len(fitting) != 1:
            return None
        return VerificationKey(fitting[0], fitting[0].algorithm_name)

    async def key_for(self, key_id: str | None) -> VerificationKey:
        """See KeySource."""
        found = self.find(key_id)
        if found is None:
            raise UnknownKey
        return found


class KeySetAtUrl:
    """The issuer's key set, fetched when needed, in a thread, by one caller at a time.

    A set that cannot be refreshed stays in use: the issuer being away for a while locks out
    nobody whose key is known.
    """

    def __init__(
        self,
        fetch: Callable[[], Iterable[PyJWK]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`fetch` may block and may raise PyJWTError, OSError or ValueError."""
        self._fetch = fetch
        self._clock = clock
        self._keys: KeySet | None = None
        self._fetched_at = 0.0
        self._tried_at: float | None = None
        self._lock = asyncio.Lock()

    @classmethod
    def at(cls, url: str) -> KeySetAtUrl:
        """The key set at an http(s) address."""
        client = PyJWKClient(url, cache_jwk_set=False, timeout=KEY_SET_TIMEOUT)
        return cls(client.get_signing_keys)

    async def key_for(self, key_id: str | None) -> VerificationKey:
        """See KeySource. An id we do not know makes us fetch again, but not more often than
        KEY_SET_COOLDOWN allows."""
        found = self._known(key_id)
        if found is None or self._is_old():
            async with self._lock:
                await self._refresh(key_id)
            found = self._known(key_id)
        if found is not None:
            return found
        if self._keys is None:
            raise KeysUnavailable
        raise UnknownKey

    def _known(self, key_id: str | None) -> VerificationKey | None:
        return None if self._keys is None else self._keys.find(key_id)

    def _is_old(self) -> bool:
        return self._clock() - self._fetched_at > KEY_SET_LIFETIME

    async def _refresh(self, key_id: str | None) -> None:
        """Fetch, unless somebody did while we waited for the lock, or just before."""
        if self._known(key_id) is not None and not self._is_old():
            return
        if self._tried_at is not None and self._clock() - self._tried_at < KEY_SET_COOLDOWN:
            return
        self._tried_at = self._clock()
        try:
            self._keys = KeySet(await asyncio.to_thread(lambda: list(self._fetch())))
        except (PyJWTError, OSError, ValueError) as error:
            log.warning("key set could not be fetched", reason=type(error).__name__)
        else:
            self._fetched_at = self._clock()


def key_source(settings: Settings) -> KeySource:
    """The configured keys; a secret is generated where nothing is configured.

    Blocks: may read and write the secret's file.

    Raises:
        UnusableSecret, UnusableDataDirectory: see `shared_secret` and `KeySet.from_json`.
    """
    if settings.jwt_jwks_url is not None:
        return KeySetAtUrl.at(settings.jwt_jwks_url)
    if settings.jwt_jwks is not None:
        return KeySet.from_json(settings.jwt_jwks)
    return SharedSecret(shared_secret(settings))


def shared_secret(settings: Settings) -> bytes:
    """The secret that signs tokens: from the settings, else from the data directory.

    Raises:
        UnusableSecret: tokens are checked with a key set; or the file is empty or not private.
        UnusableDataDirectory: a new secret cannot be written there.
    """
    if not settings.uses_secret:
        raise UnusableSecret("tokens are signed by the issuer of the key set, not with a secret")
    if settings.jwt_secret is not None:
        return settings.jwt_secret.get_secret_value().encode()
    return _stored_secret(settings.data_dir)


def _stored_secret(data_dir: Path) -> bytes:
    """The secret in the data directory; generated on first use, once, whoever comes first."""
    path = data_dir / SECRET_FILE
    if not path.exists():
        prepare_data_directory(data_dir)
        _create_secret(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise UnusableSecret(f"{path} can be read by others: chmod 600 it, or delete it")
    secret = path.read_bytes().strip()
    if len(secret) < MINIMUM_SECRET_BYTES:
        raise UnusableSecret(f"{path} is damaged: delete it, and a new secret is made")
    return secret


def _create_secret(path: Path) -> None:
    """Write a new secret beside `path`, then give it that name unless somebody else just did.

    The name appears with the whole content behind it: nobody reads half a secret.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return  # another process was first; its secret is the secret
    finally:
        draft.unlink()
