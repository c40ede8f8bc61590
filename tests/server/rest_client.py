"""A REST API with nobody behind it but memory, and people who call it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
from pycrdt import Doc
from pydantic import SecretStr
from starlette.applications import Starlette

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentName, Identity
from crdt_docs.messages import CloseCode
from crdt_docs.ownership import Entry
from persistence.answer_ports import AnswerStore
from persistence.audit_ports import AuditStore
from persistence.memory_answers import MemoryAnswerStore
from persistence.memory_audit import MemoryAuditStore
from persistence.memory_privacy import MemoryPrivacyStore
from persistence.memory_search import MemorySearch
from persistence.memory_sessions import MemorySessionStore
from persistence.memory_store import MemoryDocumentStore
from persistence.memory_tokens import MemoryTokenStore
from persistence.memory_visits import MemoryVisitStore
from persistence.memory_xr_stores import xr_in_memory
from persistence.memory_xr_tables import MemoryXrTables
from persistence.ports import SessionStore
from persistence.token_ports import TokenStore
from persistence.xr_stores import XrStores
from server.authentication import Authenticator
from server.emptying import Emptying
from server.forgetting import Forgetting
from server.personal_data import PersonalData
from server.rest.ports import Edited, Readiness
from server.rest.routes import rest_routes
from server.rest.services import Services
from server.settings import Settings
from server.time_travel import TimeTravel
from server.token_issuing import TokenIssuer
from tests.helpers.audit import RecordedTrail
from tests.server.described import described
from tests.server.token_forge import AUDIENCE, SECRET, Forge

T = TypeVar("T")

READY = Readiness(database=True, backlog_bytes=0, backlog_full=False, rooms=2, connections=5)


class FakeLiveDocuments:
    """`rest.ports.LiveDocuments` without documents.

    Attributes:
        roots: what every document's state is.
        closed: what was closed, in order.
        fail_with: raised by whatever opens a document, while set.
        documents: what was edited.
        edits: what was edited by whom, and whether it restored something, in order.
        is_stored: what edits say of themselves.
        at_rest: what is not open, and stored.
        renewed: whose rules were read anew, in order.
    """

    def __init__(self) -> None:
        self.roots: dict[str, object] = {"objects": {}, "annotations": {}, "meta": {}}
        self.closed: list[tuple[DocumentName, CloseCode, str]] = []
        self.opened: list[DocumentName] = []
        self.fail_with: Exception | None = None
        self.ready = READY
        self.documents: dict[DocumentName, Doc[Any]] = {}
        self.edits: list[tuple[DocumentName, Identity, bool]] = []
        self.is_stored = True
        self.at_rest: set[DocumentName] = set()
        self.renewed: list[DocumentName] = []

    def is_at_rest(self, document: DocumentName) -> bool:
        return document in self.at_rest

    def _open(self, document: DocumentName) -> None:
        if self.fail_with is not None:
            raise self.fail_with
        self.opened.append(document)

    async def state(self, document: DocumentName) -> dict[str, object]:
        self._open(document)
        return self.roots

    async def state_update(self, document: DocumentName) -> bytes:
        self._open(document)
        return b"\x00\x00"

    async def edit(
        self,
        document: DocumentName,
        identity: Identity,
        change: Callable[[Doc[Any]], T],
        *,
        is_restore: bool = False,
        may_grow: bool = True,
        role: Role = Role.HOST,
        entries: Iterable[Entry] = (),
        is_moving: bool = False,
        within: float = 5.0,
    ) -> Edited[T]:
        self._open(document)
        doc = self.documents.setdefault(document, Doc())
        with doc.transaction():
            result = change(doc)
        self.edits.append((document, identity, is_restore))
        return Edited(result, self.is_stored, len(self.edits))

    async def all_stored(self, document: DocumentName, within: float = 5.0) -> bool:
        return self.is_stored

    async def renew_rules(self, document: DocumentName) -> None:
        self.renewed.append(document)

    async def close_document(self, document: DocumentName, code: CloseCode, reason: str) -> None:
        self.closed.append((document, code, reason))

    def readiness(self) -> Readiness:
        return self.ready


class RecordedPermissions:
    """`rest.ports.LivePermissions` that only remembers, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def set_role(self, document: DocumentName, user_id: UUID, role: Role) -> None:
        self.told.append(("role", document, user_id, role))

    def send_away(self, document: DocumentName, user_id: UUID, reason: str) -> None:
        self.told.append(("away", document, user_id, reason))

    def set_paused(self, document: DocumentName, *, is_paused: bool) -> None:
        self.told.append(("paused", document, is_paused))

    def forget(self, document: DocumentName) -> None:
        self.told.append(("over", document))

    def close_revoked(self) -> None:
        self.told.append(("revoked",))


@dataclass
class Caller:
    """Somebody with a token, calling the API."""

    client: httpx.AsyncClient
    token: str
    user_id: UUID
    workspace: UUID

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request with the caller's token."""
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        return await self.client.request(method, path, headers=headers, **more)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.call("GET", path, **more)

    async def post(self, path: str, **more: Any) -> httpx.Response:
        return await self.call("POST", path, **more)

    async def delete(self, path: str, **more: Any) -> httpx.Response:
        return await self.call("DELETE", path, **more)

    async def create(self, **body: Any) -> dict[str, Any]:
        """Create a session in the caller's workspace; gives its data."""
        body = {"workspace_id": str(self.workspace), "session_type": "whiteboard", **body}
        answer = await self.post("/api/ocw/sessions", json=body)
        assert answer.status_code == 201, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data


@dataclass
class Api:
    """The API, what it works with, and a way to call it.

    Every answer is held against the OpenAPI document.
    """

    data_dir: Path
    forge: Forge = field(default_factory=Forge)
    sessions: MemorySessionStore = field(default_factory=MemorySessionStore)
    documents: MemoryDocumentStore = field(default_factory=MemoryDocumentStore)
    answers: AnswerStore = field(default_factory=MemoryAnswerStore)
    stored_in: SessionStore | None = None  # else `sessions`, in memory
    live: FakeLiveDocuments = field(default_factory=FakeLiveDocuments)
    permissions: RecordedPermissions = field(default_factory=RecordedPermissions)
    authenticator: Authenticator | None = None  # else the forge's
    stored_tokens: TokenStore = field(default_factory=MemoryTokenStore)
    secret: bytes | None = SECRET  # that tokens are signed with
    audit: RecordedTrail = field(default_factory=RecordedTrail)
    audits: AuditStore | None = None  # else in memory
    xr_tables: MemoryXrTables = field(default_factory=MemoryXrTables)
    xr_stored_in: XrStores | None = None  # else `xr_tables`, in memory

    def __post_init__(self) -> None:
        self.settings = Settings(
            data_dir=self.data_dir,
            jwt_secret=SecretStr(SECRET.decode()),
            max_body_bytes=100_000,
            max_participants=50,
        )
        authenticator = self.authenticator or self.forge.authenticator()
        self.tokens = TokenIssuer(
            self.stored_tokens,
            authenticator.revocations,
            secret=self.secret,
            audience=AUDIENCE,
            clock=self.forge.clock,
        )
        self.kept_audit = MemoryAuditStore(self.sessions.workspace_of, self.xr_tables.workspace_of)
        privacy = MemoryPrivacyStore(
            self.documents,
            self.sessions,
            answers=in_memory(self.answers, MemoryAnswerStore),
            audit=self.kept_audit,
            visits=MemoryVisitStore(self.sessions.note_seen),
            tokens=in_memory(self.stored_tokens, MemoryTokenStore),
            xr=self.xr_tables,
        )
        xr = self.xr_stored_in or xr_in_memory(self.xr_tables)
        self.services = Services(
            sessions=self.stored_in or self.sessions,
            xr=xr,
            objects=self.documents.objects,
            search=MemorySearch(self.stored_in or self.sessions, self.documents.objects),
            archive=self.documents.archive,
            past=TimeTravel(self.documents.archive),
            answers=self.answers,
            audit=self.audit,
            audits=self.audits or self.kept_audit,
            live=self.live,
            permissions=self.permissions,
            tokens=self.tokens,
            forgetting=Forgetting(privacy, send_away=self.tokens.revoke_user),
            personal_data=PersonalData(privacy),
            emptying=Emptying(xr.sessions, self.live, clock=self.forge.clock),
            authenticator=authenticator,
            settings=self.settings,
            clock=self.forge.clock,
        )
        self.app = Starlette(routes=rest_routes(self.services))
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),
            base_url="http://collab.test",
            event_hooks={"response": [described().check]},
        )

    def caller(self, user: UUID | None = None, /, **claims: Any) -> Caller:
        """Somebody; by default a user who works in one workspace."""
        user = user or uuid4()
        workspace = uuid4()
        claims = {"workspaces": [str(workspace)], **claims}
        return Caller(self.client, self.forge.token(user, **claims), user, workspace)

    def service(self, **claims: Any) -> Caller:
        """A backend service, in every workspace."""
        return self.caller(**{"scope": "service", "workspaces": None, **claims})


def in_memory(store: object, kind: type[T]) -> T:
    """A store if it is of this kind, else a new one."""
    return store if isinstance(store, kind) else kind()


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an answer that must be a failure in the envelope."""
    body = answer.json()
    assert body["success"] is False
    assert set(body) == {"success", "error", "meta"}
    assert set(body["error"]) == {"code", "message", "details"}
    assert body["error"]["message"]
    return answer.status_code, body["error"]["code"]
