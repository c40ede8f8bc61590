"""First answers to requests that may come again, as a protocol and its types.

ANS-1 A request is reserved before it is carried out, and by one caller at a time.
ANS-2 What was answered is given again to the same request, and refused to another one.
ANS-3 A reservation whose holder is gone ends by itself; then the request may be tried again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID


class RequestName(NamedTuple):
    """What tells requests apart.

    Attributes:
        caller_id: whose token it came with.
        digest: SHA-256 of method, path and key.
    """

    caller_id: UUID
    digest: bytes


@dataclass(frozen=True, slots=True)
class Reservation:
    """A request that is about to be carried out.

    Attributes:
        request: which.
        fingerprint: SHA-256 of what else it says.
        at: when it was reserved.
        until: when that ends, if no answer is kept before.
    """

    request: RequestName
    fingerprint: bytes
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered.

    Attributes:
        body: None where it was too large to keep.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Reserved:
    """Go on, then keep the answer or release the reservation."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody is about to carry it out."""


@dataclass(frozen=True, slots=True)
class Different:
    """It was another request that had this name."""


Claim = Reserved | Busy | Different | KeptAnswer


class AnswerStore(Protocol):
    """First answers. Every method may raise StorageUnavailable."""

    async def claim(self, wanted: Reservation, *, kept_since: datetime) -> Claim:
        """Reserve a request, unless it was answered or is reserved (ANS-1, ANS-2).

        Args:
            kept_since: what was reserved before is as if it were not there.
        """

    async def keep(self, held: Reservation, answer: KeptAnswer) -> None:
        """Keep the answer of a reservation; nothing where it is somebody else's by now."""

    async def release(self, held: Reservation) -> None:
        """Give a reservation up; nothing where it is answered or somebody else's by now."""

    async def forget_before(self, moment: datetime, *, limit: int = 1000) -> int:
        """Remove what was reserved before a moment, at most so many; return how many."""
