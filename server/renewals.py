"""New tokens on open sockets: checked, and then handed to the room (ACC-14)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import assert_never

import structlog

from crdt_docs.access import Role
from crdt_docs.member import Member
from crdt_docs.messages import CloseCode
from persistence.ports import StorageUnavailable
from server.access_decision import Allowed, Denied, Ended, NotFound, decide
from server.authentication import Authenticator, Credentials, InvalidToken
from server.clock import Clock, utc_now
from server.document_standings import DocumentStandings, place_of
from server.leases import Lease
from server.revocations import REVOKED
from server.room_host import RoomHost
from server.rulings import Closed, Rulings
from server.signing_keys import KeysUnavailable

log = structlog.get_logger(__name__)


class _Unusable(Exception):  # noqa: N818 - an outcome, not a fault
    """The member has to go: the close code and why."""

    def __init__(self, closed: Closed) -> None:
        super().__init__(closed.reason)
        self.closed = closed


class Renewals:
    """Decides about tokens one after the other for each member; `room_host.Renewing`.

    While one is looked at, only the latest of those that follow is kept.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        standings: DocumentStandings,
        *,
        rulings: Callable[[], Rulings],
        clock: Clock = utc_now,
    ) -> None:
        self._authenticator = authenticator
        self._standings = standings
        self._rulings = rulings
        self._clock = clock
        self._next: dict[Member, str] = {}
        self._tasks: dict[Member, asyncio.Task[None]] = {}

    def take_token(self, host: RoomHost, member: Member, token: str) -> None:
        """See `Renewing`."""
        self._next[member] = token
        if member not in self._tasks:
            task = asyncio.create_task(self._decide_in_turn(host, member))
            self._tasks[member] = task
            task.add_done_callback(lambda _: self._tasks.pop(member, None))

    async def _decide_in_turn(self, host: RoomHost, member: Member) -> None:
        while (token := self._next.pop(member, None)) is not None:
            try:
                await self._decide(host, member, token)
            except _Unusable as unusable:
                host.expel(member, *unusable.closed)
            except (KeysUnavailable, StorageUnavailable):
                # The old token goes on counting; when it ends, its owner is told so.
                log.warning("a new token could not be looked at", document=host.name)

    async def _decide(self, host: RoomHost, member: Member, token: str) -> None:
        since = time.monotonic()
        credentials = await self._checked(token)
        before = member.identity
        if (credentials.identity.user_id, credentials.identity.kind) != (
            before.user_id,
            before.kind,
        ):
            reason = "the new token is somebody else's: open another socket with it"
            raise _Unusable(Closed(CloseCode.UNAUTHENTICATED, reason))
        role = await self._role(host, credentials)
        if self._authenticator.revocations.covers(credentials):
            raise _Unusable(Closed(CloseCode.UNAUTHENTICATED, REVOKED))
        role = self._rulings().role_since(host.name, credentials.identity, since) or role
        lasts = (credentials.expires_at - self._clock()).total_seconds()
        host.take_lease(member, Lease(credentials, host.now + lasts), role)

    async def _checked(self, token: str) -> Credentials:
        try:
            return await self._authenticator.authenticate(token)
        except InvalidToken as error:
            raise _Unusable(Closed(CloseCode.UNAUTHENTICATED, str(error))) from None

    async def _role(self, host: RoomHost, credentials: Credentials) -> Role:
        standing = await self._standings.read(host.name, credentials.identity.user_id)
        decision = decide(credentials, standing)
        match decision:
            case Allowed(role):
                return role
            case Denied(reason):
                raise _Unusable(Closed(CloseCode.FORBIDDEN, reason))
            case NotFound():
                raise _Unusable(
                    Closed(CloseCode.NOT_FOUND, f"there is no such {place_of(host.name)}")
                )
            case Ended():
                raise _Unusable(Closed(CloseCode.ENDED, "the session has ended"))
            case _:
                assert_never(decision)
