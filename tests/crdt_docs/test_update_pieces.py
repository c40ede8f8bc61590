"""ROM-16: a long update in pieces comes to the same as the whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from crdt_docs import update_cursors
from crdt_docs.update_guard import walk_update
from crdt_docs.update_pieces import LOOKED_AT_ONCE, PIECE_BYTES, Pieces
from crdt_docs.update_surgery import connecting_part
from tests.helpers.corpus import Recording, recordings
from tests.helpers.editors import session
from tests.helpers.outlined_document import OutlinedDocument
from tests.helpers.proving import few_or_many
from tests.helpers.raw_updates import (
    NULL,
    collected,
    item,
    section,
    shared_type,
    skip,
    text,
    update,
    values,
)


def cut(data: bytes, clocks: Mapping[int, int], structs: int) -> Iterator[bytes]:
    """All pieces of an update."""
    pieces = Pieces(data, walk_update(data).deletes, clocks)
    while not pieces.is_done:
        piece = pieces.take(structs)
        if piece is not None:
            yield piece


@pytest.mark.parametrize("size", [1, 3, 50])
@pytest.mark.parametrize("seed", range(few_or_many(6, 100)))
def test_pieces_one_after_another_come_to_the_same(seed: int, size: int) -> None:
    updates, whole = session(seed)
    reference = OutlinedDocument(whole)
    for before in ([], updates[: len(updates) // 2]):
        document = OutlinedDocument(*before)
        for piece in cut(whole, document.outline.clocks, size):
            facts = document.take(piece)
            assert facts.struct_count <= size
        assert document.contents() == reference.contents()


@pytest.mark.parametrize("recording", recordings()[::2], ids=lambda recording: recording.name)
def test_stock_yjs_updates_in_pieces_come_to_the_same(recording: Recording) -> None:
    reference, document = OutlinedDocument(), OutlinedDocument()
    for data in recording.updates:
        part = connecting_part(data, document.outline.clocks)
        if part is None:
            continue
        reference.take(part)
        for piece in cut(part, document.outline.clocks, 4):
            document.take(piece)
    assert document.contents() == reference.contents()


@pytest.mark.parametrize("seed", range(few_or_many(6, 100)))
def test_of_what_does_not_connect_the_pieces_are_the_connecting_part(seed: int) -> None:
    updates, _ = session(seed)
    late = [data for index, data in enumerate(updates) if index % 5]
    for data in late:
        document, reference = OutlinedDocument(), OutlinedDocument()
        part = connecting_part(data, {})
        if part is not None:
            reference.take(part)
        for piece in cut(data, document.outline.clocks, 2):
            document.take(piece)
        assert document.contents() == reference.contents()


def test_deletions_go_with_the_structs_they_delete() -> None:
    data = update(
        section(8, 0, item(shared_type(1), parent="m", key="k"), collected(1)),
        section(
            7,
            0,
            item(values(NULL, NULL), parent=(8, 0), key="k"),
            item(values(NULL), origin=(7, 1)),
        ),
        deletes={7: [(0, 2)], 6: [(0, 1), (2, 1), (4, 1)]},
    )
    # Client 7 comes first, waits for the type of client 8, and goes on when that has come.
    assert list(cut(data, {6: 9}, 2)) == [
        update(section(8, 0, item(shared_type(1), parent="m", key="k"), collected(1))),
        update(
            section(
                7,
                0,
                item(values(NULL, NULL), parent=(8, 0), key="k"),
                item(values(NULL), origin=(7, 1)),
            ),
            deletes={7: [(0, 2)]},
        ),
        update(deletes={7: [(0, 2)]}),
        update(deletes={6: [(0, 1), (2, 1)]}),
        update(deletes={6: [(4, 1)]}),
    ]


def test_deletions_within_a_struct_come_last_and_a_few_at_a_time() -> None:
    data = update(
        section(7, 0, item(text("x" * 10), parent="t")), deletes={7: [(0, 1), (2, 1), (4, 9)]}
    )
    assert list(cut(data, {}, 2)) == [
        update(section(7, 0, item(text("x" * 10), parent="t"))),
        update(deletes={7: [(0, 1), (2, 1)]}),
        update(deletes={7: [(4, 6)]}),
    ]


def test_a_piece_is_not_larger_than_it_must_be() -> None:
    texts = [item(text("x" * 10_000), parent="t")]
    texts += [item(text("y" * 10_000), origin=(7, n * 10_000 - 1)) for n in range(1, 30)]
    pieces = list(cut(update(section(7, 0, *texts)), {}, 256))
    assert len(pieces) > 3
    assert max(map(len, pieces)) < PIECE_BYTES + 11_000


def test_a_long_search_for_a_piece_is_interrupted() -> None:
    known = [item(values(NULL), origin=(7, n)) for n in range(10 * LOOKED_AT_ONCE)]
    data = update(section(7, 1, *known, collected(1)), section(6, 0, skip(1), collected(1)))
    pieces = Pieces(data, {}, {7: 1 + len(known)})
    takes = 1
    while (piece := pieces.take(9)) is None:
        takes += 1
    assert piece == update(section(7, 1 + len(known), collected(1)))
    assert 20 <= takes <= 25
    assert pieces.take(9) is None
    assert pieces.is_done


def test_who_waits_is_looked_at_when_what_it_waits_for_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Many who wait for the last struct of one who waits for others with each of its own: to look
    at all of them with each would take the product of their numbers."""
    waiting = chain = 300
    first_of = [section(1_000_000 + n, 0, item(values(NULL), parent=f"r{n}")) for n in range(chain)]
    late = [section(1_000 + n, 0, item(values(NULL), origin=(1, chain))) for n in range(waiting)]
    between = section(
        1,
        0,
        item(values(NULL), parent="r"),
        *(item(values(NULL), origin=(1_000_000 + n, 0)) for n in range(chain)),
    )
    data = update(*reversed(first_of), *reversed(late), between)
    looks = 0
    look = update_cursors._first_unknown

    def counting(*arguments: Any) -> tuple[int, int] | None:
        nonlocal looks
        looks += 1
        return look(*arguments)

    monkeypatch.setattr(update_cursors, "_first_unknown", counting)
    pieces = list(cut(data, {}, 1_000))
    assert sum(walk_update(piece).struct_count for piece in pieces) >= 2 * chain
    assert looks < 10 * (waiting + 2 * chain)
