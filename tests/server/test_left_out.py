"""What no process loads, and that all goes on without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from server.left_out import NEVER_USED, OF_PUBLIC_KEYS

KEY_SET = json.dumps({"keys": [{"kty": "OKP"}]})

STARTED = "from server.left_out import leave_out_unused as begin; begin(); import sys, {}"
LOADED = "; print(*(name for name, module in sys.modules.items() if module is not None))"

TOKENS = """
from server.left_out import leave_out_unused
leave_out_unused()
import asyncio, datetime, uuid
from server.authentication import Authenticator, InvalidToken, mint
from server.signing_keys import SharedSecret, UnusableSecret

SECRET = b"a secret of the tests, long enough for HS256"
ada, now = uuid.uuid4(), datetime.datetime.now(datetime.UTC)
guard = Authenticator(SharedSecret(SECRET), audience="chenu-collab", leeway=10)
token = mint(SECRET, ada, lifetime=datetime.timedelta(hours=1), now=now)
print(asyncio.run(guard.authenticate(token)).identity.user_id == ada)
foreign = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9." + token.split(".", 1)[1]
for wrong in (token[:-6] + "AAAAAA", foreign):
    try:
        asyncio.run(guard.authenticate(wrong))
    except InvalidToken as error:
        print(error)
pem = "-----BEGIN PUBLIC KEY-----\\nMCow\\n-----END PUBLIC KEY-----"
for key in (pem, '{"kty": "RSA", "n": "1"}'):
    try:
        SharedSecret(key.encode().ljust(64))
    except UnusableSecret as error:
        print(error)
"""


MODELS = """
from server.left_out import leave_out_unused, put_off_openapi_models
leave_out_unused()
put_off_openapi_models()
from fastapi.openapi.models import OpenAPI
from pydantic import BaseModel
print(OpenAPI.__pydantic_complete__, BaseModel.model_config)
print(OpenAPI(openapi="3.1.0", info={"title": "a", "version": "1"}, paths={}).info.title)
"""


def said_by(script: str, environ: Mapping[str, str] | None = None) -> str:
    """What a new process prints."""
    environ = {name: text for name, text in os.environ.items() if "COLLAB_" not in name} | {
        **(environ or {})
    }
    command = [sys.executable, "-P", "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environ)
    return done.stdout


def loaded(modules: str, environ: Mapping[str, str] | None = None) -> set[str]:
    """All that a new process has loaded which leaves out, then imports these."""
    return set(said_by(STARTED.format(modules) + LOADED, environ).split())


@pytest.mark.parametrize(
    "modules",
    ["server.command_line, server.supervisor", "server.worker, server.app, server.direct_channel"],
    ids=["supervisor", "worker"],
)
def test_what_is_never_used_is_not_loaded(modules: str) -> None:
    """Nor what comes along with it."""
    found = loaded(modules)
    assert "server.authentication" in found or "server.supervisor" in found
    assert not found.intersection((*NEVER_USED, *OF_PUBLIC_KEYS, "pygments", "_cffi_backend"))


def test_a_worker_has_no_command_line() -> None:
    unwanted = ("click", "multiprocessing", "uvicorn.supervisors")
    assert loaded("server.worker, server.direct_channel").isdisjoint(unwanted)


@pytest.mark.parametrize("name", ["COLLAB_JWT_JWKS", "COLLAB_JWT_JWKS_URL", "collab_jwt_jwks"])
def test_public_keys_need_what_checks_them(name: str) -> None:
    assert loaded("server.signing_keys", {name: KEY_SET}).issuperset(OF_PUBLIC_KEYS)


def test_an_empty_variable_names_no_keys() -> None:
    assert loaded("server.signing_keys", {"COLLAB_JWT_JWKS": ""}).isdisjoint(OF_PUBLIC_KEYS)


def test_a_secret_is_checked_as_well_without_what_public_keys_need() -> None:
    assert said_by(TOKENS).splitlines() == [
        "True",
        "the token's signature is wrong",
        "the token's algorithm is not the configured one",
        "the token secret is an asymmetric key or a JWK",
        "the token secret is an asymmetric key or a JWK",
    ]


def test_models_that_are_put_off_are_built_when_they_are_used() -> None:
    """And no others are put off."""
    assert said_by(MODELS).splitlines() == ["False {}", "a"]


@pytest.mark.parametrize("entry", ["server.__main__", "server.worker_entry"])
def test_an_entry_leaves_out_before_it_loads_anything(entry: str) -> None:
    found = set(said_by(f"import sys, {entry}; print(*sys.modules)").split())
    assert not found.intersection(("jwt", "structlog", "fastapi"))
