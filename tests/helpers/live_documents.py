"""Sessions and rooms of a real server alike: each has a document, and people who come to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID, uuid4

import asyncpg
from pycrdt import Doc

from crdt_docs.identifiers import DocumentKind, DocumentName, document_name

if TYPE_CHECKING:
    from tests.helpers.server_process import Invitation, ServerProcess


@dataclass(frozen=True, slots=True)
class LiveDocument(ABC):
    """What a document of a server belongs to.

    Attributes:
        id: of the session or of the room.
    """

    server: ServerProcess
    id: str

    kind: ClassVar[DocumentKind]
    below: ClassVar[str]
    """Address of all of its kind, below that of the API."""

    @property
    def name(self) -> DocumentName:
        """Of the document."""
        return document_name(self.kind, UUID(self.id))

    def invite(
        self,
        role: str | None = "editor",
        *,
        name: str | None = None,
        user_id: UUID | None = None,
        lifetime: float = 3600.0,
    ) -> Invitation:
        """Somebody's way in: a token that grants `role` (None: grants nothing)."""
        user = user_id or uuid4()
        grants: dict[str, str] = {} if role is None else {self.name: role}
        return self.invite_with(self.server.token(user, name, grants, lifetime), user)

    @abstractmethod
    def invite_with(self, token: str, user_id: UUID | None = None) -> Invitation:
        """A way in with any token at all."""

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """What a backend is answered about it."""
        response = await self.server.request(method, f"{self.below}/{self.id}{path}", **options)
        assert response.is_success, response.text
        return response.json()["data"]

    async def state(self) -> dict[str, Any]:
        """The document as the server shows it: its root maps as JSON."""
        data: dict[str, Any] = await self.request("GET", "/state")
        return data

    async def update(self) -> bytes:
        """The document as one Yjs update."""
        path = f"{self.below}/{self.id}/state?format=yjs"
        response = await self.server.request("GET", path)
        response.raise_for_status()
        return response.content

    async def stored(self) -> bytes:
        """The document as its log in the embedded database has it, as one Yjs update."""
        return await stored_document(self.server.database_dsn(), self.name)


async def stored_document(dsn: str, name: DocumentName) -> bytes:
    """A document as its log in a database has it: every update, as one."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        rows = await connection.fetch(
            "SELECT update FROM document_updates u JOIN documents d ON d.id = u.document_id"
            " WHERE d.name = $1 ORDER BY u.seq",
            name,
        )
    finally:
        await connection.close()
    doc: Doc[Any] = Doc()
    with doc.transaction():
        for row in rows:
            doc.apply_update(row["update"])
    return doc.get_update()
