"""Who is on a Hocuspocus socket: a stranger at first, then one user (HOC-4, HOC-13)."""

from __future__ import annotations

import time
from uuid import UUID

from crdt_docs import hocuspocus
from crdt_docs.errors import Malformed
from crdt_docs.hocuspocus import Message
from crdt_docs.identifiers import DocumentKind, DocumentName, document_name, parse_uuid
from crdt_docs.messages import CloseCode
from server.limits.message_budget import MessageBudget
from server.limits.users import Passage
from server.sockets.admission import (
    Admitted,
    TurnedAway,
    admit,
    authenticate,
    count_room,
    let_pass,
    tell,
)
from server.sockets.collab_places import CollabLimits
from server.sockets.services import SocketServices
from server.witness import MISBEHAVIOUR, Visitor, expelled

TOKEN_NEEDED = "a token is needed: the provider's `token`, or ?token= in the address"  # noqa: S105 - says so


class CollabUser:
    """What whoever is on the socket may send, and where they may come in."""

    def __init__(
        self,
        services: SocketServices,
        limits: CollabLimits,
        token: str | None,
        visitor: Visitor,
    ) -> None:
        """
        Args:
            token: that came with the handshake; for addresses that bring none of their own.
        """
        self.token = token
        self._services = services
        self._limits = limits
        self._visitor = visitor
        self._stranger = MessageBudget(limits.stranger)
        self._failures = 0
        self._passage: Passage | None = None
        self._user_id: UUID | None = None

    @property
    def is_known(self) -> bool:
        """Somebody has proved who they are."""
        return self._passage is not None

    @property
    def is_guessing(self) -> bool:
        """More tokens were refused than one who has them all wrong needs."""
        return self._failures > self._limits.documents

    def leave(self) -> None:
        """The socket is gone."""
        if self._passage is not None:
            self._passage.leave()

    # What they may send

    def may_send(self, message: Message, size: int) -> bool:
        """Whether a message may come (LIM-2, LIM-3, HOC-13)."""
        passage = self._passage
        if passage is not None and isinstance(message, hocuspocus.Relayed):
            return passage.take_frame(message.frame, size)
        return self.may_take(size)

    def may_take(self, size: int) -> bool:
        """Whether so many bytes may come."""
        if self._passage is None:
            return self._stranger.take(size, time.monotonic())
        return self._passage.take(size)

    # Where they may come in

    async def admit(self, address: bytes, token: str) -> Admitted:
        """Decide about opening a document.

        Args:
            token: empty for that of the handshake.

        Raises:
            TurnedAway: there is no such document, or it is not for them.
        """
        document = _document_of(address)
        token = token or self.token or ""
        if not token:
            raise TurnedAway(CloseCode.UNAUTHENTICATED, TOKEN_NEEDED)
        credentials = await authenticate(token, self._services.authenticator)
        user_id = credentials.identity.user_id
        if self._passage is None:
            self._passage = let_pass(credentials, self._services.users)
            self._user_id = user_id
        elif self._user_id != user_id:
            raise TurnedAway(CloseCode.FORBIDDEN, "this socket is another user's; open one more")
        admitted = await admit(document, credentials, self._services, self._visitor)
        count_room(self._passage)
        return admitted

    def note_refusal(self, address: bytes, turned: TurnedAway) -> None:
        """They were turned away: count it, and leave a trail."""
        self._services.counters.refused_documents += 1
        self._failures += turned.code == CloseCode.UNAUTHENTICATED
        identifier = hocuspocus.document_of(address).partition("/")[2]
        tell(self._services.audit, turned, identifier, self._visitor)

    def note_expulsion(self, code: CloseCode) -> None:
        """Their socket is closed: leave a trail, if it is for what they sent (WIT-2)."""
        if code in MISBEHAVIOUR:
            self._services.audit.tally(expelled(self._user_id, code, self._visitor))


def _document_of(address: bytes) -> DocumentName:
    """HOC-2."""
    kind, _, identifier = hocuspocus.document_of(address).partition("/")
    if kind == DocumentKind.THREAD:
        raise TurnedAway(CloseCode.NOT_FOUND, "this server has no thread/… documents yet")
    if kind not in {DocumentKind.OCW, DocumentKind.XR}:
        reason = "a document is named ocw/ and the id of its session, or xr/ and that of its room"
        raise TurnedAway(CloseCode.NOT_FOUND, reason)
    try:
        return document_name(DocumentKind(kind), parse_uuid(identifier))
    except Malformed as error:
        raise TurnedAway(CloseCode.NOT_FOUND, str(error)) from None
