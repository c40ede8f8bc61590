"""What people look like in XR rooms: everybody has avatars of their own."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, cast
from uuid import UUID, uuid4

from fastapi import Depends, Path, Query
from pydantic import Field, StrictBool
from starlette.responses import Response
from typing_extensions import TypedDict

from crdt_docs.errors import Malformed
from crdt_docs.identifiers import ActorKind, parse_uuid
from persistence.ports import InvalidCursor
from persistence.xr_people_ports import Avatar, AvatarChanges
from server.rest.callers import Caller, CallerOf
from server.rest.descriptions import described, example
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Items, Reply, page
from server.rest.errors import (
    FORBIDDEN,
    INVALID_CURSOR,
    STORAGE_UNAVAILABLE,
    ApiError,
    ErrorKind,
    forbidden,
    refuses,
)
from server.rest.free_json import FreeJson, patched
from server.rest.requests import Line, PageQuery, Strict
from server.rest.services import Services, ServicesOf

AVATAR_NOT_FOUND = ErrorKind(404, "AVATAR_NOT_FOUND", "this person has no such avatar")

router = resource_router("Avatars")

_AVATAR = "1c9d1a52-3c0e-4a57-9d6b-7f2e8b4a6c13"
_CONFIG: dict[str, Any] = {"model_url": "https://models.example/fox.glb", "color": "#ff7700"}
_FREE = "Free, up to 16 KiB as JSON: the clients' own."


class CreateAvatar(Strict):
    """Body of `POST /xr/avatars`."""

    model_config = example({"avatar_name": "Fox", "avatar_config": _CONFIG, "is_default": True})

    avatar_name: Line
    avatar_config: Annotated[FreeJson, Field(description=_FREE)] = Field(default_factory=dict)
    is_default: StrictBool = Field(
        default=False, description="Worn by who joins and does not say; no other one is then."
    )


class ChangeAvatar(Strict):
    """Body of `PATCH /xr/avatars/{id}`: a JSON Merge Patch (RFC 7396)."""

    model_config = example({"avatar_config": {"color": "#0055ff"}, "is_default": True})

    # What is left out stays: no default belongs into the document.
    avatar_name: Line = Field(default_factory=str)
    avatar_config: FreeJson | None = Field(None, description="Merged into what is there.")
    is_default: StrictBool = Field(default_factory=bool, description="If so, no other one is.")


@described(
    {
        "id": _AVATAR,
        "user_id": "0d9f6a52-57a0-4f39-8a94-2a9b1a3c7e55",
        "avatar_name": "Fox",
        "avatar_config": _CONFIG,
        "is_default": True,
        "created_at": "2030-05-17T12:00:00Z",
    }
)
class AvatarView(TypedDict):
    """An avatar: a row of `xr_avatars`."""

    id: UUID
    user_id: UUID
    avatar_name: str
    avatar_config: dict[str, Any]
    is_default: bool
    created_at: datetime


@described({"id": _AVATAR})
class RemovedAvatar(TypedDict):
    """An avatar that was deleted."""

    id: UUID


@refuses(FORBIDDEN)
async def _wearer(caller: CallerOf) -> UUID:
    """Whose avatars these are: they lie in no workspace, so that nobody is bound to some."""
    if caller.identity.kind is not ActorKind.USER:
        raise forbidden("people have avatars: a service acts in somebody's name (X-Acting-User)")
    if not may_see_avatars(caller):
        raise forbidden("only a service that no workspace bounds may do this")
    return caller.identity.user_id


def may_see_avatars(caller: Caller) -> bool:
    """Whether somebody's avatars are told to whoever calls for them: to themselves, and to services
    that no workspace bounds."""
    return caller.via is None or caller.token.workspaces is None


Wearer = Annotated[UUID, Depends(_wearer)]


@refuses(AVATAR_NOT_FOUND, STORAGE_UNAVAILABLE)
async def _own(
    wearer: Wearer,
    services: ServicesOf,
    avatar_id: Annotated[str, Path(json_schema_extra={"format": "uuid"})],
) -> Avatar:
    try:
        identifier = parse_uuid(avatar_id)
    except Malformed as error:
        raise ApiError(AVATAR_NOT_FOUND, str(error)) from None
    return await avatar_of(services, wearer, identifier)


async def avatar_of(services: Services, wearer: UUID, avatar_id: UUID) -> Avatar:
    """One of a person's avatars.

    Raises:
        ApiError: they have no such one; that somebody else has it is not told.
    """
    avatar = await services.xr.avatars.get(avatar_id)
    if avatar is None or avatar.user_id != wearer:
        raise ApiError(AVATAR_NOT_FOUND)
    return avatar


Own = Annotated[Avatar, Depends(_own)]


@router.post("/xr/avatars", response_model=Envelope[AvatarView], status_code=201)
@refuses(STORAGE_UNAVAILABLE)
async def create_avatar(
    wearer: Wearer, body: CreateAvatar, services: ServicesOf, reply: Reply
) -> Response:
    """Have an avatar."""
    avatar = Avatar(
        id=uuid4(),
        user_id=wearer,
        name=body.avatar_name,
        config=body.avatar_config,
        is_default=body.is_default,
        created_at=services.clock(),
    )
    await services.xr.avatars.create(avatar)
    location = f"/api/xr/avatars/{avatar.id}"
    return reply(avatar_view(avatar), status=201, headers={"Location": location})


@router.get("/xr/avatars", response_model=Envelope[Items[AvatarView]])
@refuses(INVALID_CURSOR, STORAGE_UNAVAILABLE)
async def list_avatars(
    wearer: Wearer, query: Annotated[PageQuery, Query()], services: ServicesOf, reply: Reply
) -> Response:
    """One's own avatars, newest first."""
    try:
        found = await services.xr.avatars.of_user(wearer, limit=query.limit, cursor=query.cursor)
    except InvalidCursor:
        raise ApiError(INVALID_CURSOR) from None
    return reply(page([avatar_view(avatar) for avatar in found.items], found.next_cursor))


@router.get("/xr/avatars/{avatar_id}", response_model=Envelope[AvatarView])
async def read_avatar(avatar: Own, reply: Reply) -> Response:
    """One of one's own avatars. What others look like is told with those who take part."""
    return reply(avatar_view(avatar))


@router.patch("/xr/avatars/{avatar_id}", response_model=Envelope[AvatarView])
@refuses(AVATAR_NOT_FOUND)
async def change_avatar(
    avatar: Own, body: ChangeAvatar, services: ServicesOf, reply: Reply
) -> Response:
    """Change an avatar. Where it is worn already, one looks as before until one joins again."""
    changed = await services.xr.avatars.change(avatar.id, _changes(avatar, body))
    if changed is None:
        raise ApiError(AVATAR_NOT_FOUND)  # deleted meanwhile
    return reply(avatar_view(changed))


def _changes(avatar: Avatar, body: ChangeAvatar) -> AvatarChanges:
    given = body.model_dump(exclude_unset=True)
    if "avatar_config" in given:
        given["avatar_config"] = patched("avatar_config", avatar.config, given["avatar_config"])
    return cast(
        AvatarChanges, {name.removeprefix("avatar_"): value for name, value in given.items()}
    )


@router.delete("/xr/avatars/{avatar_id}", response_model=Envelope[RemovedAvatar])
@refuses(AVATAR_NOT_FOUND)
async def delete_avatar(avatar: Own, services: ServicesOf, reply: Reply) -> Response:
    """Delete an avatar. Who wears it now still does."""
    if not await services.xr.avatars.delete(avatar.id):
        raise ApiError(AVATAR_NOT_FOUND)  # meanwhile
    return reply(RemovedAvatar(id=avatar.id))


def avatar_view(avatar: Avatar) -> AvatarView:
    """An avatar as REST shows it."""
    return AvatarView(
        id=avatar.id,
        user_id=avatar.user_id,
        avatar_name=avatar.name,
        avatar_config=dict(avatar.config),
        is_default=avatar.is_default,
        created_at=avatar.created_at,
    )
