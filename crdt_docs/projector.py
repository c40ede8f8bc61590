"""What became of a document's objects: changes for their tables, from what transactions emitted.

`note` what is stored, and `take` what it changed as often as storage wants to hear it: what is
written a hundred times in between is read once. The rules are PRJ and HST.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from uuid import UUID

from crdt_docs.document import Document, standing_still
from crdt_docs.gestures import Author, ChangeKind, Gestures, Step
from crdt_docs.identifiers import ActorKind
from crdt_docs.object_changes import ObjectChange
from crdt_docs.object_fields import project
from crdt_docs.object_reader import IS_NO_MAP, Reading
from crdt_docs.ownership import Entry
from crdt_docs.projection import is_projected_id
from crdt_docs.touched import touched
from crdt_docs.turn import Emitted

HEAVY_SECONDS = 0.1
"""Reading an object for so long, at every change of it, would keep everybody waiting (PRJ-7)."""

LARGE = 32 * 1024
"""Bytes of memory up to which reading an object is not worth being timed."""


class _Touches:
    """Who touched one object since changes were taken.

    Attributes:
        authors: in order of appearance, each with who uploaded it, if that was somebody else.
        deleter: whose the last update was that deleted something of it.
    """

    __slots__ = ("authors", "deleter", "is_restored")

    def __init__(self) -> None:
        self.authors: dict[Author, UUID | None] = {}
        self.deleter: Author | None = None
        self.is_restored = False


class Projector:
    """Tells what the updates of one document, loaded with its owners, do to its objects."""

    def __init__(
        self,
        document: Document,
        authors: dict[int, UUID | None],
        gestures: Gestures | None = None,
        clock: Callable[[], float] = standing_still,
    ) -> None:
        """
        Args:
            document: as it is, nothing having been noted yet; it is read whenever changes are
                taken.
            authors: who first introduced each client id; not copied.
            clock: tells the seconds that reading takes; without one, time stands still.

        Attributes:
            authors: as given.
            creators: of what was created since; others may be added to it.
            noted_at: when something was noted last, monotonic seconds.
        """
        if document.ownership is None:
            raise ValueError("the document does not know what belongs to which object")
        self._ownership = document.ownership
        self._own_client = document.own_client
        self.authors = authors
        self._gestures = Gestures() if gestures is None else gestures  # an empty one is false
        self._clock = clock
        self._reader = document.objects()
        self._kinds = document.kinds
        self._present = {root: set(self._reader.keys(root)) for root in self._kinds}
        self._noted: list[Emitted] = []
        self.noted_at = 0.0
        self._found: dict[Entry, _Touches] = {}
        self.creators: dict[Entry, UUID | None] = {}

    def present(self, root: str) -> AbstractSet[str]:
        """The ids that were in use when changes were taken last."""
        return self._present[root]

    def creator_of(self, entry: Entry) -> UUID | None:
        """Who created what stands in a place, or stood there last; None: nobody knows.

        As far as `creators` say, and what was noted and caught up with.
        """
        touches = self._found.get(entry)
        if touches is not None and entry.key not in self._present[entry.root]:
            return next(iter(touches.authors)).user_id
        return self.creators.get(entry)

    def note(self, emitted: Emitted, at: float) -> None:
        """Keep what a transaction emitted; it is read when changes are taken.

        Args:
            at: now, monotonic seconds.
        """
        self._noted.append(emitted)
        self.noted_at = at

    def take(self) -> tuple[ObjectChange, ...]:
        """What has changed by all that was noted since this was called last.

        The document must hold just that. A change belongs into the transaction that stores the
        last of it.
        """
        self.catch_up()
        found, self._found = self._found, {}
        with self._reader.together():
            changes = [self._change(*each, self.noted_at) for each in found.items()]
        return tuple([change for change in changes if change is not None])

    def catch_up(self) -> None:
        """Read what was noted: from then on the owners of all structs are known."""
        noted, self._noted = self._noted, []
        for emitted in noted:
            self._read(emitted, self._found)

    def touched_since(self) -> AbstractSet[Entry]:
        """The objects touched by what was caught up with since changes were taken."""
        return self._found.keys()

    def _read(self, emitted: Emitted, found: dict[Entry, _Touches]) -> None:
        uploader = Author(emitted.author.user_id, emitted.author.kind)
        for entry, client, deletes in touched(self._ownership, emitted.update):
            if entry in emitted.taken_back:
                continue  # it is what it was
            touches = found.get(entry)
            if touches is None:
                if not is_projected_id(entry.key):
                    continue
                touches = found[entry] = _Touches()
            author, relayed_by = self._author(client, uploader)
            touches.authors.setdefault(author, relayed_by)
            touches.is_restored = touches.is_restored or emitted.is_restore
            if deletes:  # what is deleted does not say by whom: of these, who brought it
                touches.deleter = uploader if uploader in touches.authors else author

    def _author(self, client: int | None, uploader: Author) -> tuple[Author, UUID | None]:
        """Whose a change is, and who uploaded it, if that was somebody else (HST-4)."""
        if client is None or client == self._own_client:
            return uploader, None
        author = self.authors.get(client)
        if author is None or author == uploader.user_id:
            return uploader, None
        return Author(author, ActorKind.USER), uploader.user_id

    def _change(self, entry: Entry, touches: _Touches, at: float) -> ObjectChange | None:
        kind, key = self._kinds[entry.root], entry.key
        reading = self._reading(entry)
        present = self._present[entry.root]
        was_there = key in present
        if reading.value is None:
            if not was_there:
                return None
            present.discard(key)
            change = ChangeKind.DELETE
        else:
            present.add(key)
            change = ChangeKind.UPDATE if was_there else ChangeKind.CREATE
        if touches.is_restored:
            change = ChangeKind.RESTORE
        state = None
        if reading.value is not None:
            state = project(kind, reading.value, is_storable=reading.is_storable)
        author, step = self._step((kind, key), change, touches, at, is_gone=state is None)
        if change is ChangeKind.CREATE:
            self.creators[entry] = step.changed_by.user_id
        return ObjectChange(kind, key, state, author, step, reading.size)

    def _reading(self, entry: Entry) -> Reading:
        """An object; a heavy one without its content."""
        root, key = entry
        heavy = self._ownership.heavy
        if entry in heavy:
            if self._reader.has(root, key):
                return IS_NO_MAP
            heavy.discard(entry)
        begun = self._clock()
        reading = self._reader.read_for_row(root, key)
        if reading.size > LARGE and self._clock() - begun > HEAVY_SECONDS:
            heavy.add(entry)
        return reading

    def _step(
        self,
        key: tuple[str, str],
        kind: ChangeKind,
        touches: _Touches,
        at: float,
        *,
        is_gone: bool,
    ) -> tuple[Author, Step]:
        """Put the change into its gesture; who touched it comes in order of appearance, but whose
        deletion it is, first."""
        authors = dict(touches.authors)
        if is_gone and touches.deleter is not None:
            authors = {touches.deleter: authors.pop(touches.deleter), **authors}
        (first, relayed_by), *others = authors.items()
        step = self._gestures.note(key, kind, first, at, relayed_by=relayed_by)
        if not others:
            return first, step
        if is_gone:  # HST-3: the gesture is over
            joined = [author.user_id for author, _ in others if author.user_id is not None]
            contributors = tuple(dict.fromkeys((*step.contributors, *joined)))
            return first, step._replace(contributors=contributors)
        starts = step.starts
        for author, by in others:
            step = self._gestures.note(key, ChangeKind.UPDATE, author, at, relayed_by=by)
            first = author
        return first, step._replace(starts=starts)
