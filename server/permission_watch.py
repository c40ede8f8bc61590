"""Whether people who are connected may still be, and as what: read again now and then (ACC-12), and
what is asked of their edits.

Rows may be changed by the platform's backend, by SQL, and nobody tells us. After a change by REST
they are read again as well: two changes that come together may be told in the wrong order.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never

import structlog

from crdt_docs.identifiers import DocumentName
from crdt_docs.member import Member
from crdt_docs.messages import CloseCode
from persistence.ports import StorageUnavailable
from server.access_decision import Allowed, Denied, Ended, NotFound, decide
from server.authentication import Credentials
from server.document_standings import (
    AnyStanding,
    Asked,
    DocumentStandings,
    is_paused,
    place_of,
    rules_of,
)
from server.room_directory import RoomDirectory
from server.room_host import RoomHost

log = structlog.get_logger(__name__)

SOON_SECONDS = 0.2
"""How long after a change by REST the rows are read again, for all that change meanwhile."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who is in a room, as they were when the question went out."""

    host: RoomHost
    tokens: Mapping[Member, Credentials]

    def pairs(self) -> Iterator[Asked]:
        for credentials in self.tokens.values():
            yield self.host.name, credentials.identity.user_id


class PermissionWatch:
    """Reads the standings of everybody in open rooms, and carries out what differs."""

    def __init__(
        self,
        directory: RoomDirectory,
        standings: DocumentStandings,
        *,
        every: float,
        soon: float = SOON_SECONDS,
        reload: Callable[[], Awaitable[None]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            every: seconds between two looks at everything.
            reload: reads what else may have been changed by SQL, before each of them.
        """
        self._directory = directory
        self._standings = standings
        self._every = every
        self._soon = soon
        self._reload = reload
        self._clock = clock
        self._noted: set[DocumentName] = set()
        self._wake = asyncio.Event()

    def note(self, name: DocumentName) -> None:
        """Look at this document soon."""
        self._noted.add(name)
        self._wake.set()

    async def run(self) -> None:
        """Look until cancelled."""
        due = self._clock() + self._every
        while True:
            with contextlib.suppress(TimeoutError):  # the time has come for all of them
                async with asyncio.timeout(max(0.0, due - self._clock())):
                    await self._wake.wait()
                    await asyncio.sleep(self._soon)
            self._wake.clear()
            names, self._noted = self._noted, set()
            is_due = self._clock() >= due
            if is_due:
                due = self._clock() + self._every
            try:
                await self._look_at_all() if is_due else await self.look(names)
            except StorageUnavailable:
                log.warning("storage is not available; permissions are looked at again later")
                self._directory.counters.failed_permission_checks += 1
            except Exception:
                # What one row says must not end the watch over all others.
                log.exception("permissions could not be looked at")
                self._directory.counters.failed_permission_checks += 1

    async def _look_at_all(self) -> None:
        if self._reload is not None:
            await self._reload()
        await self.look(None)

    async def look(self, names: Iterable[DocumentName] | None) -> None:
        """Read what decides about those in these documents, or in all, and carry it out.

        Raises:
            StorageUnavailable: it could not be read; nothing was changed, or only a part of it.
        """
        since = self._clock()
        wanted = None if names is None else set(names)
        asked = [
            _Asked(host, host.tokens())
            for host in self._directory.hosts()
            if wanted is None or host.name in wanted
        ]
        found = await self._standings.read_all(pair for each in asked for pair in each.pairs())
        for each in asked:
            self._carry_out(each, found, since)
            await self._renew_rules(each, found)
            await asyncio.sleep(0)  # a thousand rooms must not hold up one

    def _carry_out(self, asked: _Asked, found: Mapping[Asked, AnyStanding], since: float) -> None:
        host = asked.host
        tokens = host.tokens()
        for member, credentials in asked.tokens.items():
            if tokens.get(member) is credentials:  # else it has gone, or a new one was decided
                standing = found[host.name, credentials.identity.user_id]
                self._judge(host, member, credentials, standing, since)

    async def _renew_rules(self, asked: _Asked, found: Mapping[Asked, AnyStanding]) -> None:
        """RUL-1: the config may ask for something else by now. Whoever is there was told of the
        same."""
        pair = next(asked.pairs(), None)
        wanted = None if pair is None else rules_of(found[pair])
        authority = asked.host.room.authority
        if wanted is not None and authority is not None and wanted != authority.rules:
            await self._directory.renew_rules(asked.host.name)

    def _judge(
        self,
        host: RoomHost,
        member: Member,
        credentials: Credentials,
        standing: AnyStanding,
        since: float,
    ) -> None:
        decision = decide(credentials, standing)
        if not isinstance(decision, NotFound | Ended):
            self._directory.set_paused(host.name, is_paused=is_paused(standing), at=since)
        match decision:
            case Allowed(role):
                later = self._directory.rulings.role_since(host.name, credentials.identity, since)
                if later is None:
                    host.give_role(member, role)
            case Denied(reason):
                host.expel(member, CloseCode.FORBIDDEN, reason)
            case NotFound():
                host.expel(
                    member, CloseCode.NOT_FOUND, f"there is no such {place_of(host.name)} any more"
                )
            case Ended():
                host.expel(member, CloseCode.ENDED, "the session has ended")
            case _:
                assert_never(decision)
