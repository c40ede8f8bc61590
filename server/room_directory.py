"""Which rooms are open: opening, keeping, closing them (ROM-10 to ROM-13)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import structlog

from crdt_docs.access import Role
from crdt_docs.document import DocumentBroken, Fence, NoFence
from crdt_docs.identifiers import DocumentName
from crdt_docs.member import Member
from crdt_docs.messages import CloseCode
from crdt_docs.pacing import Pacing
from crdt_docs.pose_rates import PoseSettings
from crdt_docs.poses import Placed
from crdt_docs.room_limits import RoomLimits
from persistence.archive_ports import Archive
from persistence.ports import (
    DocumentStore,
    Journal,
    StorageUnavailable,
)
from server.counters import Counters
from server.revocations import REVOKED, Revocations
from server.room_host import HostSettings, Renewing, RoomHost
from server.room_keeping import RoomKeeping
from server.room_opening import RoomOpening
from server.room_rules import NoRules, RulesReader
from server.rulings import Rulings
from server.witness import Witness

log = structlog.get_logger(__name__)

LOADS_AT_ONCE = 16

LAST_SECONDS = 3.0
"""How long long updates are still applied when the server stops."""

ASIDE_SECONDS = 30.0
"""How long it may take until a document is out of memory, with all of it stored."""


GIVEN_UP_KEPT = 1_000
"""Documents of which it is known what storage refused last: somebody may wait for just that."""

NOTHING = range(0)


class RoomDirectory:
    """All rooms of this process, by document name."""

    def __init__(
        self,
        store: DocumentStore,
        journal: Journal,
        *,
        counters: Counters,
        limits: RoomLimits,
        pacing: Pacing,
        host_settings: HostSettings,
        idle_seconds: float,
        snapshot_every_updates: int,
        snapshot_every_bytes: int,
        fence: Fence | None = None,
        repair: Callable[[DocumentName], Awaitable[object]] | None = None,
        rules: RulesReader | None = None,
        archive: Archive | None = None,
        renewing: Renewing | None = None,
        revocations: Revocations | None = None,
        witness: Witness | None = None,
        poses: PoseSettings | None = None,
    ) -> None:
        """
        Args:
            poses: how often rooms of headsets tell where everybody is.
            renewing: decides about new tokens on open sockets.
            revocations: whose tokens prove nothing any more.
            witness: sees who comes and goes, and what is refused.
            archive: where views of large documents are kept (PST-11).
            rules: what sessions ask of edits.
            repair: makes rows of a document that is not open what its log says (HST-8).
            idle_seconds: how long a room without members stays in memory.
            snapshot_every_updates: log entries after which a room's snapshot is renewed; likewise
                `snapshot_every_bytes`.
        """
        self.counters = counters
        self.rulings = Rulings()
        self.revocations = Revocations() if revocations is None else revocations
        self._journal = journal
        self._host_settings = host_settings
        self._idle_seconds = idle_seconds
        self._snapshot_every_updates = snapshot_every_updates
        self._snapshot_every_bytes = snapshot_every_bytes
        self._rules = rules or NoRules()
        fence = fence or NoFence()
        self._opening = RoomOpening(
            store,
            journal,
            rules=self._rules,
            fence=fence,
            counters=counters,
            limits=limits,
            pacing=pacing,
            poses=poses or PoseSettings(),
            host_settings=host_settings,
            on_broken=self._drop,
            renewing=renewing,
            witness=witness,
            repair=repair,
        )
        self._keeping = RoomKeeping(store, journal, archive, fence, self._is_open)
        self._hosts: dict[DocumentName, RoomHost] = {}
        self._loading: dict[DocumentName, asyncio.Task[RoomHost]] = {}
        self._dropped: dict[DocumentName, int] = {}
        # Positions that the journal passes over: they count as committed, and are not stored.
        self._given_up: dict[DocumentName, range] = {}
        self._busy: dict[RoomHost, asyncio.Task[None]] = {}
        self._aside: dict[DocumentName, asyncio.Event] = {}
        self._loads = asyncio.Semaphore(LOADS_AT_ONCE)
        self._ruling = asyncio.Lock()
        self._ticker: asyncio.Task[None] | None = None
        self._is_closing = False
        journal.subscribe(self._committed)

    # Asking

    @property
    def rooms(self) -> int:
        """How many rooms are in memory."""
        return len(self._hosts)

    @property
    def connections(self) -> int:
        """How many sockets are in them."""
        return sum(host.connections for host in self._hosts.values())

    def hosts(self) -> Sequence[RoomHost]:
        """The rooms that are open now."""
        return tuple(self._hosts.values())

    def find(self, name: DocumentName) -> RoomHost | None:
        """The room, if it is open."""
        return self._hosts.get(name)

    def _is_open(self, host: RoomHost) -> bool:
        """Whether this is the room of its document now, and not given up."""
        return self._hosts.get(host.name) is host

    def place_of(self, name: DocumentName, member: Member) -> Placed | None:
        """Where a member's head is, in a room of headsets; None: that is not known."""
        host = self._hosts.get(name)
        pose = None if host is None or host.poses is None else host.poses.pose_of(member)
        return None if pose is None else pose.head

    def is_at_rest(self, name: DocumentName) -> bool:
        """Whether it is not in memory, and everything of it is stored."""
        is_open = name in self._hosts or name in self._loading
        return not is_open and self._dropped.get(name, 0) <= self._journal.committed

    async def open(self, name: DocumentName) -> RoomHost:
        """The room of a document, loaded once however many ask at the same time (ROM-10).

        Nothing may be awaited between this and joining: an empty room can be put away meanwhile.

        Raises:
            StorageUnavailable: the document could not be read; nothing is kept of the attempt.
            DocumentBroken: what is stored cannot be opened; it is left as it is.
        """
        while True:
            host = self._hosts.get(name)
            if host is not None:
                return host
            if name in self._aside:
                await self._aside[name].wait()
                continue
            if self._is_closing:
                raise StorageUnavailable("the server is going away")
            task = self._loading.get(name)
            if task is None:
                task = asyncio.create_task(self._load(name))
                self._loading[name] = task
                task.add_done_callback(_look_at_failure)
            # Shielded: one who gives up waiting must not take the room from the others.
            await asyncio.shield(task)

    async def renew_rules(self, name: DocumentName) -> None:
        """Hold edits of a document against what its rules are now, if it is open.

        One after the other: of rules that change twice, the later ones are read last.

        Raises:
            StorageUnavailable: they cannot be read now, and stay what they were.
        """
        async with self._ruling:
            while name in self._loading:  # perhaps with the rules of before
                await asyncio.wait([self._loading[name]])
            if name not in self._hosts:
                return
            ruled = await self._rules.read(name)
            host = self._hosts.get(name)
            if host is not None:
                host.room.obey(ruled.rules, ruled.creators)

    async def _load(self, name: DocumentName) -> RoomHost:
        # Entered and taken out here and not in a callback of the task: that would run one round
        # of the loop later, and who asks in between would find a task that is done and no room.
        try:
            host = self._hosts[name] = await self._read(name)
        except BaseException:
            self.counters.failed_loads += 1
            raise
        finally:
            del self._loading[name]
        return host

    async def _read(self, name: DocumentName) -> RoomHost:
        async with self._loads:
            if self._dropped.get(name, 0) > self._journal.committed:
                await self._journal.flush()  # what the broken room emitted must be read back
            self._dropped.pop(name, None)
            return await self._opening.open(name)

    async def stored(self, name: DocumentName, position: int, within: float) -> bool:
        """Whether what a document emitted up to a position of the journal is stored, or is within
        so many seconds."""
        if self._journal.committed < position:
            try:
                async with asyncio.timeout(within):
                    await self._journal.flush()
            except (TimeoutError, StorageUnavailable):
                return False
        return position not in self._given_up.get(name, NOTHING)

    def _drop(self, host: RoomHost) -> None:
        """Forget a room whose document failed; the next to ask loads it again from storage."""
        if self._is_open(host):
            self._dropped[host.name] = host.log.position
            self._journal.seal(host.name)
            self._forget(host)
            log.error("a document failed and is loaded again", document=host.name)

    def _forget(self, host: RoomHost) -> None:
        del self._hosts[host.name]
        if host.log.has_lost_changes:
            self._opening.doubt_rows(host.name)
        host.shut()

    def give_up(self, name: DocumentName, error: Exception) -> None:
        """Storage refuses what a document emitted: close it, promise nothing more about it, and
        let the next who asks load what is stored; the clients bring their edits again."""
        log.error("storage refused an update", document=name, error=type(error).__name__)
        host = self._hosts.get(name)
        if host is not None:
            host.abandon()
            host.log.has_lost_changes = True  # of what was stored before, with what is given up now
            self._drop(host)
        self._given_up[name] = range(self._journal.committed + 1, self._journal.position + 1)
        if len(self._given_up) > GIVEN_UP_KEPT:
            del self._given_up[next(iter(self._given_up))]

    def _committed(self, position: int) -> None:
        for host in self._hosts.values():
            host.committed(position)

    # Keeping and closing

    def start(self) -> None:
        """Look after the rooms from now on."""
        self._ticker = asyncio.create_task(self._tick_for_ever())

    async def _tick_for_ever(self) -> None:
        period = min(5.0, self._host_settings.keepalive / 4, self._idle_seconds / 2)
        while True:
            await asyncio.sleep(period)
            await self._tick_all()

    async def _tick_all(self) -> None:
        self.rulings.forget_old()
        # A method of its own: a loop variable would keep the last room alive between rounds.
        for name in list(self._hosts):
            host = self._hosts.get(name)
            if host is not None:
                host.tick()
                self._look_after(host)
                await asyncio.sleep(0)  # a thousand rooms must not hold up one

    def _look_after(self, host: RoomHost) -> None:
        if host in self._busy:
            return
        if host.empty_since is not None and host.now - host.empty_since >= self._idle_seconds:
            self._begin(host, self._put_away)
        elif host.log.wants_snapshot and (
            host.log.updates_since_snapshot >= self._snapshot_every_updates
            or host.log.bytes_since_snapshot >= self._snapshot_every_bytes
        ):
            self._begin(host, self._keeping.compact)

    def _begin(self, host: RoomHost, work: Callable[[RoomHost], Awaitable[None]]) -> None:
        task = asyncio.create_task(self._guarded(host, work))
        self._busy[host] = task
        task.add_done_callback(lambda _: self._busy.pop(host, None))

    async def _guarded(self, host: RoomHost, work: Callable[[RoomHost], Awaitable[None]]) -> None:
        try:
            await work(host)
        except StorageUnavailable:
            log.warning("storage is not available; trying again later", document=host.name)

    async def _put_away(self, host: RoomHost) -> None:
        """Take an empty room out of memory, unless somebody comes meanwhile (ROM-12)."""
        if host.log.wants_snapshot:
            await self._keeping.compact(host)
        await self._keeping.keep_view(host)
        await self._journal.flush()
        stored = host.log.last_seq
        host.run_turn()  # somebody may have come and gone meanwhile
        is_needed = (
            host.connections
            or host.log.wants_snapshot
            or host.log.last_seq > stored
            or host.log.position > self._journal.committed  # what came during the flush
            or host.room.is_applying  # ROM-16: what was accepted is applied to the end
        )
        if not is_needed and self._is_open(host):
            self._forget(host)

    def set_role(self, name: DocumentName, user_id: UUID, role: Role) -> None:
        """Give a person this role in a document, now and for who is just coming in (ACC-11)."""
        self.rulings.set_role(name, user_id, role)
        host = self._hosts.get(name)
        if host is not None:
            host.set_role(user_id, role)

    def send_away(self, name: DocumentName, user_id: UUID, reason: str) -> None:
        """Close every socket of a person in a document, also one that is just coming in."""
        self.rulings.send_away(name, user_id, reason)
        host = self._hosts.get(name)
        if host is not None:
            host.send_away(user_id, CloseCode.FORBIDDEN, reason)

    def set_paused(self, name: DocumentName, *, is_paused: bool, at: float) -> None:
        """Pause a document or let it go on.

        Args:
            at: moment of the monotonic clock when this was so; what was seen later counts.
        """
        is_paused = self.rulings.set_paused(name, is_paused=is_paused, at=at)
        host = self._hosts.get(name)
        if host is not None:
            host.set_paused(is_paused=is_paused)

    def close_revoked(self) -> int:
        """Close every socket whose token was revoked (ACC-15); return how many."""
        closed = 0
        for host in self.hosts():
            for member, credentials in host.tokens().items():
                if self.revocations.covers(credentials):
                    host.expel(member, CloseCode.UNAUTHENTICATED, REVOKED)
                    closed += 1
        return closed

    async def close_document(self, name: DocumentName, code: CloseCode, reason: str) -> None:
        """Close every socket of a document."""
        self.rulings.close(name, code, reason)
        host = await self._found(name)
        if host is not None:
            host.close_all(code, reason)

    async def _found(self, name: DocumentName) -> RoomHost | None:
        """The room, if it is open or just being opened."""
        task = self._loading.get(name)
        if task is not None:
            with contextlib.suppress(StorageUnavailable, DocumentBroken):
                await asyncio.shield(task)
        return self._hosts.get(name)

    @asynccontextmanager
    async def set_aside(self, name: DocumentName) -> AsyncIterator[None]:
        """Have a document out of memory, with all of it stored, for as long as this lasts: what is
        stored of it may be changed then. Who is in it reconnects, and waits (PRV-6).

        Raises:
            StorageUnavailable: it is being set aside already, or not all of it could be stored.
        """
        if name in self._aside:
            raise StorageUnavailable("the document is being set aside")
        back = self._aside[name] = asyncio.Event()
        try:
            await self._empty_soon(name)
            yield
        finally:
            del self._aside[name]
            back.set()

    async def _empty_soon(self, name: DocumentName) -> None:
        try:
            async with asyncio.timeout(ASIDE_SECONDS):
                await self._empty(name)
        except TimeoutError:
            raise StorageUnavailable("not all of the document could be stored in time") from None

    async def _empty(self, name: DocumentName) -> None:
        host = await self._found(name)
        if host is not None:
            host.close_all(CloseCode.RESTART, "the document is loaded again; reconnect")
            while host.room.is_applying and not self._journal.is_full:
                host.run_turn()
                await asyncio.sleep(0)
            if host in self._busy:
                await asyncio.wait([self._busy[host]])
            if self._hosts.get(name) is host:
                self._dropped[name] = host.log.position
                self._journal.seal(name)
                self._forget(host)
        await self._journal.flush()

    async def close(self) -> None:
        """Close every socket, flush what was edited, keep snapshots of what changed."""
        self._is_closing = True
        if self._ticker is not None:
            self._ticker.cancel()
        for host in list(self._hosts.values()):
            host.close_all(CloseCode.RESTART, "the server restarts; reconnect")
        await self._finish_long_updates()
        await self._journal.flush()
        if self._busy:
            await asyncio.wait(self._busy.values())
        for host in list(self._hosts.values()):
            if host.log.wants_snapshot:
                await self._guarded(host, self._keeping.compact)
            host.shut()
        self._hosts.clear()

    async def _finish_long_updates(self) -> None:
        """ROM-16: what was accepted of people who have left is applied to the end, if there is
        time for it."""
        until = time.monotonic() + LAST_SECONDS
        for host in list(self._hosts.values()):
            while host.room.is_applying and not self._journal.is_full and time.monotonic() < until:
                host.run_turn()
                await asyncio.sleep(0)


def _look_at_failure(task: asyncio.Task[RoomHost]) -> None:
    """A failed load is told to those who wait for it; there may be nobody left."""
    if not task.cancelled():
        task.exception()
