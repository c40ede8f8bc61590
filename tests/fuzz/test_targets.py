"""What fuzzing checks, tried on its seeds and on what it kept: without the engine, quickly.

A target that can no longer fail would find nothing for ever: some are shown a fault here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from crdt_docs import awareness, content_guard, outline, pose_client, pose_messages, update_guard
from crdt_docs.outline import Outline
from crdt_docs.update_facts import UpdateFacts
from tests.fuzz.document_targets import check_life
from tests.fuzz.kept import FOLDER, kept
from tests.fuzz.life import LONGEST, pack, unpack
from tests.fuzz.targets import targets
from tests.helpers.raw_updates import (
    NULL,
    collected,
    item,
    section,
    shared_type,
    text,
    update,
    values,
)
from tests.helpers.yrs_process import Outcome, YrsProcess

MOST_KEPT = 2 << 20
"""Bytes of the whole corpus."""


@pytest.fixture(scope="module")
def yrs() -> Iterator[YrsProcess]:
    with YrsProcess() as process:
        yield process


@pytest.mark.parametrize("name", targets(None))
def test_the_seeds_hold(name: str) -> None:
    target = targets(None)[name]
    for seed in target.seeds():
        target.check(seed[: target.longest])


@pytest.mark.parametrize("name", targets(None))
def test_what_was_kept_holds(name: str) -> None:
    target = targets(None)[name]
    inputs = kept(name)
    assert inputs
    for one in inputs:
        target.check(one)


def test_what_was_kept_does_yrs_no_harm(yrs: YrsProcess) -> None:
    for one in kept("life")[::4]:
        check_life(one, yrs)


def test_the_corpus_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MOST_KEPT


def test_a_life_is_packed_and_unpacked() -> None:
    updates = [b"", b"a", bytes(300)]
    assert unpack(pack(updates)) == updates
    assert unpack(pack([b"abc"]) + b"\x05xy") == [b"abc", b"\x05xy"]
    assert len(unpack(b"\x00" * 100)) == LONGEST


# That a fault would be found.

ORDINARY = pack(
    [
        update(
            section(
                1,
                0,
                item(shared_type(1), parent="objects", key="a"),
                item(text("a\U0001f600"), parent="text"),
                item(values(NULL), origin=(1, 1), right=(1, 2)),
            )
        ),
        update(section(2, 0, item(values(NULL), parent=(1, 0), key="k")), deletes={1: [(1, 3)]}),
    ]
)


def test_an_ordinary_life_holds(yrs: YrsProcess) -> None:
    check_life(ORDINARY, yrs)


class _FailingYrs:
    """Says of every document what it is told to."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    def apply(self, updates: list[bytes]) -> Outcome:
        return self._outcome


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("hangs"),
        Outcome(None, b"\x00", b"\x00"),
        Outcome(None, b"\x02\x02\x01\x01\x04", b"\x02\x02\x01\x01\x03"),
        Outcome(None, b"\x02\x02\x01\x01\x05", b"\x02\x02\x01\x01\x05", seconds=2.0),
        Outcome(None, b"\x02\x02\x01\x01\x05", b"\x02\x02\x01\x01\x05", memory=1 << 30),
    ],
    ids=["hang", "other clocks", "other clocks in a copy", "slow", "large"],
)
def test_what_yrs_does_wrong_is_found(outcome: Outcome) -> None:
    with pytest.raises(AssertionError):
        check_life(ORDINARY, _FailingYrs(outcome))


def _change_facts(monkeypatch: pytest.MonkeyPatch, **wrong: Any) -> None:
    def told(data: bytes, limits: Any, budget: int) -> Any:
        facts: UpdateFacts = yield from walk(data, limits, budget)
        return facts._replace(**wrong)

    walk = update_guard._walk
    monkeypatch.setattr(update_guard, "_walk", told)


@pytest.mark.parametrize(
    "wrong",
    [
        {"ranges": [(1, 0, 4)]},
        {"references": {}},
        {"deletes": {}},
        {"pairs": None},
        {"roots": frozenset()},
        {"struct_count": 1},
        {"placements": []},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_guard_that_tells_less_is_found(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any]
) -> None:
    _change_facts(monkeypatch, **wrong)
    with pytest.raises((AssertionError, IndexError, KeyError)):
        check_life(ORDINARY, None)


def test_an_outline_that_is_changed_by_what_it_refuses_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def admit(self: Outline, facts: UpdateFacts, limits: Any) -> None:
        self.clocks[99] = 1
        honest(self, facts, limits)

    honest = Outline.admit
    monkeypatch.setattr(outline.Outline, "admit", admit)
    torn = update(section(3, 0, item(text("x"), origin=(1, 1), right=(1, 2))))
    with pytest.raises(AssertionError):
        check_life(pack([*unpack(ORDINARY)[:1], torn]), None)


def test_halves_of_surrogate_pairs_that_stay_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_guard, "_REPLACEMENT", rb"\ud83d")
    with pytest.raises(UnicodeEncodeError):
        targets(None)["json"].check(rb'"\ud83d"')


def test_presence_that_says_who_one_likes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awareness, "who_is", lambda *_: {"role": "host"})
    spoken = targets(None)["presence"]
    seed = next(seed for seed in spoken.seeds() if b"cursor" in seed)
    with pytest.raises((AssertionError, KeyError)):
        spoken.check(seed)


def test_a_byte_behind_a_pose_message_that_is_let_pass_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pose_client, "require_end", lambda *_: None)
    behind = pose_messages.holds([]) + b"\x00"
    with pytest.raises(AssertionError):
        targets(None)["poses"].check(behind)


def test_what_goes_on_behind_what_was_collected_is_nowhere(yrs: YrsProcess) -> None:
    """Found by fuzzing: a struct says again, and otherwise, what stands in known clocks."""
    first = update(section(3, 0, item(text("x"), parent="t")))
    gone = update(section(3, 1, collected(10)))
    longer = update(section(3, 1, item(text("x" * 18), origin=(3, 0))))
    check_life(pack([first, gone, longer]), yrs)
