"""What a room wants done after a turn: effects, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from crdt_docs.identifiers import Identity
from crdt_docs.ownership import Entry
from crdt_docs.rules import Rule

if TYPE_CHECKING:
    from crdt_docs.member import Member


class Broadcast(NamedTuple):
    """One frame for everybody, less those whom `concerns` leaves out.

    Attributes:
        but: the member who knows already.
        is_update: an edit, and not presence.
    """

    frame: bytes
    but: Member | None
    is_update: bool

    def concerns(self, member: Member) -> bool:
        """Whether a member is to be sent it (ROM-1, ROM-8)."""
        return (
            member is not self.but
            and not member.is_behind
            and (member.is_synced or not self.is_update)
        )


class Emitted(NamedTuple):
    """An update for the log.

    Attributes:
        author: whose it is.
        introduced: client ids that it brought into the document.
        by_server: the server wrote it, in the author's name: those ids are nobody's.
        is_restore: it makes something what it was before.
        taken_back: objects that are what they were, because what it changed of them broke a rule.
        of_nobody: client ids that it introduced besides, of the server's own edits.
    """

    update: bytes
    author: Identity
    introduced: tuple[int, ...]
    by_server: bool = False
    is_restore: bool = False
    taken_back: frozenset[Entry] = frozenset()
    of_nobody: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Close:
    """A member's socket is to be closed."""

    member: Member
    code: int
    reason: str


class Receipt(NamedTuple):
    """What became of a member's step 2 and update messages, once all committed so far is stored.

    Attributes:
        up_to: so many of them, from the first, are dealt with.
        refused: numbers of the refused ones among those since the last receipt; the first is 1.
    """

    member: Member
    up_to: int
    refused: tuple[range, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """An edit was not accepted; its author was told. For counting and the audit trail."""

    member: Member
    reason: str
    rule: Rule


class Turn:
    """The effects of one turn, each list in the order in which it is to be carried out.

    Attributes:
        commits: for the journal, before anything else is sent.
        replies: frames for one member each.
        broadcasts: frames for all.
        receipts: to be given as soon as everything committed so far is stored.
        closes: sockets to close, after the replies.
        refused: edits that were turned down.
        renewals: tokens that members sent in place of the one they came with.
        resumed: members whose socket may be read again.
        wake_at: when the room wants its next turn although nothing is received; None: never.
        is_broken: the document failed; this room must be thrown away and loaded again.
    """

    __slots__ = (
        "broadcasts",
        "closes",
        "commits",
        "is_broken",
        "receipts",
        "refused",
        "renewals",
        "replies",
        "resumed",
        "wake_at",
    )

    def __init__(self) -> None:
        """Nothing to do. Written out: one is made for nearly every message."""
        self.commits: list[Emitted] = []
        self.replies: list[tuple[Member, bytes]] = []
        self.broadcasts: list[Broadcast] = []
        self.receipts: list[Receipt] = []
        self.closes: list[Close] = []
        self.refused: list[Refused] = []
        self.renewals: dict[Member, str] = {}
        self.resumed: list[Member] = []
        self.wake_at: float | None = None
        self.is_broken = False
