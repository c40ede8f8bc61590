"""A room: one document, the people in it, and turns (ROM).

`receive` any number of frames, then `end_turn` once: it applies what came, and says what to send,
store and close. Nothing is awaited and nobody is called back, so state changes only inside these
calls and there are no locks. Only while a long update is applied is the time looked at, by a clock
that is handed in.

Each thing a room keeps in mind has a class of its own, in a module of its name: what becomes of
edits (`EditIntake`, `EditedDocument`, `LongEdits`, `GuardWalks`, `Refusals`, `Settling`), what is
sent (`OutgoingUpdates`, `RoomPresence`, `Answers`). The room knows who is there, and calls them in
order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar, assert_never
from uuid import UUID

from pycrdt import Doc

from crdt_docs import messages
from crdt_docs.access import Role, is_seen
from crdt_docs.answers import Answers
from crdt_docs.authority import Authority
from crdt_docs.awareness import AwarenessTable
from crdt_docs.debt import ASK_AGAIN_SECONDS
from crdt_docs.document import (
    EMPTY_STATE_VECTOR,
    Document,
    DocumentBroken,
    Fence,
    StoredState,
    standing_still,
)
from crdt_docs.document_size import DocumentSize
from crdt_docs.edit_intake import EditIntake
from crdt_docs.edited_document import BrokenBy, EditedDocument
from crdt_docs.errors import NotNow, Refusal
from crdt_docs.guard_walks import SLICES_AT_ONCE, STRUCTS_PER_SLICE, GuardWalks
from crdt_docs.identifiers import Identity
from crdt_docs.long_edits import APPLYING_SECONDS, LongEdits
from crdt_docs.member import Member, PendingQuestion, PendingWalk
from crdt_docs.messages import CloseCode
from crdt_docs.outgoing_updates import OutgoingUpdates
from crdt_docs.own_clients import OwnClients
from crdt_docs.ownership import Entry
from crdt_docs.pacing import Pacing
from crdt_docs.patience import Patience
from crdt_docs.projector import Projector
from crdt_docs.refusals import Refusals
from crdt_docs.room_limits import RoomLimits
from crdt_docs.room_presence import RoomPresence
from crdt_docs.rules import RuleBroken, SessionRules
from crdt_docs.settling import Settling
from crdt_docs.state_vector import SPARE_CLIENTS, VectorWalk
from crdt_docs.turn import Close, Turn
from crdt_docs.update_facts import UpdateFacts
from crdt_docs.update_guard import GuardWalk, walk_update

T = TypeVar("T")

FULL_AGAIN_SECONDS = 0.1
"""How soon to look whether the database takes more, while a long update waits for it."""

SMALL_BYTES = 4 * 1024
"""Of an update that is walked at once, whatever is in it: a few milliseconds at most."""

_PRESENCE = bytes((messages.MessageType.AWARENESS,))


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
        limits = limits or RoomLimits()
        pacing = pacing or Pacing()
        self.document = document or Document(stored, fence)
        self.authors = dict(authors or {}) if projector is None else projector.authors
        self.authority = (
            None if projector is None else Authority(self.document, projector, limits.objects)
        )
        self.members: dict[Member, None] = {}
        self.is_broken = False
        self._now = now
        self._labour_before = self.document.labour
        self._walk_at_once = limits.walk_at_once
        self._walk_whole = min(limits.walk_at_once, SMALL_BYTES)
        self._guard_limits = limits.guard
        self._max_clients = limits.document.max_clients

        self._awareness: AwarenessTable[Member] = AwarenessTable(
            limits.awareness, has_places=has_places
        )
        self._presence = RoomPresence(self._awareness, pacing)
        self._answers = Answers(self.document, self._awareness)
        self._outgoing = OutgoingUpdates(pacing)
        self._walks = GuardWalks()
        self._long = LongEdits(limits.apply_at_once, clock or standing_still)
        own_clients = OwnClients(self.authors, self._awareness.holder)
        self._refusals = Refusals(self.document, own_clients)
        self._settling = Settling(self.document, limits.document.max_clients)
        self._edited = EditedDocument(
            self.document,
            self.authors,
            projector=projector,
            authority=self.authority,
            size=DocumentSize(self.document, limits.document_bytes, self._long.waiting_bytes),
            outgoing=self._outgoing,
            refusals=self._refusals,
            limits=limits.document,
            now=now,
        )
        self._intake = EditIntake(
            self._edited,
            own_clients=own_clients,
            refusals=self._refusals,
            settling=self._settling,
            long=self._long,
            guard=limits.guard,
        )

        self._questions: list[tuple[Member, bytes]] = []
        self._renewing: dict[Member, str] = {}
        self._closing: list[Close] = []
        self._patience: dict[UUID, Patience] = {}

    # What may be done in it

    @property
    def accepts_edits(self) -> bool:
        """The database takes them."""
        return self._edited.accepts_edits

    @accepts_edits.setter
    def accepts_edits(self, accepts_edits: bool) -> None:
        self._edited.accepts_edits = accepts_edits

    @property
    def is_paused(self) -> bool:
        """Only hosts edit."""
        return self._edited.is_paused

    @is_paused.setter
    def is_paused(self, is_paused: bool) -> None:
        self._edited.pause(is_paused=is_paused)

    @property
    def projector(self) -> Projector | None:
        """Reads which objects changed; None: nobody needs to know."""
        return self._edited.projector

    def lose_objects(self) -> None:
        """What belongs to which object is not known any more, nor what changes of it (RUL-7)."""
        self._edited.projector = None
        self.document.ownership = None

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

    def take_gone(self) -> AbstractSet[str]:
        """What was deleted in somebody's hand since this was asked last (POS-35)."""
        if self.authority is None or not self.authority.held.gone:
            return frozenset()
        gone, self.authority.held.gone = self.authority.held.gone, set()
        return gone

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
        self._answers.greet(member)

    def leave(self, member: Member) -> None:
        """The connection is gone, or is about to be closed."""
        if member not in self.members:
            return
        del self.members[member]
        if not self.is_broken:
            self._fill_refused(member)
        self._awareness.leave(member)
        self._presence.forget(member)
        self._answers.forget(member)
        self._settling.forget(member)
        self._refusals.untold.pop(member, None)
        self._renewing.pop(member, None)
        self._walks.forget(member)
        if member.applying is None:
            member.inbox = None  # or it waits for the long edit before it: `take_last_words`

    def _fill_refused(self, member: Member) -> None:
        try:
            self._intake.fill_refused(member)
        except BrokenBy as broken:
            self.break_off(broken.culprit)

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
            member.put_by(role)
        elif member.role is not role:
            self._take_role(member, role)

    def _take_role(self, member: Member, role: Role) -> None:
        if is_seen(role) and not is_seen(member.role) and not member.is_behind:
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
        if member in self.members:
            self._answers.fell_behind(member)

    def caught_up(self, member: Member) -> None:
        """Its transport takes bytes again: the next turn sends what it missed, as one update."""
        self._answers.caught_up(member)

    def tick(self, now: float) -> None:
        """To be called every few seconds, and followed by a turn."""
        self._now = self._edited.now = now
        self._awareness.expire(now)
        for user_id in [each for each, kept in self._patience.items() if kept.is_restored(now)]:
            del self._patience[user_id]
        self._answers.release(now)
        self.document.release_full_state()

    # Receiving

    def receive(self, member: Member, frame: bytes) -> None:
        """Take one frame. What it causes comes with the next turn."""
        if member not in self.members:
            return
        if member.is_busy:
            member.put_by(frame)
            return
        try:
            self._handle(member, frame)
        except Refusal as refusal:
            self._let_go(member, refusal)
        except BrokenBy as broken:
            self.break_off(broken.culprit)

    def _let_go(self, member: Member, refusal: Refusal) -> None:
        code = CloseCode.TRY_LATER if isinstance(refusal, NotNow) else CloseCode.MALFORMED
        self.expel(member, code, str(refusal))

    def _handle(self, member: Member, frame: bytes) -> None:
        message = messages.parse(frame)
        match message:
            case messages.SyncUpdate(update):
                self._take_update(member, update, is_step2=False)
            case messages.SyncStep2(update):
                self._take_update(member, update, is_step2=True)
            case messages.AwarenessUpdate(payload):
                self._presence.take(member, payload, self._now)
            case messages.SyncStep1(state_vector):
                self._take_question(member, state_vector)
            case messages.QueryAwareness():
                self._answers.ask_for_presence(member)
            case messages.Renewal(token):
                self._renewing[member] = token
            case _:
                assert_never(message)

    def _take_question(self, member: Member, state_vector: bytes) -> None:
        if state_vector == EMPTY_STATE_VECTOR:
            self._answers.asking[member] = state_vector
            return
        clocks = self.document.outline.clocks
        most = max(self._max_clients, len(clocks)) + SPARE_CLIENTS
        walk = VectorWalk(state_vector, clocks, most)
        known = walk.advance()
        if known is None:
            self._walks.begin(member, PendingQuestion(walk))
        else:
            self._answers.asking[member] = known

    def _take_update(self, member: Member, update: bytes, *, is_step2: bool) -> None:
        member.received += 1
        facts: UpdateFacts | None
        if len(update) <= self._walk_whole:
            facts = walk_update(update, self._guard_limits)
        else:
            walk = GuardWalk(update, self._guard_limits)
            facts = self._walk_beginning(walk, len(update))
            if facts is None:
                self._walks.begin(member, PendingWalk(walk, update, is_step2))
                return
        self._intake.judge(member, update, facts, is_step2=is_step2)

    def _walk_beginning(self, walk: GuardWalk, size: int) -> UpdateFacts | None:
        """What a walk found, if it was short."""
        if size <= self._walk_at_once:
            for _ in range(SLICES_AT_ONCE):
                facts = walk.advance(STRUCTS_PER_SLICE)
                if facts is not None:
                    return facts
        return None

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
        try:
            return self._edited.edit(identity, change, is_restore=is_restore, may_grow=may_grow)
        except DocumentBroken:
            self.break_off(None)
            raise

    # Turns

    @property
    def size(self) -> int:
        """About how many bytes the document takes, encoded; hardly less than it does."""
        return self._edited.size.bytes

    def opens_for(self, frame: bytes) -> float:
        """When what this frame causes could be passed on to others: in the past, for at once."""
        is_presence = frame[:1] == _PRESENCE
        return (self._presence if is_presence else self._outgoing).gate.opens_at

    @property
    def is_quiet(self) -> bool:
        """Nothing waits for a later turn, not even for its time."""
        return not (
            self._walks.waiting
            or self._long
            or self._answers.asking
            or self._outgoing.waiting
            or self._awareness.has_changed
        )

    @property
    def is_applying(self) -> bool:
        """What was accepted is not all applied yet, nor handed on to be stored (ROM-16)."""
        return bool(self._long)

    @property
    def has_toiled(self) -> bool:
        """What was received since the last turn took so long that the rest is to wait for the turn
        after the next (ROM-20)."""
        return self.document.labour - self._labour_before > APPLYING_SECONDS

    def end_turn(self, now: float) -> Turn:
        """Carry out what was received; `now` is any monotonic clock, in seconds."""
        self._now = self._edited.now = now
        turn = Turn()
        turn.replies, self._questions = self._questions, []
        turn.renewals, self._renewing = self._renewing, {}
        try:
            self._apply(turn)
        except BrokenBy as broken:
            self.break_off(broken.culprit)
        turn.commits = self._edited.take_emitted(now)
        if not self.is_broken:
            self._tell(turn, now)
        turn.refused = self._refusals.take_noted()
        turn.closes, self._closing = self._closing, []
        turn.is_broken = self.is_broken
        turn.wake_at = self._next_wake()
        self._labour_before = self.document.labour
        return turn

    def _apply(self, turn: Turn) -> None:
        edited = self._edited
        # An edit by the server has its turn to itself: who asks afterwards what it changed must
        # not be told what others did behind it (long updates go on with the next).
        if not edited.is_edited:
            if self._walks.waiting:
                self._advance_walk(turn)
            if self._long and edited.accepts_edits:
                self._apply_pieces(turn)
        edited.is_edited = False
        edited.apply_pending()

    def _tell(self, turn: Turn, now: float) -> None:
        # Most turns have one thing to do: asking first costs less than looking into each.
        self._answers.give(turn, now)
        if self._refusals.untold:
            self._refusals.tell(turn)
        self._settling.collect(turn, now, accepts_edits=self._edited.accepts_edits)
        outgoing, members = self._outgoing, len(self.members)
        if outgoing.waiting:
            clocks = self.document.outline.clocks
            update = outgoing.flush(now, members, self._answers.behind, clocks)
            if update is not None:
                turn.broadcasts.append(update)
        if self._awareness.has_changed:
            rides = bool(turn.broadcasts)
            presence = self._presence.flush(now, members, rides=rides)
            if presence is not None:
                turn.broadcasts.append(presence)

    def _advance_walk(self, turn: Turn) -> None:
        member = self._walks.waiting[0]
        try:
            walked = self._walks.advance()
            if walked is None:
                return
            if isinstance(walked, bytes):
                self._answers.asking[member] = walked
            else:
                pending, facts = walked
                self._intake.judge(member, pending.update, facts, is_step2=pending.is_step2)
        except Refusal as refusal:
            self._let_go(member, refusal)
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

    def _apply_pieces(self, turn: Turn) -> None:
        """Apply long updates for a while (ROM-16).

        A piece is judged as if it had come alone, so that between two of them the document, its
        outline and what was handed on agree, and updates of others may come in between.
        """
        self._long.begin_round()
        # Half of an object would be wrong where the session is strict (RUL-3).
        while taken := self._long.take(largest=self._edited.is_strict):
            member, piece = taken
            try:
                if piece is not None:
                    self._intake.apply_piece(member, piece)
            except Refusal as refusal:
                member.applying = None
                self._let_go(member, refusal)
            if self.is_broken:
                return
            if self._long.put_back(member, piece):
                self._end_pieces(member, turn)

    def _end_pieces(self, member: Member, turn: Turn) -> None:
        if member in self.members:
            self._settling.dealt_with(member)
            self._hear_on(member, turn)
        else:
            self._intake.take_last_words(member)

    def break_off(self, culprit: Member | None) -> None:
        """ROM-9: the document cannot be trusted any more, because of what this member sent;
        everybody loads it again."""
        self.is_broken = True
        self._long.clear()
        if culprit is not None:
            self.expel(culprit, CloseCode.MALFORMED, "the update could not be applied")
        for member in list(self.members):
            self.expel(member, CloseCode.RESTART, "the room restarts; reconnect")

    def _next_wake(self) -> float | None:
        accepts_edits = self._edited.accepts_edits
        if self._walks.waiting or self._answers.may_go_on or (self._long and accepts_edits):
            return self._now
        due = []
        if self._long:
            due.append(self._now + FULL_AGAIN_SECONDS)
        if self._outgoing.waiting:
            due.append(self._outgoing.gate.opens_at)
        if self._awareness.has_changed:
            due.append(self._presence.gate.opens_at)
        if self._settling.owing:
            due.append(self._now + ASK_AGAIN_SECONDS)
        return min(due, default=None)
