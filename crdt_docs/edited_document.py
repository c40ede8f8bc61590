"""A document with all that its edits cause: whose client ids they bring, what the rules leave of
them, what the log gets and what the others are sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from uuid import UUID

from pycrdt import Doc

from crdt_docs.authority import Authority
from crdt_docs.document import Document, DocumentBroken
from crdt_docs.document_size import FULL, DocumentSize
from crdt_docs.errors import LimitExceeded, Malformed, NotNow, Refusal
from crdt_docs.identifiers import Identity
from crdt_docs.member import Member
from crdt_docs.outgoing_updates import OutgoingUpdates
from crdt_docs.outline import DocumentLimits
from crdt_docs.projector import Projector
from crdt_docs.refusals import Refusals
from crdt_docs.rules import Fault, Rule, RuleBroken
from crdt_docs.turn import Emitted
from crdt_docs.update_facts import UpdateFacts

T = TypeVar("T")

PENDING_AT_ONCE: Final = 32
"""Updates that wait to be applied: only then is it known how long they take (ROM-20)."""

STALE: Final = "it builds on an edit that was refused; reload to see what the others see"
BEHIND: Final = "the database is behind and takes no more edits now; reconnect in a moment"


class BrokenBy(DocumentBroken):
    """The document failed on what this member sent."""

    def __init__(self, culprit: Member) -> None:
        super().__init__("the update could not be applied")
        self.culprit = culprit


@dataclass(slots=True)
class _Group:
    """Consecutive updates of one member, or one step 2: one transaction, one commit."""

    member: Member
    is_step2: bool
    updates: list[bytes] = field(default_factory=list)
    introduced: list[int] = field(default_factory=list)


class EditedDocument:
    """Applies updates that connect, in the order in which they come.

    Attributes:
        authors: who first introduced each client id.
        projector: told of all that is emitted; None: nobody needs to know.
        authority: holds edits against the rules; None: there are none but roles.
        size: what the document takes.
        outgoing: what the others in the room are to be sent.
        accepts_edits: the database takes them.
        is_paused: only hosts edit.
        is_edited: the server has edited in this turn.
        now: when the turn before this one ended, in seconds.
    """

    __slots__ = (
        "_emitted",
        "_limits",
        "_pending",
        "_pending_count",
        "_refusals",
        "accepts_edits",
        "authority",
        "authors",
        "document",
        "is_edited",
        "is_paused",
        "now",
        "outgoing",
        "projector",
        "size",
    )

    def __init__(
        self,
        document: Document,
        authors: dict[int, UUID | None],
        *,
        projector: Projector | None,
        authority: Authority | None,
        size: DocumentSize,
        outgoing: OutgoingUpdates,
        refusals: Refusals,
        limits: DocumentLimits,
        now: float,
    ) -> None:
        """See the attributes; what is refused here is noted in `refusals`."""
        self.document = document
        self.authors = authors
        self.projector = projector
        self.authority = authority
        self.size = size
        self.outgoing = outgoing
        self.accepts_edits = True
        self.is_paused = False
        self.is_edited = False
        self.now = now
        self._refusals = refusals
        self._limits = limits
        self._pending: list[_Group] = []
        self._pending_count = 0
        self._emitted: list[Emitted] = []

    def pause(self, *, is_paused: bool) -> None:
        """Only hosts edit from now on, or all may who have the role."""
        self.is_paused = is_paused
        if self.authority is not None:
            self.authority.is_paused = is_paused

    @property
    def is_strict(self) -> bool:
        """Whether objects must have their schema (RUL-3)."""
        return self.authority is not None and self.authority.rules.strict_schema

    def take_emitted(self, now: float) -> list[Emitted]:
        """For the log: what came since the last time."""
        emitted, self._emitted = self._emitted, []
        if emitted and self.projector is not None:
            self.projector.noted_at = now
        return emitted

    # Updates of members

    def queue(
        self, member: Member, update: bytes, facts: UpdateFacts, *, is_step2: bool = False
    ) -> None:
        """An update that connects is applied with `apply_pending`; at once where a rule may apply,
        or where it may take long.

        Raises:
            Refusal: it is more than the document may have.
            BrokenBy: the document failed.
        """
        authority = self.authority
        if authority is not None and authority.concerns(update, facts):
            self.apply_pending()
            self._apply_judged(authority, member, update, facts)
            return
        introduced = self._admit(member, facts)
        if introduced is None:
            return
        if authority is not None and authority.seen is not None:
            authority.went_in(*authority.seen)
        group = self._pending[-1] if self._pending else None
        if group is None or group.member is not member or is_step2 or group.is_step2:
            group = _Group(member, is_step2)
            self._pending.append(group)
        group.updates.append(update)
        group.introduced += introduced
        self._pending_count += 1
        if self._pending_count >= PENDING_AT_ONCE or member.patience.labour:
            self.apply_pending()

    def check_clients(self, facts: UpdateFacts) -> None:
        """That the client ids of an update may write to the document.

        Raises:
            LimitExceeded: they may not.
        """
        self.document.outline.check_clients((client for client, _, _ in facts.ranges), self._limits)

    def _admit(self, member: Member, facts: UpdateFacts) -> list[int] | None:
        """Take an update into the outline; return the client ids that nobody knew. None: it was
        refused, because it builds on what was."""
        outline = self.document.outline
        clocks = outline.clocks
        before = [(client, clocks.get(client, 0)) for client, _, _ in facts.ranges]
        try:
            if member.is_stale and member.builds_on_refused(facts):
                raise Malformed(STALE)
            outline.admit(facts, self._limits)
        except Refusal:
            if not member.is_stale:
                raise
            self._refusals.refuse(member, facts, Rule.STALE, STALE)
            return None
        introduced = []
        for client, clock in before:
            self.outgoing.begin(client, clock)
            if client not in self.authors:
                self.authors[client] = member.identity.user_id
                introduced.append(client)
        return introduced

    def apply_pending(self) -> None:
        """Apply what was queued.

        Raises:
            BrokenBy: the document failed.
        """
        pending, self._pending = self._pending, []
        self._pending_count = 0
        for group in pending:
            member = group.member
            labour = self.document.labour
            try:
                emitted = self.document.apply(group.updates, member.sender)
            except DocumentBroken as error:
                raise BrokenBy(member) from error
            self._charge(member, labour)
            if emitted is not None:
                self._emit(Emitted(emitted, member.identity, tuple(group.introduced)))
                # What a later update of the same transaction overwrote is no longer in what the
                # transaction emitted. The others are shown every step all the same.
                steps = group.updates if len(group.updates) > 1 else (emitted,)
                self.outgoing.waiting.extend((step, member) for step in steps)

    def _charge(self, member: Member, labour: float) -> None:
        """Take from a member's patience what the document took longer than usual, since it had
        taken this. Long edits are cut by time anyway (ROM-16)."""
        if self.document.labour > labour and member.applying is None:
            member.patience.labour += self.document.labour - labour

    def _emit(self, emitted: Emitted) -> None:
        self._emitted.append(emitted)
        if self.projector is not None:
            self.projector.note(emitted, self.now)

    # What breaks a rule

    def _apply_judged(
        self, authority: Authority, member: Member, update: bytes, facts: UpdateFacts
    ) -> None:
        """Apply an update of somebody who may edit, without what breaks a rule."""
        if not self.document.lacks(facts):
            return
        clock = self._own_clock()
        applying = member.applying
        labour = self.document.labour
        try:
            case = authority.examine(
                update,
                facts,
                member.identity.user_id,
                member.role,
                may_keep=member.patience.is_left(self.now),
                allowed=frozenset() if applying is None else applying.legal,
            )
            introduced = self._admit(member, facts)
            if introduced is None:
                return
            emitted = authority.carry_out(case, update, member.sender)
        except RuleBroken as error:
            self._refusals.refuse(member, facts, error.rule, str(error))
            return
        except DocumentBroken as error:
            raise BrokenBy(member) from error
        self._charge(member, labour)
        faults = case.faults
        if applying is not None:
            applying.legal |= case.foreseen.written - faults.keys()
        if emitted is not None:
            of_nobody = self._count_own(clock, len(emitted))
            self._emit(
                Emitted(
                    emitted,
                    member.identity,
                    tuple(introduced),
                    taken_back=frozenset(case.taken_back),
                    of_nobody=of_nobody,
                )
            )
            self.outgoing.waiting.append((emitted, None if faults else member))
        member.patience.use(case.kept, case.parts, was_wrong=bool(faults))
        if faults:
            self._note_faults(member, list(faults.values()))

    def _note_faults(self, member: Member, faults: list[Fault]) -> None:
        (rule, reason), *others = faults
        more = f" (and {len(others)} more)" if others else ""
        self._refusals.note(member, rule, reason + more)

    # Edits by the server

    def edit(
        self,
        identity: Identity,
        change: Callable[[Doc[Any]], T],
        *,
        is_restore: bool,
        may_grow: bool,
    ) -> T:
        """See `Room.edit`."""
        if not self.accepts_edits:
            raise NotNow(BEHIND)
        if may_grow and not self.size.has_room_for(0):
            raise LimitExceeded(FULL)
        if is_restore and self.authority is not None:
            change = self.authority.held.leaving(change, identity.user_id)
        clock = self._own_clock()
        result, emitted = self.document.edit(change)
        self.is_edited = True
        if emitted is not None:
            introduced = self._count_own(clock, len(emitted))
            self._emit(
                Emitted(emitted, identity, introduced, by_server=True, is_restore=is_restore)
            )
            self.outgoing.waiting.append((emitted, None))
            if self.authority is not None:
                self.authority.look_around()
        return result

    def _own_clock(self) -> int:
        """How much the server itself has written into the document."""
        return self.document.outline.clocks.get(self.document.own_client, 0)

    def _count_own(self, clock: int, size: int) -> tuple[int, ...]:
        """After the server may have written: note from where on others lack it; return its client
        id if that is new to the document.

        Args:
            clock: its own one before.
            size: bytes that were emitted.
        """
        if self._own_clock() == clock:
            return ()
        client = self.document.own_client
        self.size.bytes += size
        self.outgoing.begin(client, clock)
        if clock or client in self.authors:
            return ()
        self.authors[client] = None
        return (client,)
