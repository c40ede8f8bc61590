"""A room: one document, the people in it, and turns (ROM).

`receive` any number of frames, then `end_turn` once: it applies what came, and says what to send,
store and close. Nothing is awaited and nobody is called back, so state changes only inside these
calls and there are no locks. Only while a long update is applied is the time looked at, by a clock
that is handed in.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar, assert_never
from uuid import UUID

from pycrdt import Doc, merge_updates

from crdt_docs import messages
from crdt_docs.access import Role, is_seen, may_edit
from crdt_docs.authority import PAUSED, Authority
from crdt_docs.awareness import AwarenessLimits, AwarenessTable
from crdt_docs.content_guard import mended
from crdt_docs.debt import ASK_AGAIN_SECONDS, Debt
from crdt_docs.document import Document, DocumentBroken, Fence, StoredState, standing_still
from crdt_docs.errors import LimitExceeded, Malformed, NotNow, Refusal
from crdt_docs.identifiers import Identity
from crdt_docs.member import Member, PendingPieces, PendingWalk
from crdt_docs.messages import CloseCode
from crdt_docs.number_ranges import add_number, take_up_to
from crdt_docs.outline import DocumentLimits
from crdt_docs.ownership import Entry
from crdt_docs.pacing import Gate, Pacing
from crdt_docs.patience import Patience
from crdt_docs.projector import Projector
from crdt_docs.rules import Rule, RuleBroken, SessionRules
from crdt_docs.state_vector import encode_state_vector
from crdt_docs.turn import Broadcast, Close, Emitted, Receipt, Refused, Turn
from crdt_docs.update_guard import (
    GuardLimits,
    GuardWalk,
    UpdateFacts,
    walk_state_vector,
    walk_update,
)
from crdt_docs.update_pieces import Pieces
from crdt_docs.update_surgery import brings_news, connecting_part, placeholder
from crdt_docs.welcome import Welcome

T = TypeVar("T")

STRUCTS_PER_SLICE = 500
"""How much of a large update one turn walks: about a millisecond."""

APPLYING_SECONDS = 0.010
"""How long one turn applies pieces of long updates."""

FIRST_PIECE = 32
"""Structs in the first piece of an update, before it is known what they cost."""

FULL_AGAIN_SECONDS = 0.1
"""How soon to look whether the database takes more, while a long update waits for it."""

ANNOTATED_AT_ONCE = 5000
"""Structs in an update of a viewer that is looked at, whether it only annotates."""

DELETED_AT_ONCE = 50_000
"""Deleted ranges in one: each first synchronisation names all that were ever deleted."""

ANSWERED_AT_ONCE = 32
"""Joiners answered in one turn; a storm of them is spread over several."""

ECHOES_KNOWN = 8
"""Presence broadcasts whose exact repetition is dropped unseen."""

MERGED_AT_ONCE = 1000
"""Updates that wait for their interval at most: merging them costs more than proportionally."""

READ_ONLY = "you may read this document but not edit it; ask its host for the editor role"
FULL = "the document has reached its size limit; delete something, or begin another"
STALE = "it builds on an edit that was refused; reload to see what the others see"
_PRESENCE = bytes((messages.MessageType.AWARENESS,))

BEHIND = "the database is behind and takes no more edits now; reconnect in a moment"


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """Attributes:
    walk_at_once: bytes up to which an update is walked where it is received.
    apply_at_once: structs and delete ranges up to which an update is one transaction.
    document_bytes: encoded size at which edits are refused, deletions excepted.
    objects: in one root map.
    """

    guard: GuardLimits = field(default_factory=GuardLimits)
    document: DocumentLimits = field(default_factory=DocumentLimits)
    awareness: AwarenessLimits = field(default_factory=AwarenessLimits)
    walk_at_once: int = 64 * 1024
    apply_at_once: int = 256
    document_bytes: int = 64 * 1024 * 1024
    objects: int = 100_000


@dataclass(slots=True)
class _Group:
    """Consecutive updates of one member, or one step 2: one transaction, one commit."""

    member: Member
    is_step2: bool
    updates: list[bytes] = field(default_factory=list)
    introduced: list[int] = field(default_factory=list)


class Room:
    """One document and the connections that share it."""

    def __init__(
        self,
        stored: StoredState | None = None,
        *,
        document: Document | None = None,
        authors: Mapping[int, UUID | None] | None = None,
        projector: Projector | None = None,
        limits: RoomLimits | None = None,
        pacing: Pacing | None = None,
        fence: Fence | None = None,
        has_places: bool = False,
        now: float = 0.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """
        Args:
            has_places: it is a room of headsets (AWR-15).
            stored: what the document is opened from; None for an empty one.
            document: the document, if it is open already.
            authors: who first introduced each client id; not copied if there is a projector.
            projector: of that document and those authors, told of all that is emitted; without one
                there are no rules but roles.
            now: the clock that `end_turn` and `tick` go on with.
            clock: tells the seconds that applying a long update takes; without one, time stands
                still and it is applied in one turn.

        Raises:
            DocumentBroken: what was stored cannot be opened.
        """
        self.document = document or Document(stored, fence)
        self.authors = dict(authors or {}) if projector is None else projector.authors
        self.projector = projector
        self.members: dict[Member, None] = {}
        self.accepts_edits = True
        self.is_broken = False
        self._is_paused = False
        self._limits = limits or RoomLimits()
        self.authority = (
            None if projector is None else Authority(self.document, projector, self._limits.objects)
        )
        self._pacing = pacing or Pacing()
        self._awareness: AwarenessTable[Member] = AwarenessTable(
            self._limits.awareness, has_places=has_places
        )
        self._now = now
        self._clock = clock or standing_still
        # Of what it was opened from, history included: the first doubt is measured.
        self._size = self.document.stored_size
        self._measured_size = 0
        self._measured_version = 0

        self._pending: list[_Group] = []
        self._greeting: list[Member] = []
        self._asking: dict[Member, bytes] = {}
        self._present_asking: dict[Member, None] = {}
        self._questions: list[tuple[Member, bytes]] = []
        self._renewing: dict[Member, str] = {}
        self._catching_up: list[Member] = []
        self._denials: dict[Member, str] = {}
        self._refused: list[Refused] = []
        self._closing: list[Close] = []
        self._walking: deque[Member] = deque()
        self._applying: deque[Member] = deque()
        self._owing: set[Member] = set()
        self._settling: dict[Member, None] = {}

        self._behind: set[Member] = set()
        self._patience: dict[UUID, Patience] = {}
        self._emitted: list[Emitted] = []
        self._has_edited = False
        self._outbox: list[tuple[bytes, Member | None]] = []
        self._unsent_from: dict[int, int] = {}
        self._update_gate = Gate()
        self._presence_gate = Gate()
        self._told: dict[bytes, None] = {}
        self._welcome = Welcome()

    @property
    def is_paused(self) -> bool:
        """Only hosts edit."""
        return self._is_paused

    @is_paused.setter
    def is_paused(self, is_paused: bool) -> None:
        self._is_paused = is_paused
        if self.authority is not None:
            self.authority.is_paused = is_paused

    def obey(self, rules: SessionRules, creators: Mapping[Entry, UUID | None]) -> None:
        """Hold edits against a session's rules from now on.

        Args:
            creators: who created what is stored.
        """
        if self.authority is not None and self.projector is not None:
            self.projector.creators = {**creators, **self.projector.creators}
            self.authority.obey(rules)

    def show_place(self, member: Member, client_id: int, place: bytes) -> bool:
        """Show where a member's headset is (AWR-15); whether it is shown."""
        return member in self.members and self._awareness.show_place(
            member, member.identity, member.role, client_id=client_id, place=place, now=self._now
        )

    def hide_place(self, member: Member, client_id: int) -> None:
        """The headset is gone (AWR-15)."""
        self._awareness.hide_place(member, client_id)

    def hold(self, key: str, user_id: UUID) -> None:
        """From now on this person has an object in their hand, and nobody else moves it (RUL-9)."""
        if self.authority is not None:
            self.authority.held.holders[key] = user_id

    def let_go(self, key: str) -> None:
        """Nobody has it in their hand any more."""
        if self.authority is not None:
            self.authority.held.holders.pop(key, None)

    @property
    def _is_strict(self) -> bool:
        return self.authority is not None and self.authority.rules.strict_schema

    def check_edit(
        self, user_id: UUID, role: Role, entries: Iterable[Entry], *, is_moving: bool = False
    ) -> None:
        """See whether the server may change these objects in somebody's name (EDT-8).

        Args:
            is_moving: their transforms, too.

        Raises:
            RuleBroken: they may not.
        """
        authority = self.authority
        if authority is None:
            return
        for entry in entries:
            fault = authority.fault_of(entry, user_id, role)
            if fault is None and is_moving:
                fault = authority.held.faults([entry], user_id).get(entry)
            if fault is not None:
                raise RuleBroken(*fault)

    # Coming and going

    def join(self, member: Member) -> None:
        """Let a connection in; the next turn greets it (ROM-1)."""
        self.members[member] = None
        # A person's, however often they come back.
        member.patience = self._patience.setdefault(member.identity.user_id, member.patience)
        self._greeting.append(member)

    def leave(self, member: Member) -> None:
        """The connection is gone, or is about to be closed."""
        if member not in self.members:
            return
        del self.members[member]
        self._integrate_refused(member)
        self._awareness.leave(member)
        self._behind.discard(member)
        self._owing.discard(member)
        for waiting in (
            self._asking,
            self._present_asking,
            self._renewing,
            self._settling,
            self._denials,
        ):
            waiting.pop(member, None)
        if member.walking is not None:
            self._walking.remove(member)
            member.walking = None
        if member.applying is None:
            member.inbox = None  # or it waits for the long edit before it: `_take_last_words`

    def expel(self, member: Member, code: CloseCode, reason: str) -> None:
        """Close a member's socket with the next turn; nothing more is taken from it."""
        if member in self.members:
            self.leave(member)
            self._closing.append(Close(member, code, reason))

    def set_role(self, member: Member, role: Role) -> None:
        """Change what a member may do, from its next message on (ACC-10)."""
        if member not in self.members:
            return
        if member.is_busy:
            if member.inbox is None:
                member.inbox = deque()
            member.inbox.append(role)  # in its place among what was received before and after
        elif member.role is not role:
            self._take_role(member, role)

    def _take_role(self, member: Member, role: Role) -> None:
        if is_seen(role) and not is_seen(member.role) and _can_hear(member):
            self._questions.append((member, messages.QUERY_AWARENESS))  # AWR-14
        member.role = role
        self._awareness.role_changed(member, member.identity, role)

    def set_identity(self, member: Member, identity: Identity) -> None:
        """Change what is shown of the same person: a new token has another name."""
        if member in self.members and member.identity != identity:
            member.identity = identity
            self._awareness.role_changed(member, identity, member.role)

    def fell_behind(self, member: Member) -> None:
        """Its transport takes no more: it is sent nothing until `caught_up` (ROM-8)."""
        if member in self.members and not member.is_behind:
            member.is_behind = True
            self._behind.add(member)

    def caught_up(self, member: Member) -> None:
        """Its transport takes bytes again: the next turn sends what it missed, as one update."""
        if member in self._behind:
            self._catching_up.append(member)

    def tick(self, now: float) -> None:
        """To be called every few seconds, and followed by a turn."""
        self._now = now
        self._awareness.expire(now)
        for user_id in [each for each, kept in self._patience.items() if kept.is_restored(now)]:
            del self._patience[user_id]
        self._welcome.release(now)
        self.document.release_full_state()

    # Receiving

    def receive(self, member: Member, frame: bytes) -> None:
        """Take one frame. What it causes comes with the next turn."""
        if member not in self.members:
            return
        if member.is_busy:
            if member.inbox is None:
                member.inbox = deque()
            member.inbox.append(frame)
            return
        try:
            self._handle(member, frame)
        except Refusal as refusal:
            self.expel(member, CloseCode.MALFORMED, str(refusal))

    def _handle(self, member: Member, frame: bytes) -> None:
        message = messages.parse(frame)
        match message:
            case messages.SyncUpdate(update):
                self._take_update(member, update, is_step2=False)
            case messages.SyncStep2(update):
                self._take_update(member, update, is_step2=True)
            case messages.AwarenessUpdate(payload):
                self._take_presence(member, payload)
            case messages.SyncStep1(state_vector):
                walk_state_vector(state_vector)
                self._asking[member] = state_vector
            case messages.QueryAwareness():
                self._present_asking[member] = None
            case messages.Renewal(token):
                self._renewing[member] = token
            case _:
                assert_never(message)

    def _take_presence(self, member: Member, payload: bytes) -> None:
        if member.has_spoken and (
            self._awareness.hear_own(member, member.role, payload, self._now)
            or payload in self._told
            or self._awareness.is_echo(payload, member)
        ):
            return  # AWR-1: stock clients send back all that they are told
        entries = messages.read_awareness(payload)
        is_first = not member.has_spoken and bool(entries)
        if is_first:
            member.has_spoken = True
            if len(entries) == 1:
                client_id = entries[0].client_id
                holder = self._awareness.holder(client_id)
                if holder is None or holder.user_id == member.identity.user_id:
                    member.own_client = client_id
        self._awareness.hear(
            member, member.identity, member.role, entries, now=self._now, is_first=is_first
        )

    def _take_update(self, member: Member, update: bytes, *, is_step2: bool) -> None:
        member.received += 1
        if len(update) > self._limits.walk_at_once:
            walk = GuardWalk(update, self._limits.guard)
            member.walking = PendingWalk(walk, update, is_step2)
            self._walking.append(member)
            return
        facts = walk_update(update, self._limits.guard)
        self._judge(member, update, facts, is_step2=is_step2)

    def _judge(self, member: Member, update: bytes, facts: UpdateFacts, *, is_step2: bool) -> None:
        """Decide once, before applying, what becomes of an update that the guard has walked."""
        if facts.mends:
            update = mended(update, facts.mends)
        if not facts.is_empty:
            self._check_poison(member, update, facts)
            refusal = self._turned_down(member, update, facts)
            if refusal is not None:
                self._refuse(member, facts, *refusal)
            elif not self.accepts_edits and self._is_news(facts):
                if not is_step2:
                    self.expel(member, CloseCode.TRY_LATER, BEHIND)
                    return
                self._set_aside(member, facts, is_step2=True)  # ROM-13: it came back to read
            elif facts.ranges and not self._has_room_for(len(update)):
                self._refuse(member, facts, Rule.FULL, FULL)
            else:
                self._accept(member, update, facts, is_step2=is_step2)
        elif is_step2 and member.debt is not None:
            member.debt.answer()
        self._settling[member] = None

    def _turned_down(
        self, member: Member, update: bytes, facts: UpdateFacts
    ) -> tuple[Rule, str] | None:
        """Why nothing of an update may be applied; None: it may."""
        if may_edit(member.role):
            if self.is_paused and self.authority is None and member.role is not Role.HOST:
                return Rule.PAUSED, PAUSED
            return None
        if (
            member.role is Role.VIEWER
            and self.authority is not None
            and facts.struct_count <= ANNOTATED_AT_ONCE
            and facts.deleted_ranges <= DELETED_AT_ONCE
            and all(self._is_own(member, client) for client, _, _ in facts.ranges)
            and self._only_annotates(self.authority, member, update, facts)
            and self._follows(member, facts)
        ):
            return None
        return Rule.READ_ONLY, READ_ONLY

    def _is_own(self, member: Member, client: int) -> bool:
        """Whether a reader may write as this client id: with somebody else's it would use up clocks
        of edits that are still to come."""
        if client in self.authors:
            return self.authors[client] == member.identity.user_id
        if member.own_client is None and self._awareness.holder(client) is None:
            member.own_client = client
        return client == member.own_client

    def _only_annotates(
        self, authority: Authority, member: Member, update: bytes, facts: UpdateFacts
    ) -> bool:
        self._apply_pending()
        user_id = member.identity.user_id
        return not self.is_broken and authority.may_annotate(update, facts, user_id)

    def _follows(self, member: Member, facts: UpdateFacts) -> bool:
        """Whether a reader's update connects, if need be once what it was refused is filled in."""
        self._integrate_refused(member)
        self._apply_pending()
        return not self.is_broken and self.document.outline.connects(facts)

    def _check_poison(self, member: Member, update: bytes, facts: UpdateFacts) -> None:
        fence = self.document.fence
        if fence.is_poisoned(update) or fence.brings_poison(member.sender, facts.ranges):
            raise Malformed("this update has stopped the server before and is not taken again")

    def _accept(self, member: Member, update: bytes, facts: UpdateFacts, *, is_step2: bool) -> None:
        self._integrate_refused(member)
        outline = self.document.outline
        if outline.connects(facts):
            if is_step2 and member.debt is not None:
                member.debt.answer()
            if self._is_long(facts) and not self._is_news(facts):
                return  # a step 2 holds all deletions of the document: no piece would do anything
        else:
            self._set_aside(member, facts, is_step2=is_step2)
            if not self._is_long(facts):
                part = connecting_part(update, outline.clocks)
                if part is None:
                    return
                update, facts = part, walk_update(part, self._limits.guard)
        self._size += len(update)
        if self._is_long(facts):
            pieces = Pieces(update, facts.deletes, outline.clocks, whole_entries=self._is_strict)
            member.applying = PendingPieces(pieces, FIRST_PIECE, len(update))
            self._applying.append(member)
        else:
            self._queue(member, update, facts, is_step2=is_step2)

    def _is_long(self, facts: UpdateFacts) -> bool:
        limit = self._limits.apply_at_once
        return facts.struct_count > limit or (facts.has_deletes and facts.deleted_ranges > limit)

    def _queue(
        self, member: Member, update: bytes, facts: UpdateFacts, *, is_step2: bool = False
    ) -> None:
        """An update that connects is applied at the end of the turn, in order of arrival; at once
        where a rule may apply."""
        authority = self.authority
        if authority is not None and authority.concerns(update, facts):
            self._apply_pending()
            if not self.is_broken:
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

    def _admit(self, member: Member, facts: UpdateFacts) -> list[int] | None:
        """Take an update into the outline; return the client ids that nobody knew. None: it was
        refused, because it builds on what was."""
        outline = self.document.outline
        unsent_from = self._unsent_from
        clocks = outline.clocks
        before = [(client, clocks.get(client, 0)) for client, _, _ in facts.ranges]
        try:
            if member.is_stale and member.builds_on_refused(facts):
                raise Malformed(STALE)
            outline.admit(facts, self._limits.document)
        except Refusal:
            if not member.is_stale:
                raise
            self._refuse(member, facts, Rule.STALE, STALE)
            return None
        for client, clock in before:
            unsent_from.setdefault(client, clock)
        introduced = []
        for client, _ in before:
            if client not in self.authors:
                self.authors[client] = member.identity.user_id
                introduced.append(client)
        return introduced

    # What breaks a rule

    def _apply_judged(
        self, authority: Authority, member: Member, update: bytes, facts: UpdateFacts
    ) -> None:
        """Apply an update of somebody who may edit, without what breaks a rule."""
        if not self._is_news(facts):
            return
        identity = member.identity
        clock = self.document.outline.clocks.get(self.document.own_client, 0)
        try:
            case = authority.examine(
                update,
                facts,
                identity.user_id,
                member.role,
                may_keep=member.patience.is_left(self._now),
                allowed=frozenset() if member.applying is None else member.applying.legal,
            )
            introduced = self._admit(member, facts)
            if introduced is None:
                return
            emitted = authority.carry_out(case, update, member.sender)
        except RuleBroken as error:
            self._refuse(member, facts, error.rule, str(error))
            return
        except DocumentBroken:
            self.break_off(member)
            return
        faults = case.faults
        if member.applying is not None:
            member.applying.legal |= case.foreseen.written - faults.keys()
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
            self._outbox.append((emitted, None if faults else member))
        member.patience.use(case.kept, was_wrong=bool(faults))
        if faults:
            (rule, reason), *others = faults.values()
            more = f" (and {len(others)} more)" if others else ""
            self._note_refusal(member, rule, reason + more)

    def _count_own(self, clock: int, size: int) -> tuple[int, ...]:
        """After the server may have written: note from where on others lack it; return its client
        id if that is new to the document."""
        client = self.document.own_client
        if self.document.outline.clocks.get(client, 0) == clock:
            return ()
        self._size += size
        self._unsent_from.setdefault(client, clock)
        if clock or client in self.authors:
            return ()
        self.authors[client] = None
        return (client,)

    def _emit(self, emitted: Emitted) -> None:
        self._emitted.append(emitted)
        if self.projector is not None:
            self.projector.note(emitted, self._now)

    def _has_room_for(self, size: int) -> bool:
        limit = self._limits.document_bytes
        if self._size + size <= limit:
            return True
        if self.document.version - self._measured_version >= 256 or (
            self._size - self._measured_size > limit // 64
        ):
            # The running sum only grows; what deletions and merging gave back must be measured.
            waiting = sum(member.applying.size for member in self._applying if member.applying)
            self._size = self._measured_size = self.document.measure() + waiting
            self._measured_version = self.document.version
        return self._size + size <= limit

    # What did not connect (ROM-4)

    def _set_aside(self, member: Member, facts: UpdateFacts, *, is_step2: bool) -> None:
        debt = member.debt
        if debt is None:
            debt = member.debt = Debt()
            self._owing.add(member)
            member.settled = max(member.settled, member.received - 1)
            self._settling[member] = None
        if is_step2:
            debt.is_asked = False
        debt.add(facts, self.document.outline.clocks)
        if len(debt) > self._limits.document.max_clients:
            raise LimitExceeded("what is missing names more client ids than a document may have")

    # What was refused (ACC-3, ACC-4)

    def _refuse(self, member: Member, facts: UpdateFacts, rule: Rule, reason: str) -> None:
        """Apply nothing of an edit, and remember which clocks its author has used up."""
        if not self._is_news(facts):
            return  # a reader's answer to our step 1 that holds nothing of its own
        member.is_stale = True
        if member.own_client is None:
            self._adopt_client(member, facts)
        known = self.document.outline.clocks.get(member.own_client or -1, 0)
        for client, start, end in facts.ranges:
            if client == member.own_client and start <= max(known, member.refused_until):
                member.refused_until = max(end, member.refused_until)
        self._note_refusal(member, rule, reason)

    def _adopt_client(self, member: Member, facts: UpdateFacts) -> None:
        """One without presence: the first client id that is its own, or nobody's yet."""
        user_id = member.identity.user_id
        for client, _, _ in facts.ranges:
            is_free = self._awareness.holder(client) is None
            if is_free and self.authors.get(client, user_id) == user_id:
                member.own_client = client
                return

    def _note_refusal(self, member: Member, rule: Rule, reason: str) -> None:
        """Tell the author of the message that is being dealt with, and count it."""
        self._denials[member] = reason
        self._refused.append(Refused(member, reason, rule))
        if member.wants_receipts:
            add_number(member.refusals, member.received)

    def _is_news(self, facts: UpdateFacts) -> bool:
        return brings_news(facts, self.document.outline.clocks, self.document.delete_set)

    def _integrate_refused(self, member: Member) -> None:
        """Fill the clocks of refused edits with placeholders, so that later edits connect.

        Done when the member edits legally or leaves, not with every refusal: until then nothing
        depends on it. Never for a client id that somebody else introduced.
        """
        client, until = member.own_client, member.refused_until
        if client is None or until == 0 or self.is_broken:
            return
        member.refused_until = 0
        known = self.document.outline.clocks.get(client, 0)
        owner = self.authors.get(client, member.identity.user_id)
        if until <= known or owner != member.identity.user_id:
            return
        update = placeholder([(client, known, until)])
        # Without it the client's next edit has a gap, and it is asked for what was refused.
        with contextlib.suppress(LimitExceeded):
            self._queue(member, update, walk_update(update, self._limits.guard))
        member.filled.append((known, until))

    # Edits by the server

    def edit(
        self,
        identity: Identity,
        change: Callable[[Doc[Any]], T],
        *,
        is_restore: bool = False,
        may_grow: bool = True,
    ) -> T:
        """Change the document at once, in somebody's name; the next turn tells (ROM-19).

        Args:
            change: is given the document within a transaction. It must check, and raise, before
                it changes anything.
            is_restore: it makes something what it was before; what others hold stays where it is
                (RUL-9).
            may_grow: it may write; otherwise it only deletes.

        Raises:
            NotNow: the database is behind.
            LimitExceeded: the document is full, and the edit may write.
            DocumentBroken: the CRDT failed, or `change` after it had changed something.
            Exception: what `change` raises.
        """
        if self.is_broken:
            raise DocumentBroken("the document failed and is loaded again")
        if not self.accepts_edits:
            raise NotNow(BEHIND)
        if may_grow and not self._has_room_for(0):
            raise LimitExceeded(FULL)
        if is_restore and self.authority is not None:
            change = self.authority.held.leaving(change, identity.user_id)
        clock = self.document.outline.clocks.get(self.document.own_client, 0)
        try:
            result, emitted = self.document.edit(change)
        except DocumentBroken:
            self.break_off(None)
            raise
        self._has_edited = True
        if emitted is not None:
            introduced = self._count_own(clock, len(emitted))
            self._emit(
                Emitted(emitted, identity, introduced, by_server=True, is_restore=is_restore)
            )
            self._outbox.append((emitted, None))
            if self.authority is not None:
                self.authority.look_around()
        return result

    # Turns

    @property
    def size(self) -> int:
        """About how many bytes the document takes, encoded; hardly less than it does."""
        return self._size

    def opens_for(self, frame: bytes) -> float:
        """When what this frame causes could be passed on to others: in the past, for at once."""
        is_presence = frame[:1] == _PRESENCE
        return (self._presence_gate if is_presence else self._update_gate).opens_at

    @property
    def is_quiet(self) -> bool:
        """Nothing waits for a later turn, not even for its time."""
        return not (
            self._walking
            or self._applying
            or self._asking
            or self._outbox
            or self._awareness.has_changed
        )

    @property
    def is_applying(self) -> bool:
        """What was accepted is not all applied yet, nor handed on to be stored (ROM-16)."""
        return bool(self._applying)

    def end_turn(self, now: float) -> Turn:
        """Carry out what was received; `now` is any monotonic clock, in seconds."""
        self._now = now
        turn = Turn()
        turn.replies, self._questions = self._questions, []
        turn.renewals, self._renewing = self._renewing, {}
        # Most turns have one thing to do: asking first costs less than looking into each.
        # An edit by the server has its turn to itself: who asks afterwards what it changed must
        # not be told what others did behind it (long updates go on with the next).
        if not self._has_edited:
            if self._walking:
                self._advance_walk(turn)
            if self._applying and self.accepts_edits:
                self._apply_pieces(turn)
        self._has_edited = False
        if self._pending:
            self._apply_pending()
        turn.commits, self._emitted = self._emitted, []
        if turn.commits and self.projector is not None:
            self.projector.noted_at = now
        if not self.is_broken:
            if self._greeting:
                self._greet(turn)
            if self._asking or self._present_asking or self._catching_up or self._denials:
                self._answer(turn)
            if self._settling or self._owing:
                self._collect_debts(turn)
            if self._outbox:
                self._flush_updates(turn)
            if self._awareness.has_changed:
                self._flush_presence(turn)
        turn.refused, self._refused = self._refused, []
        turn.closes, self._closing = self._closing, []
        turn.is_broken = self.is_broken
        turn.wake_at = self._next_wake()
        return turn

    def _advance_walk(self, turn: Turn) -> None:
        """Walk one slice of the first large update: one after the other, because what a walk
        finds takes many times the memory of the update."""
        member = self._walking[0]
        pending = member.walking
        if pending is None:
            raise AssertionError("who waits for a walk has one")
        try:
            facts = pending.walk.advance(STRUCTS_PER_SLICE)
            if facts is None:
                return
            self._walking.popleft()
            member.walking = None
            self._judge(member, pending.update, facts, is_step2=pending.is_step2)
        except Refusal as refusal:
            self.expel(member, CloseCode.MALFORMED, str(refusal))
            return
        self._hear_on(member, turn)

    def _hear_on(self, member: Member, turn: Turn) -> None:
        """Take what came meanwhile of one that was busy, and let its socket be read again."""
        while member.inbox and not member.is_busy:
            match member.inbox.popleft():
                case Role() as role:
                    self._take_role(member, role)
                case frame:
                    self.receive(member, frame)
        if not member.is_busy and member in self.members:
            member.inbox = None
            turn.resumed.append(member)

    def _apply_pending(self) -> None:
        pending, self._pending = self._pending, []
        for group in pending:
            member = group.member
            try:
                emitted = self.document.apply(group.updates, member.sender)
            except DocumentBroken:
                self.break_off(member)
                return
            if emitted is not None:
                self._emit(Emitted(emitted, member.identity, tuple(group.introduced)))
                # What a later update of the same transaction overwrote is no longer in what the
                # transaction emitted. The others are shown every step all the same.
                steps = group.updates if len(group.updates) > 1 else (emitted,)
                self._outbox.extend((step, member) for step in steps)

    # Long updates (ROM-16)

    def _apply_pieces(self, turn: Turn) -> None:
        """Apply long updates for a while; the members take turns.

        A piece is judged as if it had come alone, so that between two of them the document, its
        outline and what was handed on agree, and updates of others may come in between.
        """
        begun = at = self._clock()
        while self._applying and at - begun < APPLYING_SECONDS:
            member = self._applying.popleft()
            pending = member.applying
            if pending is None:
                continue
            # Half of an object would be wrong where the session is strict (RUL-3).
            size = self._limits.apply_at_once if self._is_strict else pending.at_once
            piece = pending.pieces.take(size)
            try:
                if piece is not None:
                    self._apply_piece(member, piece)
            except Refusal as refusal:
                member.applying = None
                self.expel(member, CloseCode.MALFORMED, str(refusal))
            if self.is_broken:
                return
            before, at = at, self._clock()
            if member.applying is None:
                continue
            if pending.pieces.is_done:
                self._end_pieces(member, turn)
            else:
                if piece is not None:
                    pending.at_once = self._next_size(pending.at_once, at - before)
                self._applying.append(member)

    def _apply_piece(self, member: Member, piece: bytes) -> None:
        facts = walk_update(piece, self._limits.guard)
        self._check_poison(member, piece, facts)
        if not self.document.outline.connects(facts):  # a piece before it was not applied (RUL-6)
            self._integrate_refused(member)
        if not self.document.outline.connects(facts):
            self._set_aside(member, facts, is_step2=False)
            return
        self._queue(member, piece, facts, is_step2=True)
        self._apply_pending()

    def _next_size(self, structs: int, seconds: float) -> int:
        """Among structs of the same kind, cuts near the end of a long text cost yrs a thousand
        times what others do: how many make a piece is found out."""
        if seconds > APPLYING_SECONDS:
            return max(1, structs // 4)
        if seconds < APPLYING_SECONDS / 4:
            return min(2 * structs, self._limits.apply_at_once)
        return structs

    def _end_pieces(self, member: Member, turn: Turn) -> None:
        member.applying = None
        if member in self.members:
            self._settling[member] = None
            self._hear_on(member, turn)
        else:
            self._take_last_words(member)

    def _take_last_words(self, member: Member) -> None:
        """Edits that came behind a long one of somebody who has left: they follow on it, so they
        connect, unless they wait for more that never came."""
        inbox = member.inbox
        with contextlib.suppress(Refusal):
            while inbox and not member.is_busy:
                heard = inbox.popleft()
                if isinstance(heard, Role):
                    member.role = heard
                    continue
                match messages.parse(heard):
                    case messages.SyncUpdate(update) | messages.SyncStep2(update):
                        facts = walk_update(update, self._limits.guard)
                        if self.document.outline.connects(facts):
                            self._judge(member, update, facts, is_step2=True)
        self._denials.pop(member, None)  # there is nobody to tell

    def break_off(self, culprit: Member | None) -> None:
        """ROM-9: the document cannot be trusted any more, because of what this member sent;
        everybody loads it again."""
        self.is_broken = True
        self._applying.clear()
        if culprit is not None:
            self.expel(culprit, CloseCode.MALFORMED, "the update could not be applied")
        for member in list(self.members):
            self.expel(member, CloseCode.RESTART, "the room restarts; reconnect")

    def _greet(self, turn: Turn) -> None:
        step1 = messages.sync_step1(self.document.state_vector())
        present = self._awareness.everyone_anew()
        presence = messages.awareness(present) if present else None
        for member in self._greeting:
            if member in self.members:
                if not member.is_asked_back:
                    turn.replies.append((member, step1))
                if presence is not None:
                    turn.replies.append((member, presence))
        self._greeting.clear()

    def _answer(self, turn: Turn) -> None:
        for member in self._catching_up:
            if member in self._behind:
                self._catch_up(turn, member)
        self._catching_up.clear()
        for member in list(islice(filter(_can_hear, self._asking), ANSWERED_AT_ONCE)):
            state_vector = self._asking.pop(member)
            for frame in self._welcome.frames(self.document, state_vector, self._now):
                turn.replies.append((member, frame))
            if member.is_asked_back:
                turn.replies.append((member, messages.sync_step1(self.document.state_vector())))
            member.is_synced = True
        for member in list(filter(_can_hear, self._present_asking)):
            del self._present_asking[member]
            turn.replies.append((member, messages.awareness(self._awareness.everyone())))
        for member in list(filter(_can_hear, self._denials)):
            turn.replies.append((member, messages.denied(self._denials.pop(member))))

    def _catch_up(self, turn: Turn, member: Member) -> None:
        self._behind.discard(member)
        member.is_behind = False
        if member.missed_from is not None:
            update = self.document.diff(member.missed_from)
            turn.replies.append((member, messages.sync_update(update)))
            member.missed_from = None
        entries = self._awareness.everyone_and_departed()
        if entries:
            turn.replies.append((member, messages.awareness(entries)))

    def _collect_debts(self, turn: Turn) -> None:
        clocks = self.document.outline.clocks
        for member in list(self._owing):
            debt = member.debt
            if debt is None or debt.is_paid(clocks):
                member.debt = None
                self._owing.discard(member)
                self._settling[member] = None
            elif (
                self.accepts_edits
                and not member.is_busy
                and _can_hear(member)
                and debt.may_be_called_in(clocks, self._now)
            ):
                debt.call_in(self._now)
                step1 = messages.sync_step1(self.document.state_vector())
                turn.replies.append((member, step1))
        for member in self._settling:
            if member.debt is None:
                # What it is busy with is received, but not judged or not all applied.
                member.settled = member.received - member.is_busy
            if member.wants_receipts and member.settled > member.receipted:
                member.receipted = member.settled
                refused = take_up_to(member.refusals, member.settled) if member.refusals else ()
                turn.receipts.append(Receipt(member, member.settled, refused))
        self._settling.clear()

    def _flush_updates(self, turn: Turn) -> None:
        interval = self._pacing.between_updates(len(self.members))
        is_due = self._update_gate.pass_at(self._now, interval)
        if not is_due and len(self._outbox) < MERGED_AT_ONCE:
            return
        updates = [update for update, _ in self._outbox]
        merged = updates[0] if len(updates) == 1 else merge_updates(*updates)
        authors = {member for _, member in self._outbox}
        turn.broadcasts.append(
            Broadcast(
                messages.sync_update(merged),
                authors.pop() if len(authors) == 1 else None,
                is_update=True,
            )
        )
        for member in self._behind:
            if member.missed_from is None:
                known = {**self.document.outline.clocks, **self._unsent_from}
                member.missed_from = encode_state_vector(known)
        self._outbox.clear()
        self._unsent_from.clear()

    def _flush_presence(self, turn: Turn) -> None:
        interval = self._pacing.between_presence(len(self.members))
        if not self._presence_gate.pass_at(self._now, interval):
            return
        entries, speaker = self._awareness.take_changed()
        payload = messages.awareness_payload(entries)
        frame = messages.awareness_frame(payload)
        self._told[payload] = None
        if len(self._told) > ECHOES_KNOWN:
            del self._told[next(iter(self._told))]
        turn.broadcasts.append(Broadcast(frame, speaker, is_update=False))

    def _next_wake(self) -> float | None:
        if self._walking or any(map(_can_hear, self._asking)):
            return self._now
        if self._applying and self.accepts_edits:
            return self._now
        due = []
        if self._applying:
            due.append(self._now + FULL_AGAIN_SECONDS)
        if self._outbox:
            due.append(self._update_gate.opens_at)
        if self._awareness.has_changed:
            due.append(self._presence_gate.opens_at)
        if self._owing:
            due.append(self._now + ASK_AGAIN_SECONDS)
        return min(due, default=None)


def _can_hear(member: Member) -> bool:
    """ROM-8: one that does not read is answered when it has drained, however much it asks."""
    return not member.is_behind
