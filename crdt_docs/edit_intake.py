"""Decides what becomes of an update that the guard has walked, once and before it is applied."""

from __future__ import annotations

import contextlib
from typing import Final

from crdt_docs import messages
from crdt_docs.access import Role, may_edit
from crdt_docs.authority import PAUSED, Authority
from crdt_docs.content_guard import mended
from crdt_docs.document_size import FULL
from crdt_docs.edited_document import BEHIND, EditedDocument
from crdt_docs.errors import LimitExceeded, Malformed, NotNow, Refusal
from crdt_docs.long_edits import LongEdits
from crdt_docs.member import Member
from crdt_docs.own_clients import OwnClients
from crdt_docs.refusals import Refusals
from crdt_docs.rules import Rule
from crdt_docs.settling import Settling
from crdt_docs.update_facts import UpdateFacts
from crdt_docs.update_guard import GuardLimits, walk_update
from crdt_docs.update_surgery import connecting_part

ANNOTATED_AT_ONCE: Final = 5000
"""Structs in an update of a viewer that is looked at, whether it only annotates."""

DELETED_AT_ONCE: Final = 50_000
"""Deleted ranges in one: each first synchronisation names all that were ever deleted."""

TOO_LABORIOUS: Final = "your edits take the server too long; wait a while and reconnect"

READ_ONLY: Final = "you may read this document but not edit it; ask its host for the editor role"


class EditIntake:
    """What may come in goes to the document, at once or in pieces; what may not is noted.

    Every method may raise `BrokenBy`: the document failed.
    """

    __slots__ = (
        "_document",
        "_edited",
        "_guard",
        "_long",
        "_own_clients",
        "_refusals",
        "_settling",
    )

    def __init__(
        self,
        edited: EditedDocument,
        *,
        own_clients: OwnClients,
        refusals: Refusals,
        settling: Settling,
        long: LongEdits,
        guard: GuardLimits,
    ) -> None:
        self._edited = edited
        self._document = edited.document
        self._own_clients = own_clients
        self._refusals = refusals
        self._settling = settling
        self._long = long
        self._guard = guard

    def judge(self, member: Member, update: bytes, facts: UpdateFacts, *, is_step2: bool) -> None:
        """Apply an update, set it aside or refuse it.

        Raises:
            NotNow: the update brings something, and the database is behind (ROM-13), or what its
                sender did before took too long (ROM-20).
            Refusal: its sender is to be let go.
        """
        if facts.mends:
            update = mended(update, facts.mends)
        if not facts.is_empty:
            self._judge_news(member, update, facts, is_step2=is_step2)
        elif is_step2 and member.debt is not None:
            member.debt.answer()
        self._settling.dealt_with(member)

    def _judge_news(
        self, member: Member, update: bytes, facts: UpdateFacts, *, is_step2: bool
    ) -> None:
        self._check_poison(member, update, facts)
        refusal = self._turned_down(member, update, facts)
        if refusal is not None:
            self._refusals.refuse(member, facts, *refusal)
        elif (reason := self._not_now(member)) is not None and self._document.lacks(facts):
            if not is_step2:
                raise NotNow(reason)
            self._settling.set_aside(member, facts, is_step2=True)  # it came back to read
        elif facts.ranges and not self._edited.size.has_room_for(len(update)):
            self._refusals.refuse(member, facts, Rule.FULL, FULL)
        else:
            self._accept(member, update, facts, is_step2=is_step2)

    def _not_now(self, member: Member) -> str | None:
        """Why nothing of anybody, or of this member, is taken for a while; None: it is."""
        if not self._edited.accepts_edits:
            return BEHIND
        if member.patience.labour and not member.patience.has_time(self._edited.now):
            return TOO_LABORIOUS
        return None

    def _check_poison(self, member: Member, update: bytes, facts: UpdateFacts) -> None:
        fence = self._document.fence
        if fence.is_poisoned(update) or fence.brings_poison(member.sender, facts.ranges):
            raise Malformed("this update has stopped the server before and is not taken again")

    # Whether its author may

    def _turned_down(
        self, member: Member, update: bytes, facts: UpdateFacts
    ) -> tuple[Rule, str] | None:
        """Why nothing of an update may be applied; None: it may."""
        authority = self._edited.authority
        if may_edit(member.role):
            if self._edited.is_paused and authority is None and member.role is not Role.HOST:
                return Rule.PAUSED, PAUSED
            return None
        if (
            member.role is Role.VIEWER
            and authority is not None
            and facts.struct_count <= ANNOTATED_AT_ONCE
            and facts.deleted_ranges <= DELETED_AT_ONCE
            and all(self._own_clients.may_write_as(member, client) for client, _, _ in facts.ranges)
            and self._only_annotates(authority, member, update, facts)
            and self._follows(member, facts)
        ):
            return None
        return Rule.READ_ONLY, READ_ONLY

    def _only_annotates(
        self, authority: Authority, member: Member, update: bytes, facts: UpdateFacts
    ) -> bool:
        self._edited.apply_pending()
        return authority.may_annotate(update, facts, member.identity.user_id)

    def _follows(self, member: Member, facts: UpdateFacts) -> bool:
        """Whether a reader's update connects, if need be once what it was refused is filled in."""
        self.fill_refused(member)
        self._edited.apply_pending()
        return self._document.outline.connects(facts)

    # What is taken

    def _accept(self, member: Member, update: bytes, facts: UpdateFacts, *, is_step2: bool) -> None:
        self.fill_refused(member)
        if self._own_clients.anticipates_another(member, facts):
            self._settling.set_aside(member, facts, is_step2=is_step2)
            return
        outline = self._document.outline
        is_long = self._long.concerns(facts)
        if outline.connects(facts):
            if is_step2 and member.debt is not None:
                member.debt.answer()
            if is_long and not self._document.lacks(facts):
                return  # a step 2 holds all deletions of the document: no piece would do anything
        else:
            self._settling.set_aside(member, facts, is_step2=is_step2)
            if not is_long:
                part = connecting_part(update, outline.clocks)
                if part is None:
                    return
                update, facts = part, walk_update(part, self._guard)
                is_long = self._long.concerns(facts)
        if is_long:
            self._edited.check_clients(facts)  # of all pieces, before the first is applied
        self._edited.size.bytes += len(update)
        if is_long:
            is_strict = self._edited.is_strict
            self._long.add(member, update, facts, outline.clocks, whole_entries=is_strict)
        else:
            self._edited.queue(member, update, facts, is_step2=is_step2)

    def apply_piece(self, member: Member, piece: bytes) -> None:
        """Apply a piece of a long update, as if it had come alone (ROM-16).

        Raises:
            Refusal: its sender is to be let go.
        """
        facts = walk_update(piece, self._guard)
        self._check_poison(member, piece, facts)
        outline = self._document.outline
        if not outline.connects(facts):  # a piece before it was not applied (RUL-6)
            self.fill_refused(member)
        if not outline.connects(facts):
            self._settling.set_aside(member, facts, is_step2=False)
            return
        self._edited.queue(member, piece, facts, is_step2=True)
        self._edited.apply_pending()

    def fill_refused(self, member: Member) -> None:
        """Let what a member does from now on connect to what it was refused (ACC-4)."""
        filling = self._refusals.filling(member)
        if filling is not None:
            # Without it the client's next edit has a gap, and it is asked for what was refused.
            with contextlib.suppress(LimitExceeded):
                self._edited.queue(member, filling, walk_update(filling, self._guard))

    def take_last_words(self, member: Member) -> None:
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
                        facts = walk_update(update, self._guard)
                        is_early = self._own_clients.anticipates_another(member, facts)
                        if not is_early and self._document.outline.connects(facts):
                            self.judge(member, update, facts, is_step2=True)
        self._refusals.untold.pop(member, None)  # there is nobody to tell
