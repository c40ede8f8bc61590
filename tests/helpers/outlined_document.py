"""A document with its outline, which take only what connects."""

from __future__ import annotations

from typing import Any

from pycrdt import Doc

from crdt_docs.clocks import ClockRanges
from crdt_docs.outline import DocumentLimits, Outline
from crdt_docs.state_vector import walk_state_vector
from crdt_docs.update_facts import UpdateFacts
from crdt_docs.update_guard import walk_update
from crdt_docs.update_surgery import read_delete_set
from tests.helpers.contents import contents


class OutlinedDocument:
    """Takes these updates at first."""

    def __init__(self, *updates: bytes) -> None:
        self.doc: Doc[Any] = Doc(client_id=2)
        self.outline = Outline()
        for data in updates:
            self.take(data)

    def take(self, data: bytes) -> UpdateFacts:
        """Apply what must connect."""
        facts = walk_update(data)
        assert self.outline.connects(facts)
        self.outline.admit(facts, DocumentLimits())
        self.doc.apply_update(data)
        assert walk_state_vector(self.doc.get_state()) == self.outline.clocks
        return facts

    def contents(self) -> tuple[str, ...]:
        """Everything that can be seen of the document, and what is deleted."""
        return contents(self.doc), str(sorted(self.deletes().items()))

    def deletes(self) -> ClockRanges:
        """What is deleted in the document."""
        return read_delete_set(self.doc.get_update(self.doc.get_state()))
