"""Who may connect at all, and what is asked of every connection before anybody knows whose it is.

- CON-1: an address has at most so many connections at once, and so have all together; more are cut
  off as they come. Proxies that are believed are many people: only the sum binds them.
- CON-2: the head of a request comes within a time, or the connection is cut.
- CON-3: a body, or a WebSocket message, that was begun comes at a least rate; so is an answer read.
- CON-4: a head has at most 16 KiB.
- CON-5: a message comes in at most so many fragments; a connection sends control frames at most at
  a rate; and those that come faster than they are read are not answered.
- CON-6: until it is known whose a socket is, a message has at most the size of an ordinary frame.
"""

from __future__ import annotations

from dataclasses import dataclass

from uvicorn.server import ServerState

from server.counters import Counters
from server.limits.addresses import Networks, address_key
from server.limits.message_budget import Rates
from server.limits.names import Limit
from server.settings import Settings

SPARE_CONNECTIONS = 1_000
"""Connections of REST besides the WebSockets that are allowed."""

HEAD_BYTES = 16 * 1024
MOST_FRAGMENTS = 16_384
"""Of one message: the largest has 4 KiB in each, which is less than anybody sends."""

CONTROL_FRAMES = Rates(messages=20, bytes=20 * 125, burst=5.0, largest=125)
"""What one connection may ping: others do it every few seconds."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client may take.

    Attributes:
        head: seconds for the head of a request.
        stall: seconds after which what was begun must have come at the least rate.
        least: bytes a second.
    """

    head: float = 10.0
    stall: float = 10.0
    least: float = 500.0


class ConnectionGuard:
    """Counts connections, and knows what is asked of them."""

    def __init__(
        self,
        counters: Counters,
        *,
        patience: Patience | None = None,
        most_of_address: int = 1_000,
        most: int = 11_000,
        early_message_bytes: int = 4 * 1024 * 1024,
        proxies: Networks | None = None,
    ) -> None:
        """
        Args:
            early_message_bytes: largest message of a WebSocket whose owner is not known yet.
        """
        self.patience = patience or Patience()
        self.early_message_bytes = early_message_bytes
        self._counters = counters
        self._most_of_address = most_of_address
        self._most = most
        self._proxies = proxies or Networks(())
        self._open: dict[str, int] = {}
        self._count = 0

    @classmethod
    def of(cls, settings: Settings, counters: Counters) -> ConnectionGuard:
        """The one these settings describe."""
        return cls(
            counters,
            patience=Patience(
                settings.header_seconds,
                settings.stall_seconds,
                settings.least_bytes_per_second,
            ),
            most_of_address=settings.connections_per_address,
            most=settings.max_connections + SPARE_CONNECTIONS,
            early_message_bytes=settings.max_frame_bytes,
            proxies=Networks(settings.proxies),
        )

    @property
    def connections(self) -> int:
        """How many there are."""
        return self._count

    def enter(self, host: str) -> Place | None:
        """One more connection from an address; None if it is one too many (CON-1)."""
        key = address_key(host)
        count = self._open.get(key, 0)
        is_too_many = count >= self._most_of_address and host not in self._proxies
        if is_too_many or self._count >= self._most:
            self.count(Limit.ADDRESS_CONNECTIONS if is_too_many else Limit.ALL_CONNECTIONS)
            return None
        self._open[key] = count + 1
        self._count += 1
        return Place(self, key)

    def leave(self, key: str) -> None:
        """A connection is gone."""
        self._count -= 1
        count = self._open[key] - 1
        if count:
            self._open[key] = count
        else:
            del self._open[key]

    def count(self, limit: Limit) -> None:
        """A limit was met."""
        self._counters.count_limited(limit)


class Place:
    """What one connection takes; handed on when it becomes a WebSocket."""

    __slots__ = ("_guard", "_key")

    def __init__(self, guard: ConnectionGuard, key: str) -> None:
        self._guard: ConnectionGuard | None = guard
        self._key = key

    def leave(self) -> None:
        """Give it back; later calls change nothing."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.leave(self._key)


class GuardedState(ServerState):
    """What uvicorn's connections share, and the guard besides."""

    def __init__(self, guard: ConnectionGuard) -> None:
        super().__init__()
        self.guard = guard
