"""What `--dev` offers: a demo session and a demo room, how to reach them, and the guard that keeps
them local."""

from __future__ import annotations

import asyncio
import json
import os
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4, uuid5

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from crdt_docs.access import Role
from persistence.ports import Session, SessionStatus, SessionStore, SessionType
from persistence.xr_ports import RoomTemplate, RoomType, XrRoom, XrSession
from persistence.xr_stores import XrStores
from server.authentication import mint
from server.clock import Clock, utc_now
from server.data_directory import private_file
from server.settings import Settings, is_loopback
from server.signing_keys import shared_secret

DEMO_FILE = "demo.json"
DEMO_TOKEN_LIFETIME = timedelta(days=7)

_HOST = re.compile(
    r"(?P<name>\[[^\[\]]*\]|[^:\[\]]*)(:\d+)?"
)  # RFC 9110 §7.2: name or address, port


@dataclass(frozen=True, slots=True)
class _DemoIds:
    """Whose demo it is; kept, so that a restart shows the same session."""

    session_id: UUID
    workspace_id: UUID
    user_id: UUID


async def ensure_demo_session(
    sessions: SessionStore, settings: Settings, *, clock: Clock = utc_now
) -> Session:
    """The demo session: that of the last run, or a new one if it is gone or has ended.

    Everybody with a token edits it (`default_role`); its host is the demo's own user.

    Raises:
        StorageUnavailable: it could not be read or created.
    """
    path = settings.data_dir / DEMO_FILE
    ids = await asyncio.to_thread(_read_ids, path)
    if ids is not None:
        session = await sessions.get(ids.session_id)
        if session is not None and session.status is not SessionStatus.ENDED:
            return session
    ids = _DemoIds(
        session_id=uuid4(),  # never an old one again: that session may have been deleted
        workspace_id=uuid4() if ids is None else ids.workspace_id,
        user_id=uuid4() if ids is None else ids.user_id,
    )
    session = _demo_session(ids, settings, clock)
    await sessions.create(session)
    await asyncio.to_thread(_write_ids, path, ids)
    return session


def _demo_session(ids: _DemoIds, settings: Settings, clock: Clock) -> Session:
    return Session(
        id=ids.session_id,
        workspace_id=ids.workspace_id,
        session_type=SessionType.WHITEBOARD,
        host_user_id=ids.user_id,
        status=SessionStatus.ACTIVE,
        config={"default_role": Role.EDITOR.value},
        max_participants=settings.max_participants,
        is_recording=False,
        started_at=clock(),
    )


async def ensure_demo_room(
    xr: XrStores, demo: Session, settings: Settings, *, clock: Clock = utc_now
) -> XrSession | None:
    """The session of the demo's room, which is always the same one; None if it was deleted.

    Everybody with a token edits it; its host is the demo's own user.

    Raises:
        StorageUnavailable: it could not be read or created.
    """
    room = _demo_room(demo, settings, clock)
    await xr.rooms.create(room)
    return await xr.sessions.start(XrSession(uuid4(), room.id, clock()))


def _demo_room(demo: Session, settings: Settings, clock: Clock) -> XrRoom:
    return XrRoom(
        id=uuid5(demo.workspace_id, "demo room"),
        workspace_id=demo.workspace_id,
        name="Demo room",
        room_type=RoomType.MEETING,
        room_template=RoomTemplate.OPEN_SPACE,
        created_by=demo.host_user_id,
        created_at=clock(),
        max_participants=settings.max_participants,
        config={"default_role": Role.EDITOR.value},
        is_persistent=True,
    )


def _read_ids(path: Path) -> _DemoIds | None:
    """The ids kept in the file; None without one. A damaged file is as good as none."""
    try:
        kept = json.loads(path.read_bytes())
        return _DemoIds(*(UUID(kept[name]) for name in _DemoIds.__slots__))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write_ids(path: Path, ids: _DemoIds) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    with open(draft, "w", opener=private_file) as file:
        json.dump({name: str(getattr(ids, name)) for name in _DemoIds.__slots__}, file)
    os.replace(draft, path)  # noqa: PTH105 - says that it replaces


def demo_token(settings: Settings, session: Session, *, clock: Clock = utc_now) -> str:
    """A token of the demo's host, good for DEMO_TOKEN_LIFETIME. Blocks: may read a file.

    Raises:
        UnusableSecret: tokens are signed elsewhere, or the secret is damaged.
    """
    return mint(
        shared_secret(settings),
        session.host_user_id,
        name="Demo",
        workspaces=[session.workspace_id],
        lifetime=DEMO_TOKEN_LIFETIME,
        now=clock(),
        audience=settings.jwt_audience,
    )


def demo_lines(
    settings: Settings, session: Session, token: str | None, room: XrSession | None = None
) -> list[str]:
    """What `serve --dev` prints. Without a token (a key set is configured) it says to bring one.

    Only the pages' links hold a token, in its fragment, which browsers keep to themselves. The
    other addresses hold none: they are logged, by browsers and by proxies.
    """
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    authority = f"{host}:{settings.port}"
    web, socket = ("https", "wss") if settings.uses_tls else ("http", "ws")
    rest = f"{web}://{authority}/api/ocw/sessions/{session.id}"
    shown = "a token of your issuer" if token is None else token
    given = "<token>" if token is None else token
    return [
        "Open this page twice, and it is two people on one canvas:",
        f"  {web}://{authority}/#session={session.id}&token={given}",
        *_room_lines(f"{web}://{authority}", room, given),
        "",
        "Demo session (everybody with a token edits):",
        f"  REST       {rest}",
        f"  WebSocket  {socket}://{authority}/api/ocw/sessions/{session.id}/ws",
        f"  token      {shown}",
        "",
        "In a page or in Node, with stock yjs and y-websocket:",
        "  const doc = new Y.Doc()",
        "  const provider = new WebsocketProvider(",
        f"    '{socket}://{authority}/api/ocw/sessions', '{session.id}/ws', doc,",
        f"    {{ params: {{ token: '{given}' }} }})",
        "",
        "What is in it:",
        f"  curl -H 'Authorization: Bearer {given}' {rest}/state",
    ]


def _room_lines(origin: str, room: XrSession | None, token: str) -> list[str]:
    if room is None:
        return []
    return [
        "And this one, and it is two people in one room:",
        f"  {origin}/xr.html#session={room.id}&token={token}",
    ]


class LoopbackHostOnly:
    """ASGI middleware of the development mode: answers only to names of this machine.

    A page of another site can make its own name resolve to 127.0.0.1 and would then share our
    origin (DNS rebinding); its requests still carry that name in the Host header.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or _names_this_machine(Headers(scope=scope)):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)  # before accept: the server answers 403
        else:
            refusal = PlainTextResponse("The development server answers to localhost only.\n", 403)
            await refusal(scope, receive, send)


def _names_this_machine(headers: Headers) -> bool:
    hosts = headers.getlist("host")
    parts = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    return parts is not None and is_loopback(parts["name"])
