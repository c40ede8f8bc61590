"""REST under requests of every kind: what the OpenAPI document says holds, whoever asks for what.

Requests are made from the document: some as it describes them, some just not. None may be answered
with a fault of the server, with a status that is not in the document, or in another shape; and what
is not as it is described is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import strategies as st
from pydantic import SecretStr
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.python import asgi
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind, DocumentName, document_name
from server.app import create_app
from server.authentication import mint
from server.memory_stores import open_memory
from server.settings import Settings
from server.stores import OpenStores, open_postgres
from tests.helpers.lifted_limits import LIFTED
from tests.helpers.proving import few_or_many
from tests.server.described import described
from tests.server.served import SECRET

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
SESSIONS = "/api/ocw/sessions"
ROOMS = "/api/xr/rooms"
AVATARS = "/api/xr/avatars"
WORKSPACE = UUID(int=1)
HOST, EDITOR, VIEWER, STRANGER, BACKEND = (UUID(int=number) for number in range(10, 15))
GRANTED = {EDITOR: Role.EDITOR, VIEWER: Role.VIEWER}


IN_A_SESSION = "/ocw/sessions/{session_id}"
KINDS = {
    found["kind"]: found["parameter"]
    for label in described().operations
    if (
        found := re.search(
            r"/(?P<kind>objects|annotations|snapshots)/\{(?P<parameter>\w+)\}$", label
        )
    )
}
"""What a session holds, and how paths name one of it."""
KNOWN = "known"  # the object that every session and room has


def bearer(who: UUID | None, documents: Iterable[DocumentName] = ()) -> dict[str, str]:
    """The header of somebody with a fresh token, and their grants in it; of nobody, none."""
    if who is None:
        return {}
    role = GRANTED.get(who)
    token = mint(
        SECRET.encode(),
        who,
        lifetime=timedelta(minutes=30),
        now=datetime.now(UTC),
        is_service=who == BACKEND,
        workspaces=[WORKSPACE],
        grants={} if role is None else dict.fromkeys(documents, role),
    )
    return {"Authorization": f"Bearer {token}"}


class Platform:
    """The whole application, and in it a session and a room that are active and have something in
    them."""

    def __init__(self, app: Any, client: requests.Session) -> None:
        self.client = client
        self.schema = schemathesis.openapi.from_asgi("/openapi.json", app)
        self.known: dict[str, str] = {}

    def operation(self, label: str) -> Any:
        """`GET /path`, as schemathesis knows it."""
        return self.schema.find_operation_by_label(label)

    def renew(self) -> None:
        """Have all of that, and anew what was ended or deleted meanwhile."""
        if not self._is_active(SESSIONS, "session_id"):
            self._renew_session()
        if not self._is_active("/api/xr/sessions", "xr_session_id"):
            self._renew_room()
        if not self._is_there(AVATARS, "avatar_id"):
            self.known["avatar_id"] = self._post(AVATARS, HOST, {"avatar_name": "Fox"})["id"]

    def _renew_session(self) -> None:
        wanted = {"workspace_id": str(WORKSPACE), "session_type": "whiteboard"}
        session = self._post(SESSIONS, HOST, wanted)["id"]
        self.known |= {"session_id": session, "user_id": str(VIEWER)}
        self._post(f"{SESSIONS}/{session}/join", VIEWER)
        for kind, parameter in KINDS.items():
            body = described().example_of_body(
                described().operations[f"POST {IN_A_SESSION}/{kind}"]
            )
            own = {"id": KNOWN} if kind == "objects" else {}
            made = self._post(f"{SESSIONS}/{session}/{kind}", HOST, {**body, **own})
            self.known[parameter] = made["id"]

    def _renew_room(self) -> None:
        wanted = {"workspace_id": str(WORKSPACE), "name": "Atelier", "room_type": "meeting"}
        room = self._post(ROOMS, HOST, wanted)["id"]
        session = self._post(f"{ROOMS}/{room}/sessions", HOST)["id"]
        self.known |= {"room_id": room, "xr_session_id": session}
        self._post(f"{ROOMS}/{room}/objects", HOST, {"id": KNOWN, "object_type": "model"})
        for who in (HOST, VIEWER):
            path = f"/api/xr/sessions/{session}/join"
            self._post(path, who, {"device_type": "vr_headset"})

    def _is_active(self, path: str, parameter: str) -> bool:
        found = self._is_there(path, parameter)
        return found is not None and found["status"] == "active"

    def _is_there(self, path: str, parameter: str) -> dict[str, Any] | None:
        """What the host is told of the known one; None where it is gone."""
        if parameter not in self.known:
            return None
        answer = self.client.get(f"{path}/{self.known[parameter]}", headers=bearer(HOST))
        return answer.json()["data"] if answer.ok else None

    def _documents(self) -> Iterator[DocumentName]:
        """Those of the known session and the known room."""
        for kind, name in ((DocumentKind.OCW, "session_id"), (DocumentKind.XR, "room_id")):
            if name in self.known:
                yield document_name(kind, UUID(self.known[name]))

    def _post(self, path: str, who: UUID, body: Any = None) -> Any:
        answer = self.client.post(path, json=body, headers=bearer(who, self._documents()))
        assert answer.ok, answer.text
        return answer.json()["data"]

    def attempt(self, case: Any, who: UUID | None, *, is_known: bool) -> None:
        """Send one request as somebody, and hold the answer against the document."""
        self.renew()
        if is_known:
            known = {name: self.known[name] for name in case.path_parameters if name in self.known}
            case.path_parameters = {**case.path_parameters, **known}
        case.headers = {**(case.headers or {}), **bearer(who, self._documents())}
        answer = case.call(session=self.client)
        case.validate_response(answer, checks=CHECKS)


_LIFTED: dict[str, Any] = dict(LIFTED)


@contextmanager
def platform(settings: Settings, open_stores: OpenStores) -> Iterator[Platform]:
    """The application, started."""
    app = create_app(settings, open_stores=open_stores)
    try:
        with asgi.get_client(app) as client:  # type: ignore[arg-type]  # a scope is a mapping
            yield Platform(app, client)
    finally:
        asgi.shutdown_lifespans()


@pytest.fixture(scope="module")
def in_memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    directory = tmp_path_factory.mktemp("fuzzed")
    settings = Settings(data_dir=directory, jwt_secret=SecretStr(SECRET), dev=False, **_LIFTED)
    with platform(settings, open_memory) as opened:
        yield opened


@pytest.mark.parametrize("label", described().operations)
def test_every_operation_keeps_to_the_document(in_memory: Platform, label: str) -> None:
    attempt_many(in_memory, label, few_or_many(10, 500))


def test_the_document_is_valid(in_memory: Platform) -> None:
    in_memory.schema.validate()


def test_every_operation_keeps_to_the_document_over_postgresql(
    own_database: str, tmp_path: Path
) -> None:
    settings = Settings(
        data_dir=tmp_path,
        jwt_secret=SecretStr(SECRET),
        database_url=own_database,
        **_LIFTED,
    )
    with platform(settings, open_postgres) as opened:
        for label in described().operations:
            attempt_many(opened, label, few_or_many(3, 40))


def attempt_many(opened: Platform, label: str, times: int) -> None:
    """So many requests to one operation."""
    operation = opened.operation(label)
    cases = st.one_of(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
    )

    @hypothesis.settings(
        max_examples=times, suppress_health_check=list(hypothesis.HealthCheck), deadline=None
    )
    @hypothesis.given(
        case=cases,
        who=st.sampled_from([HOST, HOST, EDITOR, VIEWER, STRANGER, BACKEND, None]),
        is_known=st.sampled_from([True, True, False]),
    )
    def attempt(case: Any, who: UUID | None, is_known: bool) -> None:  # noqa: FBT001 - drawn
        opened.attempt(case, who, is_known=is_known)

    attempt()
