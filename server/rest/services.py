"""What the REST routes work with, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from persistence.answer_ports import AnswerStore
from persistence.archive_ports import Archive
from persistence.audit_ports import AuditStore
from persistence.lookup_ports import ObjectLookup
from persistence.ports import SessionStore
from persistence.search_ports import Search
from persistence.xr_stores import XrStores
from server.audit import AuditTrail
from server.authentication import Authenticator
from server.clock import Clock, utc_now
from server.emptying import Emptying
from server.exporting import Exports
from server.forgetting import Forgets
from server.limits.requests import RequestLimits
from server.personal_data import PersonalData
from server.rest.ports import LiveDocuments, LivePermissions
from server.settings import Settings
from server.time_travel import TimeTravel
from server.token_issuing import TokenIssuer


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of the server that REST needs. Built by `server.app`.

    Attributes:
        xr: rooms, who is in them, and avatars.
        audit: the trail, to be told.
        audits: the trail, to be read.
    """

    sessions: SessionStore
    xr: XrStores
    objects: ObjectLookup
    search: Search
    archive: Archive
    past: TimeTravel
    answers: AnswerStore
    audit: AuditTrail
    audits: AuditStore
    live: LiveDocuments
    permissions: LivePermissions
    tokens: TokenIssuer
    forgetting: Forgets
    personal_data: PersonalData
    emptying: Emptying
    authenticator: Authenticator
    settings: Settings
    clock: Clock = utc_now
    exports: Exports = field(default_factory=Exports)
    limits: RequestLimits = field(default_factory=RequestLimits)


def services_of(request: Request) -> Services:
    """The services of the application that answers this request."""
    services: Services = request.app.state.services
    return services


async def _services(request: Request) -> Services:
    return services_of(request)


ServicesOf = Annotated[Services, Depends(_services)]
"""How an endpoint gets them: `services: ServicesOf`."""
