"""What decides who may open a document, whatever kind it is of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias
from uuid import UUID

from crdt_docs.identifiers import DocumentKind, DocumentName
from crdt_docs.rules import SessionRules, session_rules
from persistence.ports import Session, SessionStatus, SessionStore, Standing
from persistence.xr_ports import RoomStanding, XrRoom, XrRoomStore
from server.standings import REMEMBERED_SECONDS, StandingReader

AnyStanding: TypeAlias = Standing | RoomStanding
Asked: TypeAlias = tuple[DocumentName, UUID]
"""A document, and whoever wants it."""


class DocumentStandings:
    """Asks the sessions about boards, and the rooms about rooms."""

    def __init__(
        self, sessions: SessionStore, rooms: XrRoomStore, *, checked_every: float = 0.0
    ) -> None:
        """
        Args:
            checked_every: seconds after which those who are connected are asked about again: they
                are remembered until then, whatever happens.
        """
        remembered = max(REMEMBERED_SECONDS, 2 * checked_every)
        self._sessions = StandingReader(sessions, remembered=remembered)
        self._rooms = StandingReader(rooms, remembered=remembered)

    async def read(self, name: DocumentName, user_id: UUID) -> AnyStanding:
        """See `StandingReader.read`.

        Raises:
            StorageUnavailable: it could not be read, and never was.
        """
        kind, identifier = _parts(name)
        if kind is DocumentKind.XR:
            return await self._rooms.read(identifier, user_id)
        return await self._sessions.read(identifier, user_id)

    async def read_all(self, asked: Iterable[Asked]) -> Mapping[Asked, AnyStanding]:
        """What is stored now about each.

        Raises:
            StorageUnavailable: not all of it could be read.
        """
        wanted = list(dict.fromkeys(asked))
        of_rooms = [each for each in wanted if is_room(each[0])]
        of_sessions = [each for each in wanted if not is_room(each[0])]
        found: dict[Asked, AnyStanding] = {}
        found.update(
            zip(of_sessions, await self._sessions.read_all(_pairs(of_sessions)), strict=True)
        )
        found.update(zip(of_rooms, await self._rooms.read_all(_pairs(of_rooms)), strict=True))
        return found

    def forget(self, name: DocumentName, user_id: UUID | None = None) -> None:
        """See `StandingReader.forget`."""
        kind, identifier = _parts(name)
        if kind is DocumentKind.XR:
            self._rooms.forget(identifier, user_id)
        else:
            self._sessions.forget(identifier, user_id)


def is_room(name: DocumentName) -> bool:
    """Whether it is the document of an XR room."""
    return name.startswith(f"{DocumentKind.XR.value}/")


def is_paused(standing: AnyStanding) -> bool:
    """Whether only hosts edit; a room is never paused."""
    return (
        isinstance(standing, Standing)
        and standing.session is not None
        and standing.session.status is SessionStatus.PAUSED
    )


def most_participants(standing: AnyStanding) -> int:
    """How many may be there at once; 0 where there is nothing."""
    place = _place(standing)
    return 0 if place is None else place.max_participants


def rules_of(standing: AnyStanding) -> SessionRules | None:
    """What is asked of edits there; None where there is nothing."""
    place = _place(standing)
    return None if place is None else session_rules(place.config)


def _place(standing: AnyStanding) -> Session | XrRoom | None:
    return standing.room if isinstance(standing, RoomStanding) else standing.session


def place_of(name: DocumentName) -> str:
    """What its people call it: for sentences."""
    return "room" if is_room(name) else "session"


def _parts(name: DocumentName) -> tuple[DocumentKind, UUID]:
    kind, _, identifier = name.partition("/")
    return DocumentKind(kind), UUID(identifier)


def _pairs(asked: Sequence[Asked]) -> list[tuple[UUID, UUID]]:
    return [(_parts(name)[1], user_id) for name, user_id in asked]
