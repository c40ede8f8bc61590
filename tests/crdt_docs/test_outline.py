"""GRD-16 to GRD-22: what an outline knows of a document, and what it lets in."""

from __future__ import annotations

import random
import zlib
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc

from crdt_docs.errors import LimitExceeded, Malformed
from crdt_docs.outline import DocumentLimits, Outline
from crdt_docs.outline_draft import DEPTH_SHIFT, LEVEL_BITS
from crdt_docs.state_vector import walk_state_vector
from crdt_docs.update_guard import walk_update
from crdt_docs.update_structs import read_sections
from crdt_docs.update_surgery import connecting_part
from crdt_docs.varint import read_var_bytes, read_var_uint, var_uint
from tests.helpers.corpus import Recording, recordings
from tests.helpers.editors import session
from tests.helpers.proving import few_or_many
from tests.helpers.raw_updates import (
    NULL,
    Id,
    binary,
    collected,
    deleted,
    embed,
    formatting,
    item,
    section,
    shared_type,
    skip,
    subdocument,
    text,
    update,
    values,
)

LIMITS = DocumentLimits()
SMILE = "\U0001f600"


def _outline(*updates: bytes) -> Outline:
    outline = Outline()
    for data in updates:
        _admit(outline, data)
    return outline


def _admit(outline: Outline, data: bytes, limits: DocumentLimits = LIMITS) -> None:
    facts = walk_update(data)
    assert outline.connects(facts)
    assert outline.missing(facts) == {}
    outline.admit(facts, limits)


def _state(outline: Outline) -> bytes:
    """All that an outline knows."""
    return outline.to_bytes()


# Whether an update connects


def test_an_update_connects_when_it_leaves_no_gap() -> None:
    outline = _outline(update(section(7, 0, item(text("abc"), parent="t"))))

    def missing(*sections: bytes, deletes: dict[int, list[Id]] | None = None) -> dict[int, int]:
        facts = walk_update(update(*sections, deletes=deletes))
        assert outline.connects(facts) == (outline.missing(facts) == {})
        return outline.missing(facts)

    follows = item(text("d"), origin=(7, 2))
    assert missing(section(7, 3, follows)) == {}
    assert missing(section(7, 1, item(text("bc"), origin=(7, 0)))) == {}
    assert missing(section(7, 1, item(text("bcd"), origin=(7, 0)))) == {}
    assert missing(section(7, 4, item(text("e"), origin=(7, 3)))) == {7: 4}
    assert missing(section(8, 0, item(text("x"), origin=(7, 2)))) == {}
    assert missing(section(8, 0, item(text("x"), origin=(7, 3)))) == {7: 4}
    assert missing(section(8, 0, item(text("x"), right=(6, 0)))) == {6: 1}
    assert missing(section(8, 0, item(text("x"), parent=(6, 4)))) == {6: 5}
    assert missing(section(8, 1, item(text("x"), parent="t"))) == {8: 1}
    assert missing(section(8, 0, item(text("x"), origin=(7, 3))), section(7, 3, follows)) == {}
    assert missing(section(7, 0, item(text("abc"), parent="t"), skip(2), follows)) == {7: 5}
    assert missing(section(7, 0, skip(3), follows)) == {}
    assert missing(deletes={7: [(0, 3)]}) == {}
    assert missing(deletes={7: [(0, 4)]}) == {7: 4}
    assert missing(section(7, 3, follows), deletes={7: [(0, 4)]}) == {}
    assert missing(section(7, 3, follows), deletes={6: [(0, 1)]}) == {6: 1}
    assert missing(section(7, 3, follows), section(8, 0, collected(1)), deletes={6: [(0, 1)]}) == {
        6: 1
    }


def test_duplicates_change_nothing() -> None:
    first = update(section(7, 0, item(text("abc"), parent="t")))
    outline = _outline(first, update(section(7, 3, item(text("d"), origin=(7, 2)))))
    before = _state(outline)
    _admit(outline, first)
    _admit(outline, update(section(7, 3, item(text("d"), origin=(7, 2)))))
    _admit(outline, update(deletes={7: [(0, 1)]}))
    assert _state(outline) == before


def test_an_overlapping_update_brings_what_is_new_of_it() -> None:
    outline = _outline(update(section(7, 0, item(shared_type(1), parent="m", key="k"))))
    _admit(outline, update(section(7, 0, *[item(shared_type(1), parent="m", key=k) for k in "kl"])))
    assert outline.clocks == {7: 2}
    assert outline.client_count == 1


def test_the_state_vector_is_what_yrs_would_say() -> None:
    updates, whole = session(5)
    outline = _outline(*updates)
    doc: Doc[Any] = Doc()
    doc.apply_update(whole)
    assert walk_state_vector(outline.state_vector()) == walk_state_vector(doc.get_state())
    assert Outline().state_vector() == b"\x00"


# How deep it nests


class _Depths:
    """How deep every struct of some updates sits, worked out again from all that was ever sent."""

    def __init__(self, updates: list[bytes]) -> None:
        self._places: dict[Id, tuple[bool, bool, list[Id]]] = {}
        for data in updates:
            self._read(data)

    def _read(self, data: bytes) -> None:
        sections, _ = read_sections(data)
        for client, start, structs in sections:
            position = start
            for struct in structs:
                if not struct.is_skip:
                    place = self._place(data, position)
                    for clock in range(struct.clock, struct.end):
                        inherits = (False, False, [(client, clock - 1)])
                        self._places.setdefault(
                            (client, clock), place if clock == struct.clock else inherits
                        )
                position = struct.stop

    def _place(self, data: bytes, position: int) -> tuple[bool, bool, list[Id]]:
        """Whether a root holds it, whether what follows is its parent, what it names."""
        info = data[position]
        position += 1
        if info == 0:
            return False, False, []
        named = []
        for _ in range((info >> 7) + (info >> 6 & 1)):
            client, position = read_var_uint(data, position)
            clock, position = read_var_uint(data, position)
            named.append((client, clock))
        if named:
            return False, False, named
        if data[position] == 1:
            read_var_bytes(data, position + 1)
            return True, False, []
        client, position = read_var_uint(data, position + 1)
        clock, position = read_var_uint(data, position)
        return False, True, [(client, clock)]

    @cache  # noqa: B019 - lives as long as one test
    def of(self, client: int, clock: int) -> int:
        """0 for a collected struct and what stands beside or under it."""
        is_root, is_child, named = self._places[client, clock]
        if is_root:
            return 1
        depths = [depth for each in named if (depth := self.of(*each))]
        return depths[0] + is_child if depths else 0

    def check(self, outline: Outline) -> None:
        """Compare with an outline, clock by clock."""
        for client, clock in sorted(self._places):
            assert outline.depth_of(client, clock) == self.of(client, clock), (client, clock)


@pytest.mark.parametrize("seed", range(few_or_many(12, 300)))
def test_grd_16_depths_are_those_of_a_recalculation(seed: int) -> None:
    updates, whole = session(seed, steps=60)
    outline = _outline(*updates)
    _Depths(updates).check(outline)
    again = Outline.of_update(whole)
    assert again.clocks == outline.clocks


@pytest.mark.parametrize("recording", recordings(), ids=lambda recording: recording.name)
def test_stock_yjs_updates_are_admitted_and_their_clocks_agree(recording: Recording) -> None:
    outline = Outline()
    doc: Doc[Any] = Doc()
    admitted = []
    for data in recording.updates:
        part = connecting_part(data, outline.clocks)
        if part is None:
            continue
        _admit(outline, part)
        doc.apply_update(part)
        admitted.append(part)
        assert walk_state_vector(doc.get_state()) == outline.clocks
    assert outline.clocks == walk_state_vector(recording.state)
    _Depths(admitted).check(outline)


def _nested(client: int, levels: int, start: int = 0) -> list[bytes]:
    """Maps within maps, one struct each; the first in a root."""
    return [
        item(shared_type(1), parent=(client, n - 1) if n else "objects", key="k")
        for n in range(start, start + levels)
    ]


def test_grd_16_types_may_be_nested_to_the_limit_and_no_deeper() -> None:
    limits = DocumentLimits(max_depth=5)
    outline = Outline()
    _admit(outline, update(section(7, 0, *_nested(7, 5))), limits)
    assert [outline.depth_of(7, clock) for clock in range(5)] == [1, 2, 3, 4, 5]
    before = _state(outline)
    for deeper in (
        item(values(NULL), parent=(7, 4), key="k"),
        item(values(NULL), parent=(7, 4)),
        item(shared_type(2), parent=(7, 4), key="t"),
    ):
        with pytest.raises(LimitExceeded, match="deeper than 5"):
            _admit(outline, update(section(8, 0, deeper)), limits)
        assert _state(outline) == before
    _admit(outline, update(section(8, 0, item(values(NULL), parent=(7, 3), key="k"))), limits)


def test_grd_16_a_thousand_levels_in_one_update_are_refused() -> None:
    with pytest.raises(LimitExceeded, match="deeper than 100"):
        _admit(Outline(), update(section(7, 0, *_nested(7, 1000))))


def test_grd_16_deep_nesting_by_many_tiny_updates_is_refused() -> None:
    outline = Outline()
    for level in range(100):
        _admit(outline, update(section(7, level, *_nested(7, 1, level))))
    with pytest.raises(LimitExceeded):
        _admit(outline, update(section(7, 100, *_nested(7, 1, 100))))


def test_grd_16_depth_is_inherited_from_neighbours() -> None:
    page = item(shared_type(2), parent=(7, 1), key="text")
    outline = _outline(update(section(7, 0, *_nested(7, 2), page, item(text("ab"), parent=(7, 2)))))
    sideways = section(
        8,
        0,
        item(text("x"), origin=(7, 3)),
        item(shared_type(1), right=(7, 3)),
        item(shared_type(1), origin=(7, 3), right=(7, 4)),
        item(values(NULL), parent=(8, 2), key="k"),
    )
    _admit(outline, update(sideways))
    assert [outline.depth_of(8, clock) for clock in range(4)] == [4, 4, 4, 5]


def test_grd_16_depth_is_found_across_clients_in_any_order() -> None:
    # Each client's map lies in that of the client before it; they come last client first.
    chain = [
        section(n, 0, item(shared_type(1), parent=(n - 1, 0) if n > 1 else "objects", key="k"))
        for n in range(1, 60)
    ]
    for order in (chain, chain[::-1], random.Random(1).sample(chain, len(chain))):
        outline = _outline(update(*order))
        assert [outline.depth_of(n, 0) for n in range(1, 60)] == list(range(1, 60))


# How many client ids


def test_grd_17_client_ids_are_bounded() -> None:
    limits = DocumentLimits(max_clients=3)
    outline = Outline()
    sections = [section(n, 0, collected(1)) for n in range(5)]
    _admit(outline, update(*sections[:2]), limits)
    before = _state(outline)
    with pytest.raises(LimitExceeded, match="3 client ids"):
        _admit(outline, update(*sections), limits)
    assert _state(outline) == before
    _admit(outline, update(*sections[:3]), limits)
    _admit(outline, update(section(2, 1, collected(1))), limits)
    with pytest.raises(LimitExceeded):
        _admit(outline, update(sections[3]), limits)
    assert outline.client_count == 3


def test_grd_30_client_ids_that_crowd_are_refused_and_stored_ones_are_not() -> None:
    crowd = [section(number << 30, 0, collected(1)) for number in range(1, 401)]
    outline = Outline.of_update(update(*crowd))
    for stored in (outline, Outline.from_bytes(outline.to_bytes())):
        before = _state(stored)
        with pytest.raises(LimitExceeded, match="lowest bits"):
            _admit(stored, update(section(401 << 30, 0, collected(1))))
        assert _state(stored) == before
        _admit(stored, update(section(400 << 30, 1, collected(1))))
        _admit(stored, update(section(4711, 0, collected(1))))
    with pytest.raises(LimitExceeded, match="lowest bits"):
        _admit(Outline(), update(*crowd))


# What may stand where

DOCUMENT = update(
    section(
        7,
        0,
        item(shared_type(1), parent="objects", key="map"),  # 0
        item(shared_type(2), parent=(7, 0), key="text"),  # 1
        item(text("abc"), parent=(7, 1)),  # 2, 3, 4
        item(shared_type(0), parent=(7, 0), key="array"),  # 5
        item(values(NULL, NULL), parent=(7, 5)),  # 6, 7
        item(values(NULL), parent=(7, 0), key="value"),  # 8
        item(deleted(2), parent=(7, 0), key="gone"),  # 9, 10
        collected(2),  # 11, 12
        item(text("root"), parent="text"),  # 13 to 16
        item(deleted(1), origin=(7, 16)),  # 17
        item(shared_type(4), parent=(7, 0), key="page"),  # 18
        item(shared_type(3, "p"), parent=(7, 18)),  # 19
    )
)


@pytest.mark.parametrize(
    ("struct", "reason"),
    [
        (item(text("x"), parent=(7, 2)), "not a shared type"),
        (item(values(NULL), parent=(7, 8), key="k"), "not a shared type"),
        (item(text("x"), origin=(7, 2), right=(7, 13)), "different parents"),
        (item(values(NULL), origin=(7, 6), right=(7, 4)), "different parents"),
        (item(text("x"), origin=(7, 13), right=(7, 2)), "different parents"),
        (item(values(NULL), right=(7, 8)), "right origin"),
        (item(values(NULL), origin=(7, 13), right=(7, 8)), "right origin"),
        (item(formatting("b", "1"), origin=(7, 8)), "under a map key"),
        (item(embed("1"), origin=(7, 8)), "under a map key"),
        (item(text("x"), origin=(7, 8)), "under a map key"),
        (item(text("x"), origin=(7, 10)), "under a map key"),
        (item(text("x"), parent=(7, 5)), "in an array"),
        (item(text("x"), origin=(7, 7)), "in an array"),
        (item(text("x"), right=(7, 6)), "in an array"),
        (item(text("x"), parent=(7, 18)), "in an XML fragment"),
        (item(values(NULL), parent=(7, 19)), "in an XML fragment"),
        (item(values(NULL, NULL), right=(7, 19)), "in an XML fragment"),
        (item(embed("1"), origin=(7, 19)), "in an XML fragment"),
        (item(binary(b"x"), origin=(7, 19)), "in an XML fragment"),
        (item(subdocument("guid"), parent=(7, 18)), "in an XML fragment"),
        (item(values(NULL, NULL), origin=(7, 8)), "several values"),
        (item(values(NULL, NULL), parent=(7, 0), key="k"), "several values"),
        (item(values(NULL, NULL), parent="objects", key="k"), "several values"),
    ],
)
def test_structs_that_do_not_belong_where_they_are_are_malformed(
    struct: bytes, reason: str
) -> None:
    """GRD-12, GRD-18, GRD-19, GRD-21, GRD-22, GRD-25."""
    outline = _outline(DOCUMENT)
    before = _state(outline)
    with pytest.raises(Malformed, match=reason):
        _admit(outline, update(section(8, 0, struct)))
    # Also after something that is in order.
    with pytest.raises(Malformed, match=reason):
        _admit(outline, update(section(8, 0, item(text("x"), parent="text"), struct)))
    assert _state(outline) == before


@pytest.mark.parametrize(
    "struct",
    [
        item(text("x"), origin=(7, 4)),
        item(formatting("b", "1"), right=(7, 2)),
        item(embed("1"), parent=(7, 1)),
        item(text("x"), origin=(7, 2), right=(7, 3)),
        item(values(NULL, NULL), origin=(7, 6), right=(7, 7)),
        item(values(NULL, NULL), parent=(7, 5)),
        item(embed("1"), parent=(7, 5)),
        item(values(NULL), origin=(7, 8)),
        item(values(NULL), origin=(7, 10)),
        item(values(NULL), parent=(7, 9), key="k"),
        item(shared_type(6), parent=(7, 19)),
        item(shared_type(3, "br"), origin=(7, 19)),
        item(deleted(2), right=(7, 19)),
        item(values(NULL), parent=(7, 19), key="class"),
        item(text("x"), parent=(7, 11)),
        item(text("x"), origin=(7, 12)),
        item(text("x"), origin=(7, 12), right=(7, 11)),
        item(text("x"), right=(7, 11)),
    ],
)
def test_structs_that_belong_where_they_are_are_admitted(struct: bytes) -> None:
    _admit(_outline(DOCUMENT), update(section(8, 0, struct)))


def test_what_continues_a_client_is_judged_by_what_it_continues() -> None:
    def after(first: bytes, content: bytes) -> None:
        outline = _outline(DOCUMENT, update(section(8, 0, first)))
        _admit(outline, update(section(8, 1, item(content, origin=(8, 0)))))

    in_array = item(values(NULL), origin=(7, 7))
    under_key = item(values(NULL), origin=(7, 8))
    in_text = item(text("x"), origin=(7, 4))
    after(in_text, text("y"))
    after(in_text, values(NULL, NULL))
    after(in_array, values(NULL, NULL))
    after(under_key, values(NULL))
    with pytest.raises(Malformed, match="in an array"):
        after(in_array, text("y"))
    with pytest.raises(Malformed, match="under a map key"):
        after(under_key, text("y"))
    with pytest.raises(Malformed, match="several values"):
        after(under_key, values(NULL, NULL))
    with pytest.raises(Malformed, match="in an XML fragment"):
        after(item(shared_type(3, "p"), origin=(7, 19)), values(NULL))


def test_a_long_section_is_judged_struct_by_struct() -> None:
    # Nothing here is placed by itself but the first: the offender continues the one before it.
    structs = [item(values(NULL), origin=(7, 7))]
    structs += [item(values(NULL), origin=(8, n)) for n in range(5)]
    with pytest.raises(Malformed, match="in an array"):
        _admit(_outline(DOCUMENT), update(section(8, 0, *structs, item(text("x"), origin=(8, 5)))))
    outline = _outline(DOCUMENT)
    _admit(outline, update(section(8, 0, *structs)))
    with pytest.raises(Malformed, match="in an array"):
        _admit(
            outline,
            update(
                section(8, 6, item(values(NULL), origin=(8, 5)), item(text("x"), origin=(8, 6)))
            ),
        )


def test_grd_22_several_values_under_a_key_are_admitted_when_deleted_with_it() -> None:
    # A client that keeps what was replaced (gc: false) joins two deleted values into one struct.
    joined = section(8, 0, item(values(NULL, NULL), parent=(7, 0), key="k"))
    follows = section(8, 0, collected(1), item(values(NULL, NULL), parent=(7, 0), key="k"))
    for data in (
        update(joined, deletes={8: [(0, 2)]}),
        update(follows, deletes={8: [(0, 3)]}),
    ):
        _admit(_outline(DOCUMENT), data)
    for data in (
        update(joined, deletes={8: [(0, 1)]}),
        update(joined, deletes={8: [(1, 1)]}),
        update(joined, deletes={7: [(0, 2)]}),
    ):
        with pytest.raises(Malformed, match="several values"):
            _admit(_outline(DOCUMENT), data)


def test_collected_structs_have_no_place_nor_what_is_beside_them() -> None:
    outline = _outline(DOCUMENT)
    _admit(
        outline,
        update(
            section(
                8,
                0,
                item(shared_type(1), origin=(7, 12)),
                item(values(NULL), parent=(8, 0), key="k"),
                item(values(NULL), origin=(8, 1)),
            )
        ),
    )
    assert [outline.depth_of(8, clock) for clock in range(3)] == [0, 0, 0]
    before = _state(outline)
    for clock in (3, 4):
        _admit(outline, update(section(8, clock, item(text("x"), origin=(8, clock - 1)))))
        assert outline.depth_of(8, clock) == 0
    assert len(_state(outline)) <= len(before) + 8


@pytest.mark.parametrize(
    "struct",
    [
        item(text("x"), origin=(7, 12), right=(7, 2)),
        item(text("x"), origin=(7, 4), right=(7, 11)),
        item(values(NULL), origin=(7, 12), right=(7, 6)),
        item(text("x"), origin=(7, 11), right=(7, 17)),
    ],
)
def test_grd_24_nothing_stands_between_a_collected_struct_and_one_that_is_there(
    struct: bytes,
) -> None:
    # Yjs collects it, yrs shows it: browsers and database would differ.
    outline = _outline(DOCUMENT)
    before = _state(outline)
    with pytest.raises(LimitExceeded, match="reload"):
        _admit(outline, update(section(8, 0, struct)))
    assert _state(outline) == before


# Characters that are two units long


@pytest.mark.parametrize("apart", [True, False], ids=["later", "in the same update"])
@pytest.mark.parametrize(
    ("struct", "deletes", "is_whole"),
    [
        (item(text("x"), origin=(7, 0)), [], True),
        (item(text("x"), origin=(7, 1)), [], False),
        (item(text("x"), origin=(7, 2)), [], True),
        (item(text("x"), right=(7, 1)), [], True),
        (item(text("x"), right=(7, 2)), [], False),
        (item(text("x"), origin=(7, 1), right=(7, 2)), [], False),
        (item(text("x"), parent=(7, 4)), [], True),
        (collected(1), [(0, 1)], True),
        (collected(1), [(1, 1)], False),
        (collected(1), [(2, 1)], False),
        (collected(1), [(1, 2)], True),
        (collected(1), [(0, 4)], True),
        (collected(1), [(0, 2)], False),
    ],
)
def test_grd_20_nothing_cuts_within_a_pair(
    struct: bytes, deletes: list[Id], *, is_whole: bool, apart: bool
) -> None:
    smile = section(7, 0, item(text(f"a{SMILE}b"), parent="t"), item(shared_type(2), parent="r"))
    theirs = section(8, 0, struct)
    given_deletes = {7: deletes} if deletes else None
    data = (
        update(theirs, deletes=given_deletes)
        if apart
        else update(theirs, smile, deletes=given_deletes)
    )
    outline = _outline(update(smile)) if apart else Outline()
    before = _state(outline)
    if is_whole:
        _admit(outline, data)
        return
    with pytest.raises(LimitExceeded, match="surrogate pair"):
        _admit(outline, data)
    assert _state(outline) == before


def test_grd_20_typing_beside_a_pair_is_admitted() -> None:
    outline = _outline(update(section(7, 0, item(text(SMILE), parent="t"))))
    _admit(outline, update(section(7, 2, item(text(SMILE), origin=(7, 1)))))
    _admit(outline, update(section(7, 4, item(text("x"), origin=(7, 3)))))
    _admit(outline, update(deletes={7: [(2, 2)]}))
    with pytest.raises(LimitExceeded):
        _admit(outline, update(deletes={7: [(3, 1)]}))


def test_grd_20_a_known_clock_within_a_pair_that_comes_again_is_refused() -> None:
    outline = _outline(update(section(7, 0, item(text("a"), parent="t"))))
    with pytest.raises(LimitExceeded):
        _admit(outline, update(section(7, 0, item(text(SMILE), parent="t"))))
    _admit(outline, update(section(7, 0, item(text(f"a{SMILE}"), parent="t"))))
    assert outline.clocks == {7: 3}


def test_grd_20_many_deletions_are_checked_too() -> None:
    outline = _outline(update(section(7, 0, item(text(f"{SMILE}ab" * 100), parent="t"))))
    spans = [(4 * n + 2, 1) for n in range(100)]
    _admit(outline, update(deletes={7: spans}))
    with pytest.raises(LimitExceeded):
        _admit(outline, update(deletes={7: [*spans[:-1], (397, 1)]}))


# What joining costs


def test_grd_23_what_yrs_copies_to_join_structs_is_bounded() -> None:
    def row(count: int, *, parent: str = "list", key: str | None = None) -> bytes:
        first = item(values(NULL), parent=parent, key=key)
        return update(
            section(7, 0, first, *[item(values(NULL), origin=(7, n)) for n in range(count - 1)])
        )

    limits = DocumentLimits(max_joined=1 << 20)
    _admit(Outline(), row(200), limits)
    outline = Outline()
    with pytest.raises(LimitExceeded, match="continue one another"):
        _admit(outline, row(300), limits)
    assert outline.clocks == {}
    with pytest.raises(LimitExceeded):
        _admit(Outline(), row(2000))
    # Under a key only the last is not deleted: nothing is joined.
    _admit(Outline(), row(2000, key="k"))
    # What is known already is not joined again.
    outline = _outline(row(1000))
    _admit(outline, row(1000), limits)
    with pytest.raises(LimitExceeded):
        _admit(outline, row(1001), limits)


# All or nothing


@pytest.mark.parametrize("seed", range(few_or_many(20, 500)))
def test_a_refused_update_leaves_no_trace(seed: int) -> None:
    updates, _ = session(seed, steps=25)
    outline = _outline(*updates[: len(updates) // 2])
    tight = DocumentLimits(max_depth=2, max_clients=outline.client_count)
    for data in updates[len(updates) // 2 :]:
        before = _state(outline)
        try:
            _admit(outline, data, tight)
        except LimitExceeded:
            assert _state(outline) == before
            _admit(outline, data)


# Storage


@pytest.mark.parametrize("seed", range(few_or_many(6, 100)))
def test_an_outline_reads_back(seed: int) -> None:
    updates, _ = session(seed)
    outline = _outline(*updates)
    again = Outline.from_bytes(outline.to_bytes())
    assert _state(again) == _state(outline)
    assert again.clocks == outline.clocks


def test_an_outline_keeps_what_it_knows_of_pairs() -> None:
    outline = _outline(update(section(7, 0, item(text(f"a{SMILE}"), parent="t"))))
    again = Outline.from_bytes(outline.to_bytes())
    with pytest.raises(LimitExceeded):
        _admit(again, update(deletes={7: [(0, 2)]}))


@given(st.binary(max_size=60))
def test_bytes_that_are_no_outline_are_malformed(data: bytes) -> None:
    for attempt in (data, b"\x01" + data, b"\x01" + zlib.compress(data)):
        try:
            Outline.from_bytes(attempt)
        except Malformed:
            continue
        assert zlib.decompress(attempt[1:])[:1] in (b"\x00", b"\x01")


def _stored(*clients: tuple[int, int, list[int], list[int]], rest: bytes = b"") -> bytes:
    parts = [var_uint(len(clients))]
    for client, clock, runs, pairs in clients:
        parts += [var_uint(client), var_uint(clock), var_uint(len(runs))]
        parts += [run.to_bytes(8, "little") for run in runs]
        parts += [var_uint(len(pairs))]
        parts += [pair.to_bytes(4, "little") for pair in pairs]
    return b"\x01" + zlib.compress(b"".join(parts) + rest)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x02",
        _stored((7, 5, [], [])),
        _stored((7, 5, [1 << LEVEL_BITS], [])),
        _stored((7, 5, [0, 5 << LEVEL_BITS], [])),
        _stored((7, 5, [0, 3 << LEVEL_BITS, 2 << LEVEL_BITS], [])),
        _stored((7, 5, [0], [3, 3])),
        _stored((7, 2**31, [0], [])),
        _stored((7, 5, [0], []), (7, 5, [0], [])),
        _stored((7, 5, [0], []), rest=b"\x00"),
        b"\x01" + zlib.compress(b"\x01\x07\x05\x09"),
    ],
    ids=lambda data: data.hex()[:24] or "empty",
)
def test_a_damaged_outline_is_malformed(data: bytes) -> None:
    Outline.from_bytes(
        _stored((7, 5, [1 << DEPTH_SHIFT, 3 << LEVEL_BITS | 2 << DEPTH_SHIFT], [1, 4]))
    )
    with pytest.raises(Malformed):
        Outline.from_bytes(data)


def test_a_trusted_state_is_taken_whatever_its_size() -> None:
    outline = Outline.of_update(update(section(7, 0, *[collected(1)] * 20_001)))
    assert outline.clocks == {7: 20_001}
    writers = [section(n, 0, item(values(NULL), parent="m", key="k")) for n in range(1_001)]
    assert Outline.of_update(update(*writers)).client_count == 1_001
    deep = Outline.of_update(update(section(7, 0, *_nested(7, 1_000))))
    assert deep.depth_of(7, 999) == 1_000


def test_a_trusted_state_with_a_gap_is_malformed() -> None:
    with pytest.raises(Malformed, match="not stored before it"):
        Outline.of_update(update(section(7, 1, item(text("x"), origin=(7, 0)))))


def test_what_a_document_has_taken_once_is_always_absorbed() -> None:
    def absorbed(struct: bytes) -> int:
        outline = _outline(DOCUMENT)
        outline.absorb(update(section(8, 0, struct)))
        return outline.depth_of(8, 0)

    assert absorbed(item(text("x"), parent=(7, 2))) == 0
    assert absorbed(item(text("x"), origin=(7, 2), right=(7, 13))) == 3
    assert absorbed(item(text("x"), origin=(7, 12), right=(7, 13))) == 1
    assert absorbed(item(text("x"), parent=(7, 5))) == 3
    assert absorbed(item(values(NULL, NULL), parent="objects", key="k")) == 1
    outline = _outline(update(section(7, 0, item(text(SMILE), parent="t"))))
    outline.absorb(update(deletes={7: [(0, 1)]}))


def test_the_log_after_a_snapshot_is_absorbed() -> None:
    updates, _ = session(3)
    middle = len(updates) // 2
    outline = _outline(*updates[:middle])
    for data in updates[middle:]:
        outline.absorb(data)
    assert _state(outline) == _state(_outline(*updates))


# What is known already (GRD-28)

TYPED = update(
    section(
        1,
        0,
        item(text("abc"), parent="text"),
        item(shared_type(0), parent="objects", key="list"),
        item(values(NULL, NULL), parent=(1, 3)),
    )
)


@pytest.mark.parametrize(
    "again",
    [
        update(section(1, 4, item(values(*[NULL] * 5), parent=(1, 3)))),
        update(section(1, 5, item(values(NULL, NULL, NULL), origin=(1, 4)))),
        update(section(1, 3, collected(8))),
        update(
            section(
                1,
                0,
                item(text("abc"), parent="text"),
                collected(3),
                item(values(NULL), origin=(1, 5)),
            )
        ),
        update(section(1, 4, item(deleted(2), parent=(1, 3)), item(values(NULL), origin=(1, 5)))),
    ],
    ids=["in one", "from the middle", "collected", "collected in part", "deleted"],
)
def test_grd_28_what_was_written_may_come_again_with_more(again: bytes) -> None:
    outline = Outline.of_update(TYPED)
    facts = walk_update(again)
    assert outline.connects(facts)
    outline.admit(facts, DocumentLimits())
    assert outline.clocks[1] > 6


@pytest.mark.parametrize(
    "lie",
    [
        update(section(1, 4, item(values(*[NULL] * 5), parent="list"))),
        update(section(1, 2, item(text("cdefgh"), origin=(1, 1)))),
        update(section(1, 4, item(text("ab"), parent="text"), item(text("c"), origin=(1, 5)))),
        update(section(1, 4, item(text("a"), parent=(1, 2)), item(text("bcd"), origin=(1, 4)))),
    ],
    ids=["another place", "over other places", "other contents", "both"],
)
def test_grd_28_what_was_written_is_not_said_otherwise(lie: bytes) -> None:
    outline = Outline.of_update(TYPED)
    before = outline.to_bytes()
    with pytest.raises(Malformed, match="contradicts"):
        outline.admit(walk_update(lie), DocumentLimits())
    assert outline.to_bytes() == before
