"""The document of a session or of a room, for what is done to both alike.

| parameter | of what the path names | who gets in |
|---|---|---|
| `opened: DocumentReader` | session | as `callers.Reader` |
| `opened: DocumentEditor` | session | as `callers.Editor` |
| `opened: RoomDocumentReader` | room | as `xr_callers.RoomReader` |
| `opened: RoomDocumentEditor` | room | as `xr_callers.RoomEditor` |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentName, id_of
from server.rest.callers import Caller, Editor, Opened, Reader
from server.rest.xr_callers import OpenedRoom, RoomEditor, RoomReader


@dataclass(frozen=True, slots=True)
class OpenedDocument:
    """A document that the caller may read, and their role in it.

    Attributes:
        document: its name.
        address: of what it belongs to.
        config: of what it belongs to.
    """

    caller: Caller
    document: DocumentName
    role: Role
    address: str
    config: Mapping[str, Any]

    @property
    def owner_id(self) -> UUID:
        """Of what it belongs to: rows have it."""
        return id_of(self.document)


def of_session(opened: Opened) -> OpenedDocument:
    """The document of a session."""
    session = opened.session
    address = f"/api/ocw/sessions/{session.id}"
    return OpenedDocument(opened.caller, opened.document, opened.role, address, session.config)


def of_room(opened: OpenedRoom) -> OpenedDocument:
    """The document of a room."""
    room = opened.room
    address = f"/api/xr/rooms/{room.id}"
    return OpenedDocument(opened.caller, opened.document, opened.role, address, room.config)


async def _read_session(opened: Reader) -> OpenedDocument:
    return of_session(opened)


async def _edit_session(opened: Editor) -> OpenedDocument:
    return of_session(opened)


async def _read_room(opened: RoomReader) -> OpenedDocument:
    return of_room(opened)


async def _edit_room(opened: RoomEditor) -> OpenedDocument:
    return of_room(opened)


DocumentReader = Annotated[OpenedDocument, Depends(_read_session)]
DocumentEditor = Annotated[OpenedDocument, Depends(_edit_session)]
RoomDocumentReader = Annotated[OpenedDocument, Depends(_read_room)]
RoomDocumentEditor = Annotated[OpenedDocument, Depends(_edit_room)]
