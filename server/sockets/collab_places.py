"""What an address on a Hocuspocus socket can be, and how much of all that there may be (HOC)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from crdt_docs.hocuspocus import Message, Scope
from crdt_docs.sync_statuses import SyncStatuses
from server.limits.message_budget import Rates
from server.sockets.address_channel import AddressChannel
from server.sockets.seat import Seat

STRANGER = Rates(messages=50, bytes=256 * 1024, burst=5.0)


@dataclass(frozen=True, slots=True)
class CollabLimits:
    """What one socket may have open.

    Attributes:
        documents: addresses, also those whose token is not checked yet.
        queued_messages: for addresses whose token is being checked, over all of them; likewise
            `queued_bytes`.
        token_seconds: how long a token may be awaited.
        empty_seconds: how long a socket may be without a document.
        renewal_seconds: how long before a token ends a new one is asked for.
        look_seconds: how often to look at all of these.
        stranger: what may be sent before anybody has proved who they are.
    """

    documents: int = 64
    queued_messages: int = 256
    queued_bytes: int = 4 * 1024 * 1024
    token_seconds: float = 10.0
    empty_seconds: float = 60.0
    renewal_seconds: float = 60.0
    look_seconds: float = 5.0
    stranger: Rates = STRANGER


@dataclass(slots=True)
class Waiting:
    """An address whose token is awaited, or being checked; what came for it meanwhile is kept."""

    since: float
    kept: list[tuple[Message, int]] = field(default_factory=list)
    opening: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Open:
    """An address that is a member of its room.

    Attributes:
        version: of the provider, if it says so.
        scope: what it was told that it may do.
        asked_for: end of the token in whose place another was asked for.
    """

    seat: Seat
    channel: AddressChannel
    statuses: SyncStatuses
    version: str | None
    scope: Scope
    asked_for: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """An address that may come again with another token; what else comes for it is ignored."""


Place = Waiting | Open | Refused


class Keeping:
    """What is kept for all waiting addresses of a socket together (HOC-3)."""

    __slots__ = ("_bytes", "_limits", "_messages")

    def __init__(self, limits: CollabLimits) -> None:
        self._limits = limits
        self._messages = 0
        self._bytes = 0

    def keep(self, waiting: Waiting, message: Message, size: int) -> bool:
        """Keep a message until its address is open; False if it is one too many."""
        if (
            self._messages >= self._limits.queued_messages
            or self._bytes + size > self._limits.queued_bytes
        ):
            return False
        waiting.kept.append((message, size))
        self._messages += 1
        self._bytes += size
        return True

    def release(self, waiting: Waiting) -> list[Message]:
        """What was kept for an address; nothing of it is kept any more."""
        kept, waiting.kept = waiting.kept, []
        self._messages -= len(kept)
        self._bytes -= sum(size for _, size in kept)
        return [message for message, _ in kept]
