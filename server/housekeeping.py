"""What is done now and then.

The contents of deleted sessions and rooms go after a grace time, answers that are kept no longer,
and tokens that have ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog

from crdt_docs.identifiers import DocumentKind, document_name
from persistence.answer_ports import AnswerStore
from persistence.ports import DocumentStore, SessionStore, StorageUnavailable
from persistence.token_ports import TokenStore
from persistence.xr_ports import XrRoomStore
from server.clock import Clock, utc_now
from server.rest.idempotency import KEPT_FOR

log = structlog.get_logger(__name__)

EVERY_SECONDS = 3600.0
AT_ONCE = 100


class KeepsDeleted(Protocol):
    """A store whose deleted rows stay for a while; each has a document."""

    async def deleted_before(self, moment: datetime, *, limit: int = 100) -> Sequence[UUID]:
        """Those that were deleted before a moment, longest ago first."""

    async def forget(self, ids: Sequence[UUID], /) -> None:
        """Remove them for good."""


async def forget_deleted(
    kept: KeepsDeleted,
    documents: DocumentStore,
    grace: timedelta,
    clock: Clock = utc_now,
    *,
    kind: DocumentKind = DocumentKind.OCW,
) -> int:
    """Remove what was deleted longer ago than `grace`; return how many.

    The document goes first: if this is interrupted, the row is still there to be found again.

    Args:
        kind: of their documents.

    Raises:
        StorageUnavailable: not all of them could be removed.
    """
    forgotten = 0
    while due := await kept.deleted_before(clock() - grace, limit=AT_ONCE):
        for identifier in due:
            await documents.delete(document_name(kind, identifier))
        await kept.forget(due)
        forgotten += len(due)
    return forgotten


async def forget_answers(answers: AnswerStore, clock: Clock = utc_now) -> int:
    """Remove first answers that are kept no longer; return how many.

    Raises:
        StorageUnavailable: not all of them could be removed.
    """
    forgotten = 0
    while removed := await answers.forget_before(clock() - KEPT_FOR):
        forgotten += removed
    return forgotten


async def forget_tokens(tokens: TokenStore, clock: Clock = utc_now) -> int:
    """Remove refresh tokens and revocations that are of no use any more; return how many.

    Raises:
        StorageUnavailable: not all of them could be removed.
    """
    forgotten = 0
    while removed := await tokens.forget_before(clock()):
        forgotten += removed
    return forgotten


async def keep_house(
    sessions: SessionStore,
    rooms: XrRoomStore,
    documents: DocumentStore,
    answers: AnswerStore,
    tokens: TokenStore,
    *,
    grace: timedelta,
) -> None:
    """Do it at once and then every hour, until cancelled."""
    while True:
        try:
            forgotten = await forget_deleted(sessions, documents, grace)
            if forgotten:
                log.info("deleted sessions forgotten", count=forgotten)
            forgotten = await forget_deleted(rooms, documents, grace, kind=DocumentKind.XR)
            if forgotten:
                log.info("deleted rooms forgotten", count=forgotten)
            await forget_answers(answers)
            await forget_tokens(tokens)
        except StorageUnavailable:
            log.warning("storage is not available; what is to be removed stays for now")
        await asyncio.sleep(EVERY_SECONDS)
