"""Holds edits of those who may edit against the rules, and takes back what breaks one (RUL).

An update is applied, looked at and mended in one transaction: what was refused is not in what the
transaction emits, so it reaches neither the log nor anybody but its author, who gets the inverse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, Final
from uuid import UUID

from pycrdt import Doc, Map

from crdt_docs.access import Role
from crdt_docs.case import Case
from crdt_docs.document import Document
from crdt_docs.held_objects import HeldObjects
from crdt_docs.object_kinds import ObjectRoot
from crdt_docs.object_schema import schema_fault
from crdt_docs.object_trees import (
    Allowance,
    NotKept,
    Tree,
    json_of,
    mend,
    tree_at,
)
from crdt_docs.ownership import Entry, Foreseen, Ownership, Span
from crdt_docs.projector import Projector
from crdt_docs.rules import ORDINARY, Fault, Rule, RuleBroken, SessionRules
from crdt_docs.update_facts import UpdateFacts
from crdt_docs.update_surgery import deletion, not_deleted_yet

KEPT_BYTES: Final = 2 * 1024 * 1024
"""Of objects that one update may make us put back."""

LOCK: Final = b"is_locked"
"""In every update that gives an object this field. Where the field was there before, its name is
not said again; the value is, alone in its struct (GRD-22), and only if it is true does it lock."""

FEW_STRUCTS: Final = 32
"""In an update that is worth being looked at struct by struct."""

FEW_WRITERS: Final = 1000
"""Whose newest clocks are known before they are read."""

PAUSED = "the session is paused: only a host may edit now"
UNKNOWN = "it cannot be checked now whether this edit keeps to the rules; try again later"


class Authority:
    """The rules of one document, and which of its objects are locked.

    Attributes:
        rules: what the session says; they are set with `obey`.
        held: what is in somebody's hand.
        seen: what the last update that no rule applied to brings, if that is worth knowing.
    """

    def __init__(self, document: Document, projector: Projector, max_objects: int) -> None:
        self._document = document
        self._projector = projector
        self._reader = document.objects()
        self._max_objects = max_objects
        self._too_many = f"a document may have {max_objects} objects; delete some first"
        self.rules = ORDINARY
        self.is_paused = False
        self.locked = {
            key
            for key in projector.present(ObjectRoot.OBJECTS)
            if self._reader.is_locked(ObjectRoot.OBJECTS, key)
        }
        self.held = HeldObjects(self._reader)
        self._holders = self.held.holders  # asked for with every update
        self._is_strict = False
        self.seen: tuple[int, Span] | None = None
        self._beyond: dict[int, Span] = {}
        # No root map holds more than this.
        self._bound = max(len(projector.present(root)) for root in document.kinds)

    def concerns(self, update: bytes, facts: UpdateFacts) -> bool:
        """Whether a rule may apply to an update, whoever sent it. Asked for every one.

        If so, it is to be examined; otherwise `went_in` is to be told if it was accepted and
        something was `seen`.
        """
        self.seen = None
        self._bound += facts.struct_count  # no more objects than that can be new
        if (
            self.locked
            or self._holders
            or self.is_paused
            or self._is_strict
            or self._bound > self._max_objects
        ):
            return self._concerns_much(update, facts)
        # Where nobody knows what belongs to what, nothing is locked.
        # `find` takes a fifth of the time of `in`, which tries first whether it is given a number.
        is_suspect = facts.says_true or update.find(LOCK) >= 0
        return is_suspect and self._document.ownership is not None

    def _concerns_much(self, update: bytes, facts: UpdateFacts) -> bool:
        if self.is_paused or self._is_strict:
            return True
        ownership = self._document.ownership
        if ownership is None:
            return bool(self.locked or self._holders)
        if (
            self._bound > self._max_objects
            or facts.says_true
            or update.find(LOCK) >= 0
            or facts.struct_count > FEW_STRUCTS
            or self._goes_on_within(facts)
        ):
            return True
        owners = ownership.owners_in(facts, self._beyond)
        if owners is None:
            self._projector.catch_up()
            owners = ownership.owners_in(facts, self._beyond)
            if owners is None:
                return True
        entries, locked, holders = ownership.entries, self.locked, self._holders
        for owner in owners:
            key = entries[owner].key
            if key in locked or key in holders:
                return True
        if facts.struct_count == 1 and facts.ranges and len(owners) == 1:
            client, start, end = facts.ranges[0]
            if start == self._document.outline.clocks.get(client, 0):
                self.seen = (client, (start, end, owners.pop()))
        return False

    def _goes_on_within(self, facts: UpdateFacts) -> bool:
        """Whether known clocks are said once more, and more after them: that need not stand where
        the update says (GRD-28)."""
        clocks = self._document.outline.clocks
        return any(start < clocks.get(client, 0) < end for client, start, end in facts.ranges)

    def went_in(self, client: int, span: Span) -> None:
        """What was `seen` was accepted: it will be in the document at the end of the turn. Until
        that is read, it is known whose it is."""
        start, end, owner = span
        before = self._beyond.get(client)
        if before is not None and before[1] == start and before[2] == owner:
            self._beyond[client] = (before[0], end, owner)
            return
        if len(self._beyond) > FEW_WRITERS:
            self._beyond.clear()
        self._beyond[client] = span

    def obey(self, rules: SessionRules) -> None:
        """From now on these are the session's rules."""
        self.rules = rules
        self._is_strict = rules.own_objects_only or rules.strict_schema

    def examine(
        self,
        update: bytes,
        facts: UpdateFacts,
        user_id: UUID,
        role: Role,
        *,
        may_keep: bool = True,
        allowed: AbstractSet[Entry] = frozenset(),
    ) -> Case:
        """Look at an update of somebody who may edit, before it is applied.

        Args:
            may_keep: whether objects may be kept, to be put back; this costs.
            allowed: what earlier pieces of the same update locked, or found unlocked.

        Raises:
            RuleBroken: it must not be.
        """
        ownership = self._document.ownership
        if ownership is None:
            raise RuleBroken(Rule.LOCKED, UNKNOWN)
        self._projector.catch_up()
        foreseen = ownership.foresee(update)
        faults = self._forbidden(ownership, facts, foreseen, user_id, role)
        held = self._of_both(self.held.faults, ownership, facts, foreseen, user_id)
        forbidden = {
            entry: fault
            for entry, fault in faults.items()
            if fault.rule is not Rule.LOCKED or entry not in allowed
        }
        case = Case(foreseen, forbidden, held, self._suspects(ownership, facts, foreseen))
        if not may_keep:
            case.give_up()
        self._keep(case, ownership)
        if forbidden:
            case.refused = ownership.brought(update, forbidden.keys())
        return case

    def carry_out(self, case: Case, update: bytes, sender: bytes) -> bytes | None:
        """Apply an update that was examined, without what breaks a rule; return what that emitted.

        Raises:
            DocumentBroken: the CRDT failed.
        """
        if case.trees:
            judge = partial(self._judge, case)
            updates = [update, deletion(case.refused)] if case.refused else [update]
            emitted = self._document.apply_judged(updates, sender, judge)
        else:
            emitted = self._document.apply([update], sender)
        self.look_again(case.foreseen.written | case.foreseen.deleted)
        return emitted

    # What is forbidden whatever it becomes

    def _forbidden(
        self,
        ownership: Ownership,
        facts: UpdateFacts,
        foreseen: Foreseen,
        user_id: UUID,
        role: Role,
    ) -> dict[Entry, Fault]:
        if role is Role.HOST:
            return {}
        if self.is_paused and (foreseen.writes_beyond or foreseen.deletes_beyond):
            raise RuleBroken(Rule.PAUSED, PAUSED)
        return self._of_both(self._faults, ownership, facts, foreseen, user_id)

    def _of_both(
        self,
        faults: Callable[[Iterable[Entry], UUID], dict[Entry, Fault]],
        ownership: Ownership,
        facts: UpdateFacts,
        foreseen: Foreseen,
        user_id: UUID,
    ) -> dict[Entry, Fault]:
        """The faults in what an update writes, and in what it deletes that was there."""
        found = faults(foreseen.written, user_id)
        others = faults(foreseen.deleted - found.keys(), user_id)
        new = self._newly(set(others), ownership, facts)
        return {**found, **{entry: others[entry] for entry in new}}

    def _newly(self, deleted: set[Entry], ownership: Ownership, facts: UpdateFacts) -> set[Entry]:
        """Of which of these objects something is deleted that was not: each first synchronisation
        tells of all that ever was."""
        return deleted & self._newly_deleted(ownership, facts) if deleted else deleted

    def _newly_deleted(self, ownership: Ownership, facts: UpdateFacts) -> set[Entry | None]:
        """Of what something is deleted that was not; None: of what is no object."""
        return ownership.named_in(not_deleted_yet(facts.deletes, self._document.delete_set()))

    def _faults(self, entries: Iterable[Entry], user_id: UUID) -> dict[Entry, Fault]:
        return {
            entry: fault
            for entry in entries
            if (fault := self.fault_of_editor(entry, user_id)) is not None
        }

    def fault_of(self, entry: Entry, user_id: UUID, role: Role) -> Fault | None:
        """Which rule somebody would break by changing or creating an object; None: none."""
        self._projector.catch_up()
        if (
            not self._reader.has(*entry)
            and len(self._reader.place(entry.root)) >= self._max_objects
        ):
            return Fault(Rule.TOO_MANY, self._too_many)
        return None if role is Role.HOST else self.fault_of_editor(entry, user_id)

    def fault_of_editor(self, entry: Entry, user_id: UUID) -> Fault | None:
        """Which rule an editor would break by changing an object; None: none."""
        if self.is_paused:
            return Fault(Rule.PAUSED, PAUSED)
        name = entry.key[:128]
        if entry.root == ObjectRoot.OBJECTS and entry.key in self.locked:
            return Fault(Rule.LOCKED, f"{name} is locked; ask a host to unlock it")
        if self.rules.own_objects_only and not self.is_own(entry, user_id):
            reason = f"{name} is somebody else's; here editors change only what they created"
            return Fault(Rule.NOT_OWN, reason)
        return None

    def is_own(self, entry: Entry, user_id: UUID) -> bool:
        """Whether somebody created what stands in a place; also true where nothing does, unless
        it was somebody else's before."""
        creator = self._projector.creator_of(entry)
        if creator is None:
            return not self._reader.has(*entry)
        return creator == user_id

    # What viewers may do

    def may_annotate(self, update: bytes, facts: UpdateFacts, user_id: UUID) -> bool:
        """Whether an update touches nothing but a viewer's own annotations."""
        ownership = self._document.ownership
        if ownership is None or self.is_paused or not self.rules.viewers_annotate:
            return False
        self._projector.catch_up()
        foreseen = ownership.foresee(update)
        if foreseen.writes_beyond or not self._are_notes_of(user_id, foreseen.written):
            return False
        deleted: AbstractSet[Entry | None] = foreseen.deleted
        if foreseen.deletes_beyond or not self._are_notes_of(user_id, deleted):
            deleted = self._newly_deleted(ownership, facts)
        return bool(foreseen.written or deleted) and self._are_notes_of(user_id, deleted)

    def _are_notes_of(self, user_id: UUID, entries: Iterable[Entry | None]) -> bool:
        return all(
            entry is not None
            and entry.root == ObjectRoot.ANNOTATIONS
            and self.is_own(entry, user_id)
            for entry in entries
        )

    # What is looked at after it was applied

    def _suspects(self, ownership: Ownership, facts: UpdateFacts, foreseen: Foreseen) -> set[Entry]:
        """Objects of which only what becomes of them tells whether they keep to the rules."""
        suspects: set[Entry] = set()
        if self.rules.strict_schema:
            deleted = foreseen.deleted - foreseen.written
            suspects = foreseen.written | self._newly(deleted, ownership, facts)
        if self._bound <= self._max_objects:
            return suspects
        self._bound = 0
        for root in self._document.kinds:
            new = {
                entry
                for entry in foreseen.written
                if entry.root == root and not self._reader.has(*entry)
            }
            count = len(self._reader.place(root)) + len(new)
            self._bound = max(self._bound, count)
            if count > self._max_objects:
                suspects |= new
        return suspects

    def _keep(self, case: Case, ownership: Ownership) -> None:
        """Keep what objects are now, so that they can be made so again."""
        allowance = Allowance(KEPT_BYTES)
        for entry in {*case.forbidden, *case.held, *case.suspects}:
            fault = case.forbidden.get(entry) or case.held.get(entry) or Fault(Rule.SCHEMA, "")
            if entry in ownership.heavy:
                raise RuleBroken(fault.rule, fault.reason or f"{entry.key[:128]} is too large")
            try:
                case.trees[entry] = tree_at(self._reader.place(entry.root), entry.key, allowance)
            except NotKept as error:
                reason = fault.reason or f"{entry.key[:128]} cannot be changed here: {error}"
                raise RuleBroken(fault.rule, reason) from None
        case.kept = KEPT_BYTES - allowance.left
        case.parts = allowance.parts

    def _judge(self, case: Case, doc: Doc[Any]) -> bool:
        """Within the transaction: mend what breaks a rule; whether anything was written."""
        places: dict[str, Map[Any]] = {
            root: doc.get(root, type=Map) for root in self._document.kinds
        }
        has_written = bool(case.refused)
        for entry, fault in case.forbidden.items():
            is_mended = mend(places[entry.root], entry.key, case.trees[entry])
            has_written = is_mended or has_written
            if is_mended or entry in case.foreseen.written:
                case.taken_back[entry] = fault
        has_written = self._put_back(case, places[ObjectRoot.OBJECTS]) or has_written
        found = self._schema_faults(case) if self.rules.strict_schema else {}
        found.update(self._surplus(case, found.keys(), places))
        for entry, fault in found.items():
            has_written = mend(places[entry.root], entry.key, case.trees[entry]) or has_written
            case.taken_back[entry] = fault
        return has_written

    def _put_back(self, case: Case, place: Map[Any]) -> bool:
        """RUL-9: what somebody else has in their hand; whether anything was moved."""
        trees = {entry: case.trees[entry] for entry in case.held}
        moved = dict(self.held.put_back(trees, place))
        for entry, is_as_before in moved.items():
            (case.taken_back if is_as_before else case.put_back)[entry] = case.held[entry]
        return bool(moved)

    def _schema_faults(self, case: Case) -> dict[Entry, Fault]:
        faults: dict[Entry, Fault] = {}
        for entry in case.suspects - case.forbidden.keys():
            allowance = Allowance(KEPT_BYTES)
            problem = self._problem(entry, allowance)
            if problem is None:
                continue
            before = case.trees[entry]
            if before is not None and self._fault_in(entry, before) is not None:
                continue  # it was wrong before: it may be mended step by step
            case.kept += KEPT_BYTES - max(0, allowance.left)
            faults[entry] = Fault(Rule.SCHEMA, f"{entry.key[:128]}: {problem}")
        return faults

    def _problem(self, entry: Entry, allowance: Allowance) -> str | None:
        if not self._reader.has(*entry):
            return None
        place = self._reader.place(entry.root)
        if not isinstance(place[entry.key], Map | dict):
            return self._fault_in(entry, None)  # whatever else it holds
        try:
            tree = tree_at(place, entry.key, allowance)
        except NotKept as error:
            return str(error)
        return self._fault_in(entry, tree)

    def _fault_in(self, entry: Entry, tree: Tree) -> str | None:
        return schema_fault(self._document.kinds[entry.root], entry.key, json_of(tree))

    def _surplus(
        self, case: Case, found: AbstractSet[Entry], places: Mapping[str, Map[Any]]
    ) -> dict[Entry, Fault]:
        """New objects beyond the limit."""
        faults: dict[Entry, Fault] = {}
        if self._bound <= self._max_objects:
            return faults
        self._bound = 0
        for root in self._document.kinds:
            count = len(places[root])
            new = sorted(
                entry
                for entry in case.suspects - found
                if entry.root == root and case.trees[entry] is None
            )
            there = [entry for entry in new if self._reader.has(*entry)]
            surplus = there[: max(0, count - self._max_objects)]
            faults.update(dict.fromkeys(surplus, Fault(Rule.TOO_MANY, self._too_many)))
            self._bound = max(self._bound, count - len(surplus))
        return faults

    # Locks

    def look_around(self) -> None:
        """The server has edited the document, and was noted."""
        self._projector.catch_up()
        self.look_again(self._projector.touched_since())
        self._bound = self._max_objects + 1  # so that they are counted next time

    def look_again(self, entries: Iterable[Entry]) -> None:
        """These objects may have been locked, unlocked or deleted."""
        locked = self.locked
        for root, key in entries:
            if root == ObjectRoot.OBJECTS:
                self.held.look_again(key)
                if self._reader.is_locked(root, key):
                    locked.add(key)
                else:
                    locked.discard(key)
