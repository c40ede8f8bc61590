"""One connection as its room sees it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from crdt_docs.access import Role
from crdt_docs.debt import Debt
from crdt_docs.identifiers import Identity
from crdt_docs.ownership import Entry
from crdt_docs.patience import Patience
from crdt_docs.state_vector import VectorWalk
from crdt_docs.update_facts import UpdateFacts
from crdt_docs.update_guard import GuardWalk
from crdt_docs.update_pieces import Pieces


@dataclass(slots=True)
class PendingWalk:
    """A large update whose guard walk is under way; the member's socket is not read meanwhile."""

    walk: GuardWalk
    update: bytes
    is_step2: bool


@dataclass(slots=True)
class PendingQuestion:
    """The same of a step 1 that names very many clients."""

    walk: VectorWalk


@dataclass(slots=True)
class PendingPieces:
    """A long update that is being applied (ROM-16); the member's socket is not read meanwhile.

    Attributes:
        at_once: structs of the next piece.
        size: bytes of the whole update.
        legal: objects that pieces of it have changed, as they might (RUL-1).
    """

    pieces: Pieces
    at_once: int
    size: int
    legal: set[Entry] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class Member:
    """A connection in a room. Who it is and what it may do are the host's to set.

    Attributes:
        wants_receipts: is told how many of its edits are stored, and which were refused.
        is_asked_back: is asked for what it has after each step 1 of its own, not when it is greeted
            (HOC-7).
        received: step 2 and update messages so far.
        settled: how many of them, from the first, are applied or refused.
        own_client: the Yjs client id it introduced itself with in its first presence message.
        is_synced: its first step 1 was answered; before, edits of others would leave a gap in it.
        refusals: numbers of its messages that were refused since its last receipt.
        refused_until: clock up to which edits of `own_client` were refused (ACC-4).
        is_stale: an edit of it was not applied (ACC-3, RUL-6): what it sees differs, and what it
            does may build on what nobody has.
        filled: clocks of `own_client` that stand for edits which were refused.
        patience: how much of its edits may still be taken back (RUL-6).
        sender: the user id as 16 bytes.
        inbox: what came while it was busy: frames, and roles it was given between them.
        missed_from: state vector of what it was last sent, while it is behind.
    """

    identity: Identity
    role: Role
    wants_receipts: bool = False
    is_asked_back: bool = False
    received: int = 0
    settled: int = 0
    receipted: int = 0
    has_spoken: bool = False
    own_client: int | None = None
    refusals: list[range] = field(default_factory=list)
    refused_until: int = 0
    debt: Debt | None = None
    walking: PendingWalk | PendingQuestion | None = None
    applying: PendingPieces | None = None
    is_stale: bool = False
    filled: list[tuple[int, int]] = field(default_factory=list)
    patience: Patience = field(default_factory=Patience)
    inbox: deque[bytes | Role] | None = None
    is_synced: bool = False
    is_behind: bool = False
    missed_from: bytes | None = None
    sender: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.sender = self.identity.user_id.bytes  # asked for with every update

    def builds_on_refused(self, facts: UpdateFacts) -> bool:
        """Whether an update of it stands beside or in what was refused: it would vanish with it."""
        if not self.filled:
            return False
        named = [
            clock
            for each in facts.placements
            for client, clock in (
                (each.left_client, each.left_clock),
                (each.right_client, each.right_clock),
            )
            if client == self.own_client
        ]
        if facts.continues:
            client, start, _ = facts.ranges[0]
            if client == self.own_client:
                named.append(start - 1)
        return any(start <= clock < end for start, end in self.filled for clock in named)

    def put_by(self, heard: bytes | Role) -> None:
        """Keep what comes while it is busy, in its place."""
        if self.inbox is None:
            self.inbox = deque()
        self.inbox.append(heard)

    @property
    def is_busy(self) -> bool:
        """Its socket must not be read until it turns up in `Turn.resumed`."""
        return self.walking is not None or self.applying is not None

    @property
    def is_judged(self) -> bool:
        """All that was received of it is judged, and applied or refused."""
        return self.applying is None and not isinstance(self.walking, PendingWalk)
