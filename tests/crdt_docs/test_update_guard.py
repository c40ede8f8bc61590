"""GRD: the walk over updates and state vectors."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Map, TransactionEvent

from crdt_docs.clocks import MAX_CLOCK
from crdt_docs.content_guard import mended
from crdt_docs.errors import LimitExceeded, Malformed, Refusal
from crdt_docs.placement import (
    ABSENT,
    ARRAY,
    CHILD,
    GONE,
    INLINE,
    KEYED,
    ROOT,
    SEVERAL,
    SINGLE,
    TEXT,
    TYPE,
    XML,
)
from crdt_docs.state_vector import walk_state_vector
from crdt_docs.update_facts import UpdateFacts
from crdt_docs.update_guard import GuardLimits, GuardWalk, walk_update
from crdt_docs.varint import var_uint
from tests.helpers.corpus import Recording, recordings
from tests.helpers.editors import session
from tests.helpers.proving import few_or_many
from tests.helpers.raw_updates import (
    NULL,
    array,
    binary,
    collected,
    deleted,
    embed,
    formatting,
    item,
    section,
    shared_type,
    skip,
    string,
    subdocument,
    text,
    update,
    values,
)

HI = item(text("hi"), parent="text")
ONE = item(values(NULL), parent="list")


def _in_slices(data: bytes, size: int) -> tuple[UpdateFacts, int]:
    """What a walk in slices finds, and how many slices it took."""
    walk = GuardWalk(data)
    slices = 1
    while (facts := walk.advance(size)) is None:
        slices += 1
    return facts, slices


# What it learns (GRD-13)


def test_an_ordinary_update_brings_one_clock_that_continues_its_client() -> None:
    updates: list[bytes] = []

    def collect(event: TransactionEvent) -> None:
        updates.append(event.update)

    doc: Doc[Map[str]] = Doc(client_id=7)
    objects = doc.get("objects", type=Map)
    subscription = doc.observe(collect)
    objects["key"] = "x" * 100
    objects["key"] = "y" * 100
    doc.unobserve(subscription)
    first, second = map(walk_update, updates)
    assert first.ranges == [(7, 0, 1)]
    assert first.roots == {"objects"}
    (placement,) = first.placements
    assert placement[:8] == (7, 0, 1, ROOT | KEYED | SINGLE, ABSENT, 0, ABSENT, 0)
    assert (first.references, first.deletes, first.has_deletes) == ({}, {}, False)
    assert second.ranges == [(7, 1, 2)]
    assert second.references == {7: 1}
    assert second.deletes == {7: [(0, 1)]}
    assert second.has_deletes
    assert second.struct_count == 1
    assert (second.placements, second.roots, second.pairs, second.joins) == (
        [],
        frozenset(),
        None,
        (),
    )


def test_an_empty_update_is_empty() -> None:
    facts = walk_update(b"\x00\x00")
    assert facts.is_empty
    assert facts.struct_count == 0
    assert not walk_update(update(deletes={7: [(0, 1)]})).is_empty
    assert not walk_update(update(section(7, 0, HI))).is_empty
    assert walk_update(update(section(7, 0, skip(3)))).is_empty


def test_ranges_are_joined_and_split_by_skips() -> None:
    data = update(
        section(9, 5, collected(2), HI, skip(4), HI),
        section(8, 0, skip(1), HI, skip(1)),
    )
    facts = walk_update(data)
    assert facts.ranges == [(9, 5, 9), (9, 13, 15), (8, 1, 3)]
    assert facts.struct_count == 7


def test_references_are_one_past_the_highest_clock_that_is_named() -> None:
    data = update(
        section(
            9,
            10,
            item(text("a"), origin=(1, 5), right=(2, 7)),
            item(text("b"), origin=(1, 3), right=(9, 4)),
            item(text("c"), parent=(3, 9)),
            item(text("d"), right=(3, 2)),
        )
    )
    assert walk_update(data).references == {1: 6, 2: 8, 9: 5, 3: 10}


def test_structs_that_continue_the_one_before_them_are_not_placed() -> None:
    data = update(
        section(
            7,
            4,
            item(text("ab"), origin=(7, 3), right=(1, 1)),
            item(text("c"), origin=(7, 5), right=(1, 1)),
            item(text("d"), origin=(7, 6)),
            item(text("e"), origin=(7, 5)),
            item(values(NULL), origin=(7, 8)),
            item(text("f"), origin=(7, 9)),
            item(values(NULL), origin=(7, 10)),
            item(deleted(2), origin=(7, 11)),
            item(text("g"), origin=(7, 13)),
        )
    )
    placed = [(each.start, each.end, each.shape) for each in walk_update(data).placements]
    # Content that is new in a row is placed, for it is not known that it may stand there.
    assert placed == [(4, 6, TEXT), (8, 9, TEXT), (9, 10, SINGLE), (12, 14, GONE)]


@pytest.mark.parametrize(
    ("struct", "shape"),
    [
        (item(shared_type(0), parent="root"), ROOT | TYPE | ARRAY),
        (item(shared_type(1), parent="root", key="k"), ROOT | TYPE | KEYED),
        (item(shared_type(3, "p"), parent=(1, 0)), CHILD | TYPE | XML),
        (item(shared_type(2), parent=(1, 0)), CHILD | TYPE),
        (item(binary(b"x"), parent=(1, 0)), CHILD | SINGLE),
        (item(subdocument("guid"), parent=(1, 0)), CHILD | SINGLE),
        (item(embed("1"), origin=(1, 0)), INLINE),
        (item(formatting("b", "1"), right=(1, 0)), INLINE),
        (item(values(NULL, NULL), origin=(1, 0)), SEVERAL),
        (item(values(NULL), parent=(1, 0), key="k"), CHILD | KEYED | SINGLE),
        (item(deleted(1), origin=(1, 0)), GONE),
        (collected(2), GONE),
    ],
)
def test_placements_say_what_a_struct_is(struct: bytes, shape: int) -> None:
    (placement,) = walk_update(update(section(7, 0, struct))).placements
    assert placement.shape == shape


def test_a_single_struct_that_continues_says_what_it_is() -> None:
    def continues(content: bytes) -> int:
        return walk_update(update(section(7, 1, item(content, origin=(7, 0))))).continues

    assert continues(text("a")) == TEXT
    assert continues(values(NULL, NULL)) == SEVERAL
    assert continues(values(NULL)) == SINGLE
    assert walk_update(update(section(7, 1, HI))).continues == 0


def test_placements_follow_what_they_refer_to() -> None:
    # Client 9 comes first in the bytes, and depends on 8, which depends on an earlier one of 9.
    data = update(
        section(9, 0, item(shared_type(1), parent="r", key="a"), item(text("x"), parent=(8, 1))),
        section(8, 0, item(values(NULL), parent="l"), item(shared_type(2), parent=(9, 0), key="t")),
    )
    order = [(each.client, each.start) for each in walk_update(data).placements]
    assert order.index((9, 0)) < order.index((8, 1)) < order.index((9, 1))


def test_the_middles_of_surrogate_pairs_are_found() -> None:
    smile = "\U0001f600"
    data = update(section(7, 10, item(text(f"a{smile}b{smile}"), parent="t"), HI))
    pairs = walk_update(data).pairs
    assert pairs is not None
    assert {client: list(clocks) for client, clocks in pairs.items()} == {7: [12, 15]}
    assert walk_update(update(section(7, 0, item(text("é日"), parent="t")))).pairs is None


def test_long_rows_of_structs_that_will_be_joined_are_noted() -> None:
    def row(content: bytes, count: int, length: int = 1) -> bytes:
        first = item(content, parent="root")
        rest = [item(content, origin=(7, length * n - 1)) for n in range(1, count)]
        return update(section(7, 0, first, *rest))

    ((client, clock, cost),) = walk_update(row(values(NULL), 1000)).joins
    assert (client, clock) == (7, 0)
    assert cost == 48 * 1000 * 999 // 2
    ((_, _, cost),) = walk_update(row(text("x" * 100), 1000, 100)).joins
    assert cost == 100 * 1000 * 999 // 2
    rows = [item(values(NULL), origin=(7, n)) for n in range(120)]
    rows[60] = item(values(NULL), origin=(1, 0))
    assert [join[:2] for join in walk_update(update(section(7, 1, *rows))).joins] == [
        (7, 1),
        (7, 61),
    ]
    assert walk_update(row(values(NULL), 20)).joins == ()
    assert walk_update(row(embed("1"), 1000)).joins == ()


# What it refuses


def _first_struct(content: bytes) -> bytes:
    return b"\x01\x01\x07\x00" + content + b"\x00"


MALFORMED: dict[str, bytes] = {
    "GRD-1 more clients than bytes": b"\x80\x80\x80\x80\x01\x00",
    "GRD-1 more structs than bytes": b"\x01" + var_uint(2**28) + b"\x07\x00\x00\x01\x00",
    "GRD-1 more clients that delete than bytes": b"\x00" + var_uint(2**28) + b"\x07\x01\x00\x01",
    "GRD-1 more delete ranges than bytes": b"\x00\x01\x07" + var_uint(2**28) + b"\x00\x01",
    "GRD-1 text longer than what remains": _first_struct(b"\x04\x01\x01t\x7fhi"),
    "GRD-1 string longer than what remains": _first_struct(b"\x08\x01\x01t\x01\x77\x7fhi"),
    "GRD-1 root name longer than what remains": _first_struct(b"\x04\x01\x7ft\x02hi"),
    "GRD-1 key longer than what remains": _first_struct(b"\x28\x01\x01t\x7fk\x01\x7e"),
    "GRD-2 no bytes at all": b"",
    "GRD-2 bytes after it": update(section(7, 0, HI)) + b"\x00",
    "GRD-2 no delete set": update(section(7, 0, HI))[:-1],
    "GRD-3 a client twice": update(section(7, 0, HI), section(7, 2, HI)),
    "GRD-3 a client without structs": update(section(8, 0, HI), section(7, 0)),
    "GRD-3 a client twice in the delete set": b"\x00\x02\x07\x01\x00\x01\x07\x01\x02\x01",
    "GRD-3 a client in the delete set without ranges": b"\x00\x02\x07\x00\x08\x01\x02\x01",
    "GRD-3 collected struct of no length": update(section(7, 0, collected(0))),
    "GRD-3 skip of no length": update(section(7, 0, skip(0))),
    "GRD-3 text of no length": update(section(7, 0, item(text(""), parent="t"))),
    "GRD-3 deleted content of no length": update(section(7, 0, item(deleted(0), parent="t"))),
    "GRD-3 delete range of no length": update(deletes={7: [(0, 0)]}),
    "GRD-3 delete ranges overlap": update(deletes={7: [(0, 3), (2, 2)]}),
    "GRD-3 delete ranges descend": update(deletes={7: [(5, 1), (0, 1)]}),
    "GRD-4 first clock too high": update(section(7, 2**31, HI)),
    "GRD-4 last clock too high": update(section(7, MAX_CLOCK - 1, HI)),
    "GRD-4 last clock too high, with a pair": update(
        section(7, 2**40, item(text("\U0001f600"), parent="t"))
    ),
    "GRD-4 collected struct too long": update(section(7, 0, collected(2**31))),
    "GRD-4 skip too long": update(section(7, 0, skip(2**32), HI)),
    "GRD-4 origin too high": update(section(7, 0, item(text("x"), origin=(8, 2**31)))),
    "GRD-4 right origin too high": update(section(7, 0, item(text("x"), right=(8, 2**32)))),
    "GRD-4 parent too high": update(section(7, 0, item(text("x"), parent=(8, 2**32)))),
    "GRD-4 deleted clock too high": update(deletes={7: [(2**31, 1)]}),
    "GRD-4 deleted length too long": update(deletes={7: [(0, 2**32)]}),
    "GRD-4 client id of 54 bits": update(section(2**53, 0, HI)),
    "GRD-4 number not in its shortest form": b"\x01\x81\x00\x07\x00\x04\x01\x01t\x02hi\x00",
    "GRD-5 its own origin": update(section(7, 0, item(text("x"), origin=(7, 0)))),
    "GRD-5 an origin after it": update(section(7, 0, item(text("x"), origin=(7, 5)), HI, HI, HI)),
    "GRD-5 its own right origin": update(section(7, 3, item(text("x"), right=(7, 3)))),
    "GRD-5 its own parent": update(section(7, 0, item(shared_type(1), parent=(7, 0)))),
    "GRD-5 two structs, each the parent of the other": update(
        section(7, 0, item(shared_type(1), parent=(8, 0))),
        section(8, 0, item(shared_type(1), parent=(7, 0))),
    ),
    "GRD-5 three structs in a circle of origins": update(
        section(7, 0, item(text("x"), origin=(8, 0))),
        section(8, 0, item(text("x"), right=(9, 0))),
        section(9, 0, item(text("x"), parent=(7, 0))),
    ),
    "GRD-5 a circle through an earlier clock": update(
        section(7, 0, HI, item(text("x"), origin=(8, 1))),
        section(8, 0, item(text("x"), origin=(7, 2)), item(text("x"), origin=(7, 0))),
    ),
    "GRD-6 collected struct with origin flags": _first_struct(b"\x80\x02"),
    "GRD-6 skip with origin flags": _first_struct(b"\x4a\x02"),
    "GRD-6 parent neither named nor by id": _first_struct(b"\x04\x02\x01t\x02hi"),
    "GRD-7 root name not UTF-8": _first_struct(b"\x04\x01\x01\xff\x02hi"),
    "GRD-7 map key not UTF-8": _first_struct(b"\x28\x01\x01m\x01\xff\x01\x7e"),
    "GRD-7 a surrogate in a root name": _first_struct(b"\x04\x01\x03\xed\xa0\x80\x02hi"),
    "GRD-12 a formatting mark under a key": update(
        section(7, 0, item(formatting("b", "1"), parent="m", key="k"))
    ),
    "GRD-12 characters under a key": update(section(7, 0, item(text("x"), parent="m", key="k"))),
    "GRD-12 an embedded value under a key": update(
        section(7, 0, item(embed("1"), parent="m", key="k"))
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_no_editor_writes_is_malformed(name: str) -> None:
    with pytest.raises(Malformed):
        walk_update(MALFORMED[name])


@pytest.mark.parametrize("name", MALFORMED)
def test_it_is_malformed_in_slices_too(name: str) -> None:
    with pytest.raises(Malformed):
        _in_slices(MALFORMED[name], 1)


def test_a_circle_among_clients_is_told_from_a_zigzag() -> None:
    zigzag = update(
        section(7, 0, ONE, item(values(NULL), origin=(8, 0)), item(values(NULL), origin=(8, 1))),
        section(8, 0, item(values(NULL), origin=(7, 0)), item(values(NULL), origin=(7, 1))),
    )
    assert walk_update(zigzag).struct_count == 5


def test_grd_10_structs_are_counted_over_clients() -> None:
    limits = GuardLimits(structs=4)
    walk_update(
        update(section(7, 0, *[collected(1)] * 2), section(8, 0, *[collected(1)] * 2)), limits
    )
    with pytest.raises(LimitExceeded, match="4 structs"):
        walk_update(
            update(section(7, 0, *[collected(1)] * 2), section(8, 0, *[collected(1)] * 3)), limits
        )
    with pytest.raises(LimitExceeded):
        walk_update(update(section(7, 0, *[collected(1)] * (GuardLimits().structs + 1))))


def test_grd_10_deleted_ranges_are_counted_over_clients() -> None:
    limits = GuardLimits(deletes=3)
    walk_update(update(deletes={7: [(0, 1), (2, 1)], 8: [(0, 1)]}), limits)
    with pytest.raises(LimitExceeded, match="3 ranges"):
        walk_update(update(deletes={7: [(0, 1), (2, 1)], 8: [(0, 1), (2, 1)]}), limits)


def test_grd_11_clients_that_write_one_place_unseen_are_counted() -> None:
    limits = GuardLimits(blind_writers=3)
    for key in ("k", None):
        writers = [section(n, 0, item(values(NULL), parent="r", key=key)) for n in range(4)]
        walk_update(update(*writers[:3]), limits)
        with pytest.raises(LimitExceeded, match="3 clients"):
            walk_update(update(*writers), limits)
    elsewhere = [section(n, 0, item(values(NULL), parent="r", key=f"{n}")) for n in range(4)]
    walk_update(update(*elsewhere), limits)


def test_grd_11_structs_between_the_same_neighbours_are_counted() -> None:
    limits = GuardLimits(repeated_places=3)

    def wide(count: int) -> bytes:
        return update(section(7, 0, *[item(values(NULL), origin=(1, 0), right=(1, 9))] * count))

    def blind(count: int) -> bytes:
        return update(section(7, 0, *[ONE] * count))

    def keyed(count: int) -> bytes:
        return update(section(7, 0, *[item(values(NULL), parent="m", key="k")] * count))

    for write in (wide, blind, keyed):
        walk_update(write(4), limits)
        with pytest.raises(LimitExceeded, match="one place"):
            walk_update(write(5), limits)
    # Typing on, and typing at one spot from the right, are no such thing.
    walk_update(
        update(section(7, 1, *[item(text("x"), origin=(7, n), right=(1, 0)) for n in range(20)])),
        limits,
    )
    walk_update(
        update(section(7, 1, *[item(text("x"), origin=(1, 0), right=(7, n)) for n in range(20)])),
        limits,
    )


# In slices (GRD-14)


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_a_walk_in_slices_finds_the_same(size: int) -> None:
    for recording in recordings()[::3]:
        for data in recording.updates[:: few_or_many(7, 1)]:
            facts, slices = _in_slices(data, size)
            assert facts == walk_update(data)
            assert slices >= facts.struct_count // size


def test_a_walk_pauses_in_delete_sets_and_between_clients() -> None:
    deletes = update(deletes={7: [(4 * n, 1) for n in range(100)]})
    assert _in_slices(deletes, 10)[1] >= 10
    crossing = [
        section(n, 0, item(values(NULL), parent=(n + 1, 0)) if n else collected(1))
        for n in range(50)
    ]
    assert _in_slices(update(*crossing), 10)[1] >= 10


def test_a_long_text_of_pairs_is_walked_in_slices() -> None:
    data = update(section(7, 0, item(text("\U0001f600" * 1000), parent="t")))
    facts, slices = _in_slices(data, 100)
    assert facts == walk_update(data)
    assert slices >= 20


# State vectors (GRD-15)


def test_a_state_vector_is_read() -> None:
    assert walk_state_vector(b"\x00") == {}
    vector = {1: 5, 2**53 - 1: MAX_CLOCK, 300: 0}
    encoded = b"".join(var_uint(client) + var_uint(clock) for client, clock in vector.items())
    assert walk_state_vector(var_uint(3) + encoded) == vector


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"\x01\x07",
        b"\x00\x00",
        b"\x01\x07\x01\x00",
        b"\x02\x07\x01\x07\x02",
        var_uint(2**28) + b"\x07\x01",
        b"\x01" + var_uint(2**53) + b"\x01",
        b"\x01\x07" + var_uint(2**31),
        b"\x01\x87\x00\x01",
    ],
    ids=lambda data: data.hex() or "empty",
)
def test_a_state_vector_that_no_editor_sends_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        walk_state_vector(data)


@given(st.binary(max_size=40))
def test_arbitrary_bytes_as_a_state_vector_are_refused_or_read(data: bytes) -> None:
    try:
        vector = walk_state_vector(data)
    except Malformed:
        return
    assert len(vector) * 2 <= len(data)


# Everything that editors write


@pytest.mark.parametrize("recording", recordings(), ids=lambda recording: recording.name)
def test_what_stock_yjs_sends_is_accepted(recording: Recording) -> None:
    for data in recording.updates:
        walk_update(data)


@pytest.mark.parametrize("seed", range(few_or_many(8, 400)))
def test_what_pycrdt_sends_is_accepted(seed: int) -> None:
    updates, whole = session(seed, people=2 + seed % 3)
    for data in (*updates, whole):
        walk_update(data)


# Everything else


@pytest.mark.parametrize("recording", recordings()[1::4], ids=lambda recording: recording.name)
def test_grd_2_no_beginning_of_an_update_is_an_update(recording: Recording) -> None:
    data = max(recording.updates, key=len)
    for length in range(0, len(data), few_or_many(max(1, len(data) // 60), 1)):
        with pytest.raises(Malformed):
            walk_update(data[:length])


@pytest.mark.parametrize("seed", range(few_or_many(300, 30_000)))
def test_damaged_updates_are_refused_or_accepted_and_nothing_else(seed: int) -> None:
    dice = random.Random(seed)
    data = bytearray(dice.choice(dice.choice(recordings()).updates))
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data))
        data[at : at + dice.randint(0, 2)] = dice.randbytes(dice.randint(0, 2))
        data = data or bytearray(1)
    damaged = bytes(data)
    try:
        facts = walk_update(damaged)
    except Refusal as refusal:
        with pytest.raises(type(refusal)):
            _in_slices(damaged, 3)
    else:
        assert _in_slices(damaged, 3)[0] == facts


@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_refused_or_accepted_and_nothing_else(data: bytes) -> None:
    try:
        facts = walk_update(data)
    except Refusal:
        return
    assert sum(end - start for _, start, end in facts.ranges) <= 2**32


def test_a_large_honest_update_is_accepted() -> None:
    objects = [
        struct
        for n in range(1000)
        for struct in (
            item(shared_type(1), parent="objects", key=f"object {n}"),
            item(values(string("sticky")), parent=(7, 3 * n), key="object_type"),
            item(values(array(NULL, NULL)), parent=(7, 3 * n), key="position"),
        )
    ]
    facts = walk_update(update(section(7, 0, *objects)))
    assert facts.ranges == [(7, 0, 3000)]


# Recorded: a list whose middle another person replaced, undone and redone with Yjs' undo manager.
UNDONE = bytes.fromhex("0104010ca70107000800010c017d01c8010d010d017d02c8010d010e017da3010101010701")


def test_grd_29_of_two_origins_that_are_the_same_one_stays() -> None:
    """The complaint *closed with 4400 for ever after an undo*."""
    facts = walk_update(UNDONE)
    assert facts.mends
    better = mended(UNDONE, facts.mends)
    assert len(better) == len(UNDONE) - 2
    assert walk_update(better) == facts._replace(mends=())


def test_grd_29_together_with_half_of_a_surrogate_pair() -> None:
    """GRD-26; what is shortened comes before and behind what keeps its length."""
    half, whole = embed('"\\ud83d"'), embed('"\\ufffd"')
    written = update(
        section(
            7,
            0,
            item(text("x"), origin=(8, 0), right=(8, 0)),
            item(half, origin=(8, 1)),
            item(text("y"), origin=(8, 2), right=(8, 2)),
        )
    )
    facts = walk_update(written)
    again = mended(written, facts.mends)
    assert again == update(
        section(
            7,
            0,
            item(text("x"), origin=(8, 0)),
            item(whole, origin=(8, 1)),
            item(text("y"), origin=(8, 2)),
        )
    )
    assert walk_update(again) == facts._replace(mends=())
