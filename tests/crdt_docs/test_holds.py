"""POS-30 to POS-40: who holds which object, and what is passed on and written down of it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from math import cos, radians, sin

import pytest

from crdt_docs.hold_effects import Denied, Ended, EndReason, Granted, Landed
from crdt_docs.holds import (
    HELD_AT_ONCE,
    LEASE_SECONDS,
    MOST,
    QUARANTINE_SECONDS,
    REMEMBERED,
    REST_SECONDS,
    REVIEW_SECONDS,
    SLOTS,
    Holds,
    ObjectSlots,
)
from crdt_docs.pose_messages import Denial
from crdt_docs.poses import Transform, decode_transform
from tests.helpers.holding import Effects, House, at, denied, ends, granted, landings
from tests.helpers.proving import few_or_many


def _room() -> tuple[Holds[str], House]:
    house = House(hosts={"host"})
    return Holds(house), house


# Claims


def test_pos_30_two_grabs_in_the_same_tick_have_one_winner() -> None:
    holds, _ = _room()
    grant = granted(holds.claim("ada", "chair", 0, 1.0))
    assert (grant.object_id, grant.sequence, grant.holder) == ("chair", 1, "ada")
    assert denied(holds.claim("ben", "chair", 0, 1.0)) == (Denial.HELD, 1)
    assert denied(holds.claim("ada", "chair", 1, 1.0)) == (Denial.HELD, 1), "hers already"
    assert holds.standing() == [grant]


def test_pos_31_a_claim_is_made_of_what_is_known() -> None:
    holds, _ = _room()
    grant = granted(holds.claim("ada", "chair", 0, 0.0))
    (end,) = holds.release("ada", grant.object_slot, grant.sequence, 0.0)
    assert isinstance(end, Ended)
    assert (end.sequence, end.reason) == (2, EndReason.RELEASED)
    for stale in (1, 3, 2**32 - 1):
        assert denied(holds.claim("ben", "chair", stale, 0.0)) == (Denial.OLD_SEQUENCE, 2)
    assert granted(holds.claim("ben", "chair", 2, 0.0)).sequence == 3


def test_pos_31_no_number_comes_twice_though_objects_are_forgotten() -> None:
    holds, _ = _room()
    given = set()
    highest = 0
    for round_ in range(3):
        for number in range(REMEMBERED + 10):
            key, now = f"object {number}", 100.0 * round_
            grant = granted(holds.claim("ada", key, 0, now))
            (end,) = ends(holds.release("ada", grant.object_slot, grant.sequence, now))
            assert (key, grant.sequence) not in given
            given |= {(key, grant.sequence), (key, end.sequence)}
            highest = max(highest, end.sequence)
    assert len(holds._numbers) == REMEMBERED
    assert holds._forgotten <= highest
    assert denied(holds.claim("ada", "never seen", MOST, 999.0))[1] == holds._forgotten


def test_pos_31_what_is_forgotten_later_does_not_lower_the_number_of_what_was_forgotten() -> None:
    holds, _ = _room()
    for _ in range(5):
        grant = granted(holds.claim("ada", "old", 0, 0.0))
        holds.leave("ada", 0.0)
    for number in range(REMEMBERED + 1):
        granted(holds.claim("ada", str(number), 0, 100.0))
        holds.leave("ada", 100.0)
    assert grant.sequence == 9
    assert granted(holds.claim("ada", "old", 0, 200.0)).sequence == 11


def test_pos_31_what_was_held_last_is_remembered_longest() -> None:
    holds, _ = _room()
    for key in ("chair", *map(str, range(REMEMBERED - 1)), "chair", "one more"):
        grant = granted(holds.claim("ada", key, 0, 0.0))
        holds.leave("ada", 0.0)
    assert grant.sequence == 1
    assert granted(holds.claim("ada", "chair", 4, 0.0)).sequence == 5
    assert granted(holds.claim("ada", "0", 2, 0.0)).sequence == 3, "forgotten, and not moved since"


def test_pos_31_after_the_highest_number_comes_one() -> None:
    holds, _ = _room()
    holds._forgotten = MOST - 1
    grant = granted(holds.claim("ada", "chair", 0, 0.0))
    (end,) = ends(holds.release("ada", grant.object_slot, grant.sequence, 0.0))
    assert (grant.sequence, end.sequence) == (MOST, 1)


@pytest.mark.parametrize("reason", [each for each in Denial if each.value > Denial.OLD_SEQUENCE])
def test_pos_32_who_may_not_is_told_why(reason: Denial) -> None:
    holds, house = _room()
    house.refused["chair"] = reason
    assert denied(holds.claim("ada", "chair", 0, 0.0)) == (reason, 0)
    assert denied(holds.force("host", "chair", 0.0)) == (reason, 0)
    assert holds.standing() == []


def test_pos_32_nobody_holds_more_than_two_hands_can() -> None:
    holds, _ = _room()
    grants = [granted(holds.claim("host", str(n), 0, 0.0)) for n in range(HELD_AT_ONCE)]
    assert denied(holds.claim("host", "more", 0, 0.0)) == (Denial.TOO_MANY, 0)
    assert denied(holds.force("host", "more", 0.0)) == (Denial.TOO_MANY, 0)
    assert granted(holds.claim("ada", "more", 0, 0.0)).holder == "ada"
    assert len(ends(holds.force("host", "3", 0.0))) == 1, "it is one of those they hold"
    holds.release("host", grants[0].object_slot, grants[0].sequence, 0.0)
    assert len(ends(holds.force("host", "more", 0.0))) == 1


def test_pos_34_a_host_takes_an_object_from_whoever_holds_it() -> None:
    holds, _ = _room()
    first = granted(holds.claim("ada", "chair", 0, 0.0))
    holds.take_transforms("ada", [at(first, 1)], 1, 0.0)
    assert denied(holds.force("ben", "chair", 0.0)) == (Denial.MAY_NOT_EDIT, 1)
    landed, end, grant = holds.force("host", "chair", 0.1)
    assert landings((landed,)) == [("chair", (1.0, 0.0, 0.0), "ada")]
    assert end == Ended("chair", first.object_slot, 2, "ada", EndReason.FORCED)
    assert isinstance(grant, Granted)
    assert (grant.sequence, grant.holder) == (3, "host")
    assert grant.object_slot != first.object_slot
    assert holds.take_transforms("ada", [at(first, 2)], 2, 0.1) == 1
    assert holds.release("ada", first.object_slot, first.sequence, 0.1) == ()
    assert granted(holds.force("host", "table", 0.1)).sequence == 1, "nobody held it"


# Ends


def test_pos_33_a_hold_lasts_while_its_holder_is_heard_of() -> None:
    holds, _ = _room()
    grant = granted(holds.claim("ada", "chair", 0, 0.0))
    granted(holds.claim("ben", "table", 0, 0.0))
    holds.take_transforms("ada", [at(grant, 1)], 1, 0.0)
    holds.renew("ben", 1.0)
    holds.renew("nobody", 1.0)
    assert ends(holds.tick(LEASE_SECONDS - 0.01)) == []
    effects = holds.tick(LEASE_SECONDS)
    assert [(end.object_id, end.reason) for end in ends(effects)] == [("chair", EndReason.EXPIRED)]
    assert [hold.object_id for hold in holds.standing()] == ["table"]
    assert granted(holds.claim("eve", "chair", 2, LEASE_SECONDS)).holder == "eve"
    assert [end.object_id for end in ends(holds.tick(LEASE_SECONDS + 1.0))] == ["table"]


def test_pos_33_a_claim_alone_is_no_sign_of_life() -> None:
    holds, _ = _room()
    granted(holds.claim("ada", "chair", 0, 0.0))
    granted(holds.claim("ada", "table", 0, LEASE_SECONDS - 0.1))
    assert len(ends(holds.tick(LEASE_SECONDS))) == 2


def test_pos_33_who_leaves_lets_go_of_everything() -> None:
    holds, _ = _room()
    grants = [granted(holds.claim("ada", key, 0, 0.0)) for key in ("chair", "table")]
    holds.take_transforms("ada", [at(grants[1], 7)], 1, 0.0)
    effects = holds.leave("ada", 0.5)
    assert [end.reason for end in ends(effects)] == [EndReason.LEFT] * 2
    assert landings(effects) == [("table", (7.0, 0.0, 0.0), "ada")]
    assert holds.leave("ada", 0.5) == ()
    assert holds.changed_since(-1) == []


def test_pos_33_only_its_holder_releases_it_and_only_this_hold() -> None:
    holds, _ = _room()
    grant = granted(holds.claim("ada", "chair", 0, 0.0))
    assert holds.release("ben", grant.object_slot, grant.sequence, 0.0) == ()
    assert holds.release("ada", grant.object_slot, grant.sequence + 1, 0.0) == ()
    assert holds.release("ada", grant.object_slot + 1, grant.sequence, 0.0) == ()
    assert len(holds.release("ada", grant.object_slot, grant.sequence, 0.0)) == 1


def test_pos_35_what_may_not_be_held_any_more_is_let_go_of() -> None:
    holds, house = _room()
    grant = granted(holds.claim("ada", "chair", 0, 0.0))
    granted(holds.claim("ben", "table", 0, 0.0))
    holds.take_transforms("ada", [at(grant, 1)], 1, 0.0)
    holds.tick(0.0)
    house.refused["ada"] = Denial.MAY_NOT_EDIT
    assert holds.tick(REVIEW_SECONDS - 0.01) == ()
    effects = holds.tick(REVIEW_SECONDS)
    assert landings(effects) == [("chair", (1.0, 0.0, 0.0), "ada")], "others saw it there"
    assert [end.reason for end in ends(effects)] == [EndReason.WITHDRAWN]
    house.refused["table"] = Denial.NO_OBJECT
    assert [end.object_id for end in ends(holds.tick(1.0))] == ["table"]


# Transforms


def test_pos_35_what_is_deleted_is_held_no_longer_and_written_nowhere() -> None:
    holds, _ = _room()
    grant = granted(holds.claim("ada", "chair", 0, 0.0))
    holds.take_transforms("ada", [at(grant, 1)], 1, 0.0)
    (end,) = holds.withdraw("chair", 0.1)
    assert isinstance(end, Ended)
    assert (end.sequence, end.holder, end.reason) == (2, "ada", EndReason.WITHDRAWN)
    assert holds.withdraw("chair", 0.1) == ()
    assert len(holds) == 0


def test_pos_36_only_the_holders_transforms_of_this_hold_count() -> None:
    holds, _ = _room()
    grant = granted(holds.claim("ada", "chair", 0, 0.0))
    assert holds.take_transforms("ada", [at(grant, 1)], 1, 0.0) == 0
    stale = at(grant, 2)._replace(sequence=grant.sequence + 1)
    foreign = at(grant, 3)._replace(object_slot=grant.object_slot + 1)
    assert holds.take_transforms("ada", [stale, foreign], 2, 0.0) == 2
    assert holds.take_transforms("ben", [at(grant, 4)], 2, 0.0) == 1
    assert [decode_transform(record).position for record in holds.changed_since(0)] == [
        (1.0, 0.0, 0.0)
    ]


def test_pos_36_of_an_object_that_a_pose_names_often_the_last_place_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each that counts is decoded: a pose may name two objects 255 times."""
    holds, _ = _room()
    chair, table = (granted(holds.claim("ada", key, 0, 0.0)) for key in ("chair", "table"))
    read: list[bytes] = []

    def counted(record: bytes) -> Transform:
        read.append(record)
        return decode_transform(record)

    monkeypatch.setattr("crdt_docs.holds.decode_transform", counted)
    moved = [at(each, place) for place in range(127) for each in (chair, table)]
    stray = at(chair, 1)._replace(sequence=chair.sequence + 1)
    assert holds.take_transforms("ada", [*moved, stray], 1, 0.0) == 1
    assert read == [at(chair, 126).record, at(table, 126).record]
    assert holds.changed_since(0) == read[::-1]


def test_pos_36_of_a_large_number_the_lowest_bits_count() -> None:
    holds, _ = _room()
    holds._forgotten = 0x1FFFE
    grant = granted(holds.claim("ada", "chair", 0, 0.0))
    assert grant.sequence == 0x1FFFF
    assert holds.take_transforms("ada", [at(grant, 1)], 1, 0.0) == 0


def test_pos_37_everybody_is_told_what_changed_since_they_were_told_last() -> None:
    holds, _ = _room()
    chair, table, lamp = (
        granted(holds.claim("ada", key, 0, 0.0)) for key in ("chair", "table", "lamp")
    )
    holds.take_transforms("ada", [at(chair, 1), at(table, 1)], 1, 0.0)
    holds.take_transforms("ada", [at(table, 2), at(chair, 1)], 2, 0.0)
    assert holds.changed_since(0) == [at(table, 2).record, at(chair, 1).record]
    assert holds.changed_since(1) == [at(table, 2).record], "the chair is where it was"
    assert holds.changed_since(2) == []
    holds.release("ada", table.object_slot, table.sequence, 0.0)
    assert holds.changed_since(-1) == [at(chair, 1).record]
    assert lamp in holds.standing()


def test_pos_37_who_missed_a_scale_learns_it_from_the_next_record() -> None:
    holds, _ = _room()
    grant = granted(holds.claim("ada", "chair", 0, 0.0))
    holds.take_transforms("ada", [at(grant, 1, scale=(2.0, 2.0, 2.0))], 1, 0.0)
    holds.take_transforms("ada", [at(grant, 2)], 2, 0.0)
    assert holds.changed_since(1) == [at(grant, 2, scale=(2.0, 2.0, 2.0)).record]
    holds.take_transforms("ada", [at(grant, 2, scale=(3.0, 3.0, 3.0))], 3, 0.0)
    (landed, _) = holds.leave("ada", 0.0)
    assert isinstance(landed, Landed)
    assert landed.transform.scale == (3.0, 3.0, 3.0)


# What is written down


def test_pos_38_what_rests_is_written_down_once_and_again_when_it_has_moved() -> None:
    holds, _ = _room()
    grant = granted(holds.claim("ada", "chair", 0, 0.0))
    told = []
    for tick in range(100):
        now = tick / 10
        place = 1 if now < 3 else 2 if now < 6 else 2 + tick / 10
        holds.renew("ada", now)
        holds.take_transforms("ada", [at(grant, place)], tick, now)
        told += [(round(now, 1), position[0]) for _, position, _ in landings(holds.tick(now))]
    assert told == [(REST_SECONDS, 1.0), (3 + REST_SECONDS, 2.0)]
    effects = holds.release("ada", grant.object_slot, grant.sequence, 10.0)
    assert landings(effects) == [("chair", (11.9, 0.0, 0.0), "ada")]


def test_pos_38_what_rests_is_found_behind_what_moves() -> None:
    holds, _ = _room()
    still, moving = (granted(holds.claim("ada", key, 0, 0.0)) for key in ("chair", "table"))
    told = []
    for tick in range(20):
        now = tick / 10
        holds.take_transforms("ada", [at(moving, tick)], tick, now)
        if tick == 1:
            holds.take_transforms("ada", [at(still, 1)], tick, now)
        told += landings(holds.tick(now))
    assert told == [("chair", (1.0, 0.0, 0.0), "ada")]


def test_pos_38_a_hand_that_trembles_is_at_rest() -> None:
    holds, _ = _room()
    grant = granted(holds.claim("ada", "chair", 0, 0.0))
    told = 0
    for tick in range(40):
        now = tick / 10
        half = radians(0.04) / 2 * (tick % 2)
        trembling = at(grant, 1 + tick % 2 / 1000, rotation=(sin(half), 0.0, 0.0, cos(half)))
        holds.renew("ada", now)
        holds.take_transforms("ada", [trembling], tick, now)
        told += len(landings(holds.tick(now)))
    assert told == 1
    assert len(landings(holds.leave("ada", 4.0))) == 1, "a millimetre from where it was written"


@pytest.mark.parametrize(
    ("position", "degrees", "scale"), [(1.002, 0.0, 1.0), (1.0, 0.08, 1.0), (1.0, 0.0, 1.1)]
)
def test_pos_38_what_is_more_than_trembling_is_a_move(
    position: float, degrees: float, scale: float
) -> None:
    holds, _ = _room()
    grant = granted(holds.claim("ada", "chair", 0, 0.0))
    holds.take_transforms("ada", [at(grant, 1, scale=(1.0, 1.0, 1.0))], 1, 0.0)
    half = radians(degrees) / 2
    moved = at(grant, position, rotation=(0.0, sin(half), 0.0, cos(half)), scale=(scale, 1.0, 1.0))
    holds.take_transforms("ada", [moved], 2, 0.5)
    assert landings(holds.tick(1.25)) == []
    assert len(landings(holds.tick(1.5))) == 1


def test_pos_38_the_same_rotation_has_two_spellings() -> None:
    holds, _ = _room()
    grant = granted(holds.claim("ada", "chair", 0, 0.0))
    for tick, (x, w) in enumerate([(0.7072, -0.707), (0.707, -0.7072)]):
        up = at(grant, 1, rotation=(x, 0.0, 0.0, w))
        assert (decode_transform(up.record).rotation[0] > 0) == (tick == 0), "the largest is"
        holds.take_transforms("ada", [up], tick, tick * 0.9)
    assert len(landings(holds.tick(REST_SECONDS))) == 1


def test_pos_38_what_was_not_moved_is_not_written() -> None:
    holds, _ = _room()
    grant = granted(holds.claim("ada", "chair", 0, 0.0))
    assert holds.tick(4.0) == ()
    assert landings(holds.release("ada", grant.object_slot, grant.sequence, 4.0)) == []
    grant = granted(holds.claim("ada", "chair", 0, 4.0))
    holds.take_transforms("ada", [at(grant, 1)], 1, 4.0)
    assert len(landings(holds.tick(5.0))) == 1
    assert landings(holds.leave("ada", 5.0)) == [], "it is where it was written"


# Slots


def test_pos_40_a_slot_means_nothing_for_a_while_after_it_was_used() -> None:
    slots = ObjectSlots()
    first = slots.take(0.0)
    assert first is not None
    slots.give_back(first, 1.0)
    assert slots.take(1.0 + QUARANTINE_SECONDS - 0.01) != first
    assert slots.take(1.0 + QUARANTINE_SECONDS) == first


def test_pos_40_where_no_slot_is_left_nothing_is_granted() -> None:
    holds, _ = _room()
    holds._slots._fresh = SLOTS - 1
    grant = granted(holds.claim("ada", "chair", 0, 0.0))
    assert grant.object_slot == SLOTS - 1
    assert denied(holds.force("host", "chair", 0.0)) == (Denial.TOO_MANY, 1)
    assert holds.standing() == [grant], "it stays where it is"
    holds.leave("ada", 0.0)
    assert denied(holds.claim("ada", "chair", 0, 1.0)) == (Denial.TOO_MANY, 2)
    assert granted(holds.claim("ada", "chair", 0, QUARANTINE_SECONDS)).object_slot == SLOTS - 1


# All of it, at random

PEOPLE = ("ada", "ben", "eve", "host")
OBJECTS = ("chair", "table", "lamp", "plant", "board")


@dataclass
class _Model:
    """What a room must look like after effects that were told one by one.

    Attributes:
        sequences: the highest number told of each object.
        moved: where each held object was last, if it moved since it was written down.
        heard: when each participant was heard of last.
    """

    held: dict[str, Granted[str]] = field(default_factory=dict)
    sequences: dict[str, int] = field(default_factory=dict)
    moved: dict[str, float] = field(default_factory=dict)
    heard: dict[str, float] = field(default_factory=dict)
    slot_free: dict[int, float] = field(default_factory=dict)
    now: float = 0.0

    def follow(self, effects: Effects) -> None:
        """Take what was told, and see that it may be told."""
        for effect in effects:
            match effect:
                case Granted():
                    self._grow(effect.object_id, effect.sequence)
                    assert effect.object_id not in self.held, "one holder at a time"
                    assert self.slot_free.get(effect.object_slot, -1.0) <= self.now
                    assert all(effect.object_slot != h.object_slot for h in self.held.values())
                    self.held[effect.object_id] = effect
                    self.heard.setdefault(effect.holder, self.now)
                case Ended():
                    self._grow(effect.object_id, effect.sequence)
                    grant = self.held.pop(effect.object_id)
                    assert (grant.holder, grant.object_slot) == (effect.holder, effect.object_slot)
                    assert effect.object_id not in self.moved, "what moved was written down before"
                    self.slot_free[effect.object_slot] = self.now + QUARANTINE_SECONDS
                    if not self.of(effect.holder):
                        del self.heard[effect.holder]
                case Landed():
                    grant = self.held[effect.object_id]
                    assert grant.holder == effect.holder
                    place = self.moved.pop(effect.object_id)
                    assert effect.transform.position == (place, 0.0, 0.0)
                case Denied():
                    assert effect.sequence == self.sequences.get(effect.object_id, 0)

    def of(self, holder: str) -> list[Granted[str]]:
        """What somebody holds."""
        return [grant for grant in self.held.values() if grant.holder == holder]

    def meant(self, holder: str, grant: Granted[str]) -> Granted[str] | None:
        """What somebody holds now under the numbers of this grant: long after it has ended, they
        may be those of another."""
        numbers = (grant.object_slot, grant.sequence)
        for hold in self.of(holder):
            if (hold.object_slot, hold.sequence) == numbers:
                return hold
        return None

    def _grow(self, object_id: str, sequence: int) -> None:
        assert sequence > self.sequences.get(object_id, 0)
        self.sequences[object_id] = sequence


class _Scene:
    """People who grab, move and drop things at random."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.holds, self.house = _room()
        self.model = _Model()
        self.ever: list[Granted[str]] = []
        self.tick = 0

    def step(self) -> None:
        """One of them does one thing, and some time goes by."""
        rng, model, holds = self.rng, self.model, self.holds
        who, what = rng.choice(PEOPLE), rng.choice(OBJECTS)
        match rng.randrange(10):
            case 0 | 1:
                known = rng.choice([0, 0, model.sequences.get(what, 0), rng.randrange(5)])
                effects = holds.claim(who, what, known, model.now)
                is_free = what not in model.held and known in (0, model.sequences.get(what, 0))
                assert isinstance(effects[-1], Granted) == is_free
            case 2:
                effects = holds.force(who, what, model.now)
                assert isinstance(effects[-1], Granted) == (who == "host")
            case 3:
                effects = self._release(who)
            case 4 if rng.random() < 0.2:
                effects = holds.leave(who, model.now)
                assert len(ends(effects)) == len(model.of(who))
            case 5 | 6 | 7:
                effects = self._move(who)
            case _:
                effects = self._wait()
        self.ever += [effect for effect in effects if isinstance(effect, Granted)]
        model.follow(effects)
        assert {grant.object_id: grant for grant in holds.standing()} == model.held

    def _release(self, who: str) -> Effects:
        if not self.ever:
            return ()
        grant = self.rng.choice(self.ever)
        effects = self.holds.release(who, grant.object_slot, grant.sequence, self.model.now)
        assert len(ends(effects)) == (self.model.meant(who, grant) is not None)
        return effects

    def _move(self, who: str) -> Effects:
        """A pose, with things that are held now, by whomever, or were once."""
        model = self.model
        self.tick += 1
        grants = self.rng.sample(self.ever, min(3, len(self.ever)))
        place = float(self.tick)
        dropped = self.holds.take_transforms(
            who, [at(grant, place) for grant in grants], self.tick, model.now
        )
        meant = [hold for grant in grants if (hold := model.meant(who, grant)) is not None]
        assert dropped == len(grants) - len(meant), "nobody else's transforms count"
        model.moved.update((hold.object_id, place) for hold in meant)
        assert len(self.holds.changed_since(self.tick - 1)) == len({*meant})
        self.holds.renew(who, model.now)
        if who in model.heard:
            model.heard[who] = model.now
        return ()

    def _wait(self) -> Effects:
        model = self.model
        model.now += self.rng.choice([0.05, 0.3, 1.5, 6.0])
        late = {who for who, heard in model.heard.items() if model.now - heard >= LEASE_SECONDS}
        effects = self.holds.tick(model.now)
        assert {end.holder for end in ends(effects)} == late
        return effects


@pytest.mark.parametrize("seed", range(few_or_many(10, 300)))
def test_pos_38_whatever_happens_one_holds_it_and_each_move_is_written_down_once(seed: int) -> None:
    """POS-30, POS-31, POS-33, POS-36 and POS-40, too: what the model asserts."""
    scene = _Scene(seed)
    for _ in range(400):
        scene.step()
    for who in PEOPLE:
        scene.model.follow(scene.holds.leave(who, scene.model.now))
    assert not scene.model.held
    assert not scene.model.moved, "every move ended in the document"
    holds = scene.holds
    assert not any((holds._held, holds._hands, holds._moving, holds._changed))
