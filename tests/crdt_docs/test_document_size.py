"""How large a document is: a sum that is measured only where it would refuse something (ROM-14)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pycrdt import Map

from crdt_docs.document import Document
from crdt_docs.document_size import LOOKED_AGAIN_AFTER, DocumentSize

LIMIT = 64_000


class CountingDocument(Document):
    """Counts how often it is measured."""

    measured = 0

    def measure(self) -> int:
        self.measured += 1
        return super().measure()


class Measured:
    """Such a document and its size."""

    def __init__(self) -> None:
        self.document = CountingDocument()
        self.waiting = 0
        self.size = DocumentSize(self.document, LIMIT, lambda: self.waiting)

    def write(self, size: int, key: str = "k") -> None:
        """Have the server write so many bytes under one key."""
        text = "x" * size
        self.document.edit(lambda doc: doc.get("objects", type=Map).update({key: text}))


@pytest.fixture
def measured() -> Iterator[Measured]:
    measured = Measured()
    yield measured
    measured.document.close()


def test_nothing_is_measured_while_there_is_room(measured: Measured) -> None:
    measured.size.bytes += LIMIT - 100
    assert measured.size.has_room_for(100)
    assert measured.document.measured == 0


def test_rom_14_what_deletions_gave_back_is_found_where_it_matters(measured: Measured) -> None:
    for _ in range(3):  # of which the last one stays
        measured.write(LIMIT // 4)
        measured.size.bytes += LIMIT // 2
    assert measured.size.has_room_for(LIMIT // 2)
    assert measured.document.measured == 1
    assert LIMIT // 4 < measured.size.bytes < LIMIT // 2


def test_rom_14_a_full_document_is_not_measured_for_every_edit(measured: Measured) -> None:
    measured.write(LIMIT)
    measured.size.bytes += LIMIT
    assert not measured.size.has_room_for(100)
    for _ in range(50):
        assert not measured.size.has_room_for(100)
    assert measured.document.measured == 1
    for number in range(LOOKED_AGAIN_AFTER):
        measured.write(1, key=str(number))
    assert not measured.size.has_room_for(100)
    assert measured.document.measured == 2


def test_what_is_accepted_and_not_applied_yet_counts(measured: Measured) -> None:
    measured.waiting = LIMIT - 50
    measured.size.bytes += LIMIT
    assert not measured.size.has_room_for(100)
    assert measured.size.bytes >= LIMIT - 50
