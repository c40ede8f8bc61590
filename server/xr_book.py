"""Who is in rooms of headsets, and where they were last: written down by a task of its own.

XRB-1  Whoever enters by an XR session's socket is its participant; what joining by REST said of the
       device and the avatar stays.
XRB-2  Where somebody is goes into their row every few seconds and when they leave, and never with
       each pose.
XRB-3  Whoever is gone has left, also when the server stops.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import structlog

from crdt_docs.identifiers import DocumentName
from crdt_docs.member import Member
from crdt_docs.poses import Placed
from persistence.xr_people_ports import DeviceType, Sighting, XrParticipant, XrParticipantStore
from server.background_writer import BackgroundWriter
from server.clock import Clock, utc_now
from server.witness import Connection, Visitor

log = structlog.get_logger(__name__)

EVERY = 5.0
"""Seconds between two looks at where everybody is."""

Whereabouts = Callable[[DocumentName, Member], Placed | None]
"""Where somebody's head is now; None: that is not known."""


@dataclass(slots=True, eq=False)
class _Stay:
    """One socket's time in a room.

    Attributes:
        is_refused: its connection is somebody else's (XRS-4): nothing of it is written down.
    """

    document: DocumentName
    connection: Connection
    user_id: UUID
    is_refused: bool = False

    @property
    def whose(self) -> tuple[Connection, UUID]:
        """Of which participant it is a socket."""
        return self.connection, self.user_id


@dataclass(frozen=True, slots=True)
class _Arrival:
    stay: _Stay
    at: datetime


@dataclass(frozen=True, slots=True)
class _Departure:
    stay: _Stay
    at: datetime


@dataclass(frozen=True, slots=True)
class _Sight:
    stay: _Stay
    sighting: Sighting


_Note = _Arrival | _Departure | _Sight


class XrBook:
    """A `witness.Witness` of rooms of headsets."""

    def __init__(
        self,
        participants: XrParticipantStore,
        where: Whereabouts,
        *,
        every: float = EVERY,
        clock: Clock = utc_now,
    ) -> None:
        """
        Args:
            every: seconds between two looks.
        """
        self._participants = participants
        self._where = where
        self._every = every
        self._clock = clock
        self._present: dict[Member, _Stay] = {}
        self._sockets: Counter[tuple[Connection, UUID]] = Counter()  # of each participant
        self._looking: asyncio.Task[None] | None = None
        self._writer: BackgroundWriter[_Note] = BackgroundWriter(
            self._store, subject="participants of rooms"
        )

    @property
    def lost(self) -> int:
        """How many notes were not written down."""
        return self._writer.lost

    def came(self, document: DocumentName, member: Member, visitor: Visitor) -> None:
        """See `Witness` (XRB-1)."""
        if visitor.connection is None:
            return
        stay = _Stay(document, visitor.connection, member.identity.user_id)
        self._present[member] = stay
        self._sockets[stay.whose] += 1
        self._writer.put(_Arrival(stay, self._clock()))

    def went(self, document: DocumentName, member: Member, code: int | None) -> None:
        """See `Witness` (XRB-2, XRB-3). A connection that has come back on another socket stays."""
        stay = self._present.pop(member, None)
        if stay is None:
            return
        self._sight(member, stay)
        self._sockets[stay.whose] -= 1
        if self._sockets[stay.whose] == 0:
            del self._sockets[stay.whose]
            self._writer.put(_Departure(stay, self._clock()))

    def refused(self, document: DocumentName, member: Member, rule: str) -> None:
        """See `Witness`: nothing of that is written here."""

    def look(self) -> None:
        """Note where everybody is (XRB-2); not again while that waits for the database: it would
        crowd out who comes and goes."""
        if self._writer.waiting <= len(self._present):
            for member, stay in self._present.items():
                self._sight(member, stay)

    def _sight(self, member: Member, stay: _Stay) -> None:
        placed = self._where(stay.document, member)
        self._writer.put(_Sight(stay, Sighting(*stay.connection, self._clock(), placed)))

    def start(self) -> None:
        """Look and store from now on."""
        self._writer.start()
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_for_ever())

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            self.look()

    async def flush(self) -> None:
        """Return when all that was noted before is stored."""
        await self._writer.flush()

    async def close(self, within: float) -> bool:
        """Store what waits, then stop; whether all of it was stored in time."""
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        return await self._writer.close(within)

    async def _store(self, notes: Sequence[_Note]) -> None:
        """Comings and goings in their order, then where everybody was, at once."""
        for note in notes:
            if note.stay.is_refused:
                continue
            if isinstance(note, _Arrival):
                await self._join(note)
            elif isinstance(note, _Departure):
                await self._participants.leave(*note.stay.connection, note.at)
        sights = [note for note in notes if isinstance(note, _Sight)]
        sightings = [each.sighting for each in sights if not each.stay.is_refused]
        if sightings:
            await self._participants.note(sightings)

    async def _join(self, arrival: _Arrival) -> None:
        stay = arrival.stay
        known = await self._participants.participant(*stay.connection)
        if known is not None and known.user_id != stay.user_id:
            stay.is_refused = True
            log.warning("somebody came as another's connection", session_id=stay.connection[0])
            return
        new = XrParticipant(*stay.connection, stay.user_id, DeviceType.DESKTOP, arrival.at)
        await self._participants.join(
            new if known is None else replace(known, joined_at=arrival.at, left_at=None)
        )
