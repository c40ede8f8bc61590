"""Whatever guard and outline accept, yrs takes: without panic, stall or losing its memory.

yrs runs in a process of its own here, which may hang or die.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from crdt_docs.content_guard import mended
from crdt_docs.errors import Refusal
from crdt_docs.outline import DocumentLimits, Outline
from crdt_docs.state_vector import walk_state_vector
from crdt_docs.update_guard import walk_update
from tests.helpers.corpus import recordings
from tests.helpers.editors import session
from tests.helpers.hostile_updates import HostileWriter
from tests.helpers.proving import few_or_many
from tests.helpers.raw_updates import (
    NULL,
    TRUE,
    array,
    binary,
    collected,
    deleted,
    embed,
    formatting,
    item,
    section,
    shared_type,
    subdocument,
    text,
    update,
    values,
)
from tests.helpers.yrs_process import Outcome, YrsProcess

SECONDS = 1.0
"""What one update may cost yrs; a third of it on a quiet machine."""
MEMORY = 96 << 20
"""What it may take beyond ten times its bytes: joining has a limit of its own, heaps are coarse."""
LIMITS = DocumentLimits()
BATCH = 10
MANY = few_or_many(4_000, 20_000)
"""Structs in one update."""


@pytest.fixture(scope="module")
def yrs() -> Iterator[YrsProcess]:
    with YrsProcess() as process:
        yield process


def _take(outline: Outline, data: bytes) -> None:
    facts = walk_update(data)
    assert outline.connects(facts)
    outline.admit(facts, LIMITS)


def _admitted(updates: list[bytes]) -> Outline:
    outline = Outline()
    for data in updates:
        _take(outline, data)
    return outline


def _check(outcome: Outcome, outline: Outline) -> None:
    assert outcome.fault is None
    assert walk_state_vector(outcome.clocks) == outline.clocks
    assert walk_state_vector(outcome.copied_clocks) == outline.clocks


@pytest.mark.parametrize("batch", range(few_or_many(4, 2_500)))
def test_hostile_updates_that_are_accepted_do_yrs_no_harm(yrs: YrsProcess, batch: int) -> None:
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        dice = random.Random(seed)
        writer = HostileWriter(dice, clients=tuple(range(1, dice.randint(2, 7))))
        updates = writer.updates(dice.randint(1, 6), dice.choice((2, 8, 24)))
        _check(yrs.apply(updates), writer.outline)


@pytest.mark.parametrize("batch", range(few_or_many(8, 1_000)))
def test_damaged_updates_that_are_accepted_do_yrs_no_harm(yrs: YrsProcess, batch: int) -> None:
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        dice = random.Random(seed)
        recorded = dice.choice(recordings()).updates
        outline, accepted = Outline(), []
        for data in recorded[: dice.randint(1, 25)]:
            for candidate in (_damaged(data, dice), data):
                try:
                    facts = walk_update(candidate)
                    if outline.connects(facts):
                        outline.admit(facts, LIMITS)
                        accepted.append(mended(candidate, facts.mends))
                except Refusal:
                    continue
        _check(yrs.apply(accepted), outline)


def _damaged(data: bytes, dice: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 3))):
        at = dice.randrange(len(damaged))
        match dice.randrange(5):
            case 0:
                damaged[at] ^= 1 << dice.randrange(8)
            case 1:
                damaged[at] = dice.choice((0, 1, 2, 4, 7, 8, 0x7F, 0x80, 0x28, 0x84, 0x44, 0xC4))
            case 2:
                damaged[at : at + 1] = dice.randbytes(dice.randint(0, 3))
            case 3:
                length = dice.randint(1, 8)
                source = dice.randrange(len(damaged))
                damaged[at : at + length] = damaged[source : source + length]
            case _:
                damaged[at] = (damaged[at] + dice.choice((1, 255))) % 256
        damaged = damaged or bytearray(1)
    return bytes(damaged)


@pytest.mark.parametrize("seed", range(few_or_many(10, 300)))
def test_what_editors_write_reads_the_same_in_a_copy(yrs: YrsProcess, seed: int) -> None:
    updates, whole = session(seed, people=2 + seed % 4, steps=50)
    outcome = yrs.apply(updates)
    _check(outcome, _admitted(updates))
    assert outcome.copied_contents == outcome.contents
    assert yrs.apply([whole]).contents == outcome.contents


# What was found by the above, or tried one by one: refused now, with what it did to yrs.

SMILE = section(1, 0, item(text("a\U0001f600b"), parent="text"))
FACES = "\U0001f600" * 3
MAP = item(shared_type(1), parent="objects", key="map")
ARRAY = item(shared_type(0), parent="objects", key="array")

FOUND: dict[str, list[bytes]] = {
    "a cut within a surrogate pair shifts everything after it: a later parent is no type": [
        update(SMILE, deletes={1: [(2, 2)]})
    ],
    "a cut within a surrogate pair, by an origin: panic while splitting again": [
        update(SMILE),
        update(section(2, 0, item(text("x"), origin=(1, 1), right=(1, 2)))),
    ],
    "characters beyond U+FFFF in an array: reading it never ends": [
        update(
            section(
                1,
                0,
                item(shared_type(0), parent="objects", key="array"),
                item(text("\U0001f600"), parent=(1, 0)),
            )
        )
    ],
    "several values under a key, the map deleted: pointers into freed memory, SIGSEGV": [
        update(
            section(1, 0, MAP, item(values(NULL, TRUE, NULL), parent=(1, 0), key="k")),
            section(2, 0, item(shared_type(2), origin=(1, 2))),
            deletes={1: [(0, 1)]},
        )
    ],
    "several values under a key, that continue one before": [
        update(section(1, 0, MAP, item(values(NULL), parent=(1, 0), key="k"))),
        update(section(1, 2, item(values(NULL, TRUE), origin=(1, 1)))),
    ],
    "characters under a key, cut by a neighbour: capacity overflow": [
        update(section(1, 0, item(text("abc"), parent="objects", key="k")))
    ],
    "a right origin under a key": [
        update(section(1, 0, item(values(NULL), parent="objects", key="k"))),
        update(section(2, 0, item(values(NULL), right=(1, 0)))),
    ],
    "a formatting mark beside a value under a key: panic, or a map that cannot be read": [
        update(section(1, 0, item(values(NULL), parent="objects", key="k"))),
        update(section(2, 0, item(formatting("bold", "true"), origin=(1, 0)))),
    ],
    "a parent that is no type: applying stops in the middle": [
        update(section(1, 0, item(text("ab"), parent="text"))),
        update(section(2, 0, item(text("x"), parent=(1, 0)))),
    ],
    "thousands of values joined one by one: no memory left": [
        update(
            section(
                1,
                0,
                item(values(NULL), parent="list"),
                *[item(values(NULL), origin=(1, n)) for n in range(MANY - 1)],
            )
        )
    ],
    "1,000 texts of 1,000 characters joined one by one: 500 MB": [
        update(
            section(
                1,
                0,
                item(text("x" * 1000), parent="text"),
                *[item(text("x" * 1000), origin=(1, 1000 * n + 999)) for n in range(999)],
            )
        )
    ],
    "1,000 characters, then a long text that is copied 1,000 times: 500 MB": [
        update(
            section(
                1,
                0,
                item(text("x"), parent="text"),
                *[item(text("x"), origin=(1, n)) for n in range(999)],
                item(text("y" * 500_000), origin=(1, 999)),
            )
        )
    ],
    "1,000 structs between the first and the last of many: 4 s": [
        update(
            section(
                1,
                0,
                item(binary(b""), parent="list"),
                *[item(binary(b""), origin=(1, n)) for n in range(MANY - 1)],
            )
        ),
        update(section(2, 0, *[item(binary(b""), origin=(1, 0), right=(1, MANY - 1))] * 1000)),
    ],
    "thousands of clients set one key: 1.5 s": [
        update(*[section(n, 0, item(values(NULL), parent="objects", key="k")) for n in range(MANY)])
    ],
    "one client sets one key thousands of times without an origin: 1.7 s": [
        update(section(1, 0, *[item(values(NULL), parent="objects", key="k")] * MANY))
    ],
    "thousands of maps, each in the one before: stack overflow": [
        update(
            section(
                1,
                0,
                MAP,
                *[item(shared_type(1), parent=(1, n), key="k") for n in range(MANY - 1)],
            )
        )
    ],
    "several values under a key, behind others that are deleted": [
        update(
            section(
                1,
                0,
                MAP,
                item(values(NULL, TRUE), parent=(1, 0), key="k"),
                item(values(NULL, TRUE), origin=(1, 2)),
            ),
            deletes={1: [(1, 2)]},
        )
    ],
    # GRD-28: what is known already is not looked at, so nothing may be concluded from it.
    "characters in an array, behind known values that are said to be characters: never ends": [
        update(section(1, 0, ARRAY, item(values(NULL, NULL), parent=(1, 0)))),
        update(section(1, 2, item(text("a"), origin=(1, 1)), item(text(FACES), origin=(1, 2)))),
    ],
    "characters that are said to begin in a text, known in part, in an array: never ends": [
        update(section(1, 0, ARRAY, item(values(NULL), parent=(1, 0)))),
        update(section(1, 1, item(text("a" + FACES), parent="text"))),
    ],
    "characters that go on from a text, known in part, in an array": [
        update(
            section(1, 0, item(text("a"), parent="text"), ARRAY, item(values(NULL), parent=(1, 1)))
        ),
        update(section(1, 1, item(text("aa" + FACES), origin=(1, 0)))),
    ],
    "characters under a key, behind a known value that is said to be characters": [
        update(section(1, 0, item(values(NULL), parent="objects", key="k"))),
        update(section(1, 0, item(text("a"), parent="text"), item(text("xyz"), origin=(1, 0)))),
    ],
    "17 subdocuments": [
        update(section(1, 0, *[item(subdocument("g"), parent="o", key=f"{n}") for n in range(17)]))
    ],
}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_to_harm_yrs_is_refused(name: str) -> None:
    outline = Outline()
    *before, last = FOUND[name]
    for data in before:
        _take(outline, data)
    with pytest.raises(Refusal):
        _take(outline, last)


# What is at the limits, and accepted: it costs yrs little.


def _row(content: bytes, count: int) -> bytes:
    """A list of structs each of which continues the one before it."""
    first = item(content, parent="root")
    return update(section(1, 0, first, *[item(content, origin=(1, n)) for n in range(count - 1)]))


HEAVY: dict[str, list[bytes]] = {
    "1,600 values joined": [_row(values(NULL), 1_600)],
    "11,000 characters joined": [_row(text("x"), 11_000)],
    "thousands of embedded values": [_row(embed("1"), MANY)],
    "thousands of marks": [_row(formatting("b", "true"), MANY)],
    "thousands of deleted": [_row(deleted(1), MANY)],
    "thousands of values of one key": [
        update(
            section(
                1,
                0,
                item(values(NULL), parent="objects", key="k"),
                *[item(values(NULL), origin=(1, n)) for n in range(MANY - 1)],
            )
        )
    ],
    "thousands of collected clients": [update(*[section(n, 0, collected(1)) for n in range(MANY)])],
    "thousands of types": [
        update(section(1, 0, *[item(shared_type(1), parent="o", key=f"{n}") for n in range(MANY)]))
    ],
    "5,000 roots": [
        update(section(1, 0, *[item(values(NULL), parent=f"root {n}") for n in range(5_000)]))
    ],
    "1,000 clients set one key": [
        update(*[section(n, 0, item(values(NULL), parent="o", key="k")) for n in range(1_000)])
    ],
    "200,000 values at once": [update(section(1, 0, item(values(*[NULL] * 200_000), parent="l")))],
    "199,000 empty arrays": [
        update(section(1, 0, item(values(array(*[array()] * 199_000)), parent="l")))
    ],
    "a text of 20,000 characters cut at every second": [
        update(
            section(1, 0, item(text("x" * 20_000), parent="t")),
            deletes={1: [(n, 1) for n in range(0, 20_000, 2)]},
        )
    ],
    "100 levels of types": [
        update(
            section(1, 0, MAP, *[item(shared_type(1), parent=(1, n), key="k") for n in range(99)])
        )
    ],
}


@pytest.mark.parametrize("name", HEAVY)
def test_what_is_just_within_the_limits_is_cheap_for_yrs(yrs: YrsProcess, name: str) -> None:
    updates = HEAVY[name]
    outcome = yrs.apply(updates)
    _check(outcome, _admitted(updates))
    assert outcome.seconds < SECONDS
    assert outcome.memory < 10 * sum(map(len, updates)) + MEMORY
