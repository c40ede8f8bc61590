"""Where within one transaction changed objects were read, as far as their history tells (LOG-11).

Changes of a transaction are read together, unless storage was slow, or something was restored. How
often is not stored. But where a version begins, what was changed until then had been read; before
a restore, too. And if a version says of what was before it something else than was there before the
transaction, then objects were read when that was so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from crdt_docs.document import Document
from crdt_docs.gestures import ChangeKind
from crdt_docs.object_fields import project
from crdt_docs.object_kinds import ObjectKind
from persistence.inspection_ports import LoggedUpdate
from persistence.object_rows import stated
from persistence.object_tables import TABLES
from server.kept_history import KeptVersion, Key, digest

_BLANK = {kind: digest(stated(TABLES[kind].blank)) for kind in ObjectKind}
"""Of what was refused, or is heavy: that says nothing of what it was (HST-7, PRJ-7)."""


AsRead: TypeAlias = Callable[[Key], bytes | None]
"""What `digest` has for an object as it was when it was read last."""

_Versions: TypeAlias = list[tuple[Key, KeptVersion]]


class ReadingEnds:
    """Looks at the document while its entries are told."""

    def __init__(self, document: Document, versions: Mapping[Key, Sequence[KeptVersion]]) -> None:
        """
        Args:
            document: to which the entries are applied.
            versions: all that its history has, by object.
        """
        self._reader = document.objects()
        self._restored_at: set[int] = set()
        self._begin_at: dict[int, _Versions] = {}
        for key, each in versions.items():
            for version in each:
                row = version.row
                self._begin_at.setdefault(row.update_seq, []).append((key, version))
                if row.change_type is ChangeKind.RESTORE:
                    self._restored_at.add(row.update_seq)
        self._coming = sorted(self._begin_at, reverse=True)
        self._differing: _Versions | None = None

    def is_between(self, noted: LoggedUpdate, entry: LoggedUpdate, as_read: AsRead) -> bool:
        """Whether objects were read between two entries, the first of which was applied last."""
        is_between = (
            noted.committed_at != entry.committed_at
            or noted.seq in self._begin_at
            or entry.seq in self._restored_at
            or self._is_as_expected(noted, as_read)
        )
        if is_between:
            self._differing = None
        return is_between

    def _is_as_expected(self, noted: LoggedUpdate, as_read: AsRead) -> bool:
        """Whether something is what it was before its next version, and had not been read so."""
        if self._differing is None:
            self._differing = self._find_differing(noted, as_read)
        return bool(self._differing) and self._is_so(*self._differing[0])

    def _find_differing(self, noted: LoggedUpdate, as_read: AsRead) -> _Versions:
        """Of the versions of this transaction that begin next, those before which something had
        changed that was not read yet."""
        while self._coming and self._coming[-1] <= noted.seq:
            self._coming.pop()
        if not self._coming:
            return []
        return [
            (key, version)
            for key, version in self._begin_at[self._coming[-1]]
            if version.row.changed_at == noted.committed_at
            and version.before not in (as_read(key), _BLANK[key[0]])
        ]

    def _is_so(self, key: Key, version: KeptVersion) -> bool:
        kind, identifier = key
        reading = self._reader.read_for_row(kind.root, identifier)
        if reading.value is None:
            return version.before is None
        state = project(kind, reading.value, is_storable=reading.is_storable)
        return version.before == digest(stated(state))
