"""Makes tokens: honest ones, and ones a forger would try."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import UUID, uuid4

import jwt

from server.authentication import Authenticator
from server.signing_keys import SharedSecret
from tests.server.clocks import HandClock

SECRET = b"a secret of the tests, long enough for HS256"
AUDIENCE = "chenu-collab"


class Forge:
    """Signs whatever claims it is given; its clock is the authenticator's."""

    def __init__(self) -> None:
        self.clock = HandClock()

    def authenticator(self, leeway: float = 10.0) -> Authenticator:
        """Knows the forge's secret."""
        return Authenticator(
            SharedSecret(SECRET), audience=AUDIENCE, leeway=leeway, clock=self.clock
        )

    def claims(self, user: UUID | None = None, /, **changes: Any) -> dict[str, Any]:
        """A complete set of claims with some changed; a change to None leaves the claim out."""
        now = int(self.clock().timestamp())
        claims: dict[str, Any] = {
            "sub": str(user or uuid4()),
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + 600,
            "jti": str(uuid4()),
        }
        claims.update(changes)
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, user: UUID | None = None, /, **changes: Any) -> str:
        """A token with these claims and a right signature."""
        return jwt.encode(self.claims(user, **changes), SECRET, algorithm="HS256")


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """A token put together by hand."""
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
