"""The tokens of the people in one room: what they say, and when the next one ends (ACC-13)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from crdt_docs.member import Member
from server.authentication import Credentials

LONGEST_WAIT = 3600.0
"""Seconds for which a timer is set at most: loops do not take years."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Attributes:
    credentials: what the token says; None for one that came without, as tests do.
    expires_at: time of the host's clock.
    """

    credentials: Credentials | None
    expires_at: float


class Leases:
    """Until when each member may stay, and a timer for the first of them."""

    def __init__(self, clock: Callable[[], float], on_due: Callable[[], None]) -> None:
        """
        Args:
            on_due: called in the event loop when a token may have ended.
        """
        self._clock = clock
        self._on_due = on_due
        self._loop = asyncio.get_running_loop()
        self._leases: dict[Member, Lease] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf

    def put(self, member: Member, lease: Lease) -> None:
        """Take a member's first token, or the one that takes its place."""
        self._leases[member] = lease
        if lease.expires_at < self._due:
            self._wait_for(lease.expires_at)

    def drop(self, member: Member) -> None:
        """The member is gone."""
        self._leases.pop(member, None)
        if not self._leases:
            self.stop()

    def stop(self) -> None:
        """Wait for nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._due = None, math.inf

    def close(self) -> None:
        """Wait for nothing any more, and let go of whoever is told: the room has these, and what
        knows one another in a circle stays in memory until circles are looked for."""
        self.stop()
        self._on_due = _tell_nobody

    def expired(self) -> list[Member]:
        """Whose token has ended; the timer is set for the next one."""
        now = self._clock()
        ended = [member for member, lease in self._leases.items() if lease.expires_at <= now]
        gone = set(ended)
        rest = (lease.expires_at for member, lease in self._leases.items() if member not in gone)
        self._wait_for(min(rest, default=math.inf))
        return ended

    def end_of(self, member: Member) -> float:
        """When a member's token ends, by the host's clock; infinity for one who is gone."""
        lease = self._leases.get(member)
        return math.inf if lease is None else lease.expires_at

    def tokens(self) -> Mapping[Member, Credentials]:
        """What the members' tokens say."""
        return {
            member: lease.credentials
            for member, lease in self._leases.items()
            if lease.credentials is not None
        }

    def _wait_for(self, due: float) -> None:
        self.stop()
        if due < math.inf:
            self._due = due
            wait = min(max(0.0, due - self._clock()), LONGEST_WAIT)
            self._timer = self._loop.call_later(wait, self._on_due)


def _tell_nobody() -> None:
    """The room is closed."""
