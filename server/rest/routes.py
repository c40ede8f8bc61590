"""The REST API as routes: everything under `/api` that is HTTP, and its description."""

from __future__ import annotations

from starlette.routing import BaseRoute, Match, Mount
from starlette.types import Scope

from server.rest import (
    auth,
    differences,
    export,
    governance,
    health,
    history,
    objects,
    participants,
    privacy,
    restoring,
    search,
    sessions,
    snapshots,
    state,
    xr_avatars,
    xr_members,
    xr_objects,
    xr_participants,
    xr_rooms,
    xr_sessions,
)
from server.rest.annotations import router as annotations_router
from server.rest.application import RestApplication
from server.rest.services import Services

PREFIX = "/api"

ROUTERS = (
    health.router,
    auth.router,
    sessions.router,
    participants.router,
    state.router,
    objects.router,
    annotations_router,
    history.router,
    search.router,
    differences.router,
    snapshots.router,
    restoring.router,
    export.router,
    xr_rooms.router,
    xr_members.router,
    xr_sessions.router,
    xr_participants.router,
    xr_objects.router,
    xr_avatars.router,
    governance.router,
    privacy.router,
)


def rest_routes(services: Services) -> list[BaseRoute]:
    """The routes of the REST API, for an application that has others besides."""
    app = RestApplication(services, ROUTERS)
    return [_HttpMount(PREFIX, app=app), *app.documentation.routes()]


class _HttpMount(Mount):
    """A mount that leaves WebSockets under its path to the routes beside it."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http":
            return Match.NONE, {}
        # The pattern of a mount stops at the end of a line; ids may hold one.
        return super().matches({**scope, "path": scope["path"].replace("\n", " ")})
