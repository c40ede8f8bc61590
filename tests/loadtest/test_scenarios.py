"""The stories, lived in no time: who does what, when, and how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from pycrdt import Map

import loadtest.scenarios
from crdt_docs.object_kinds import ObjectKind
from crdt_docs.object_schema import schema_fault
from crdt_docs.pose_messages import Device
from crdt_docs.update_guard import walk_update
from loadtest import habits
from loadtest.measures import COUNTS, DELAYS
from loadtest.scenarios import SCENARIOS
from loadtest.scenarios.limits import Unlimited
from loadtest.scenarios.reconnect_storm import SPREAD
from loadtest.scenarios.scenario import Scenario
from tests.loadtest.actors import Actor, ok, played

MESSAGES_A_SECOND = 300
"""That a server of ours takes from a user; three of these seconds' worth at once."""

every_scenario = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)


def busiest_second(times: Iterable[float]) -> int:
    """The most that was done within a second of the clock."""
    return max(Counter(map(int, times)).values(), default=0)


def test_every_file_of_a_scenario_is_listed() -> None:
    files = {each.stem for each in Path(loadtest.scenarios.__file__).parent.glob("*.py")}

    assert files - {"__init__", "scenario"} == set(SCENARIOS)


@every_scenario
def test_it_says_what_it_is_and_what_it_expects(scenario: type[Scenario]) -> None:
    assert scenario.about.endswith(".")
    assert len(scenario.about) < 90
    assert scenario.people >= scenario.rooms > 0
    assert scenario.thresholds
    for each in scenario.thresholds:
        kind, _, name = each.name.partition(".")
        assert kind in DELAYS or (kind == "counts" and name in COUNTS)


@every_scenario
@pytest.mark.parametrize("number", range(4))
async def test_everybody_comes_keeps_to_the_pace_of_people_and_ends_soon_after_the_run(
    scenario: type[Scenario], number: int
) -> None:
    is_flooder = (scenario.name, number) == ("limits", 0)
    actor = await played(scenario.name, number, patience=900 if is_flooder else None)

    assert actor.deeds[0][1] == "join"
    assert actor.end <= actor.now < actor.end + 20
    assert max(actor.times("edit") + actor.times("point"), default=0) < actor.end
    assert busiest_second(actor.times("point")) <= habits.HERTZ + 1
    if not is_flooder:
        assert busiest_second(actor.times("edit") + actor.times("point")) < MESSAGES_A_SECOND / 4


@every_scenario
async def test_what_they_leave_is_valid(scenario: type[Scenario]) -> None:
    kind = ObjectKind.OCW_OBJECT if scenario.kind == "ocw" else ObjectKind.XR_OBJECT
    prepared = list(scenario().prepared())
    for number in (1, 3, 4):
        actor = await played(scenario.name, number)
        for update in actor.contents("edit"):
            walk_update(update)
        for key, state in actor.objects().items():
            assert schema_fault(kind, key, state) is None
        assert len(actor.document(prepared).get("objects", type=Map)) >= len(actor.objects())


async def test_the_same_seed_and_number_live_the_same_story() -> None:
    one, again, other = [await played("whiteboard", number) for number in (2, 2, 3)]

    assert one.deeds == again.deeds
    assert one.deeds != other.deeds


async def test_the_team_at_the_whiteboard_does_all_kinds_of_things() -> None:
    actor = await played("whiteboard", 5, seconds=300.0)

    objects = actor.objects().values()
    assert {each["object_type"] for each in objects} == {"sticky", "drawing", "shape"}
    assert len(objects) <= habits.KEPT + 1
    strokes = [each["properties"]["points"] for each in objects if "points" in each["properties"]]
    assert all(30 <= len(each) <= 80 for each in strokes)
    rate = len(actor.times("edit")) / 300
    assert 1 < rate < 10


async def test_in_a_crowd_only_one_presents() -> None:
    presenter, viewer = await played("crowd", 0), await played("crowd", 1, seconds=60)
    roles = [SCENARIOS["crowd"]().role(place) for place in (0, 1, 199)]

    assert roles == ["host", "viewer", "viewer"]
    assert len(presenter.times("edit")) > 100
    assert viewer.times("edit") == []
    assert viewer.times("point")


async def test_viewers_of_seminars_and_reviews_write_nothing_that_viewers_may_not() -> None:
    for name in ("mixed_campus", "annotation_review"):
        for number in range(6):
            if SCENARIOS[name]().role(number) == "viewer":
                assert (await played(name, number)).objects() == {}


async def test_comments_are_made_on_what_is_there_and_resolved() -> None:
    actor = await played("annotation_review", 1)
    doc = actor.document(list(SCENARIOS["annotation_review"]().prepared()))

    comments = doc.get("annotations", type=Map).to_py().values()
    assert comments
    assert all(each["object_id"] in doc.get("objects", type=Map) for each in comments)
    assert any(each["resolved"] for each in comments)


async def test_in_a_storm_all_are_cut_in_the_same_moment_and_come_back_one_by_one() -> None:
    people = [await played("reconnect_storm", number) for number in (0, 50, 199)]

    cuts = {tuple(round(at, 6) for at in each.times("cut")) for each in people}
    assert len(cuts) == 1
    (storms,) = cuts
    assert len(storms) == 2
    backs = [each.times("rejoin") for each in people]
    for storm, *back in zip(storms, *backs, strict=True):
        assert len(set(back)) == len(back)
        assert all(storm <= at <= storm + SPREAD for at in back)


async def test_slow_readers_stop_for_seconds_and_write_nothing() -> None:
    slow, other = await played("slow_readers", 5), await played("slow_readers", 6)

    stops, starts = slow.times("stop reading"), slow.times("read again")
    assert len(stops) > 1
    assert all(3 <= end - begin <= 8 for begin, end in zip(stops, starts, strict=True))
    assert slow.times("edit") == other.times("stop reading") == []


async def test_in_a_meeting_headsets_carry_and_desktops_drag() -> None:
    headset, desktop = await played("xr_meeting", 0), await played("xr_meeting", 4)

    assert headset.contents("hello") == [Device.VR_HEADSET]
    assert desktop.contents("hello") == [Device.DESKTOP]
    order = [what for _, what, _ in headset.deeds if what in ("claim", "hold", "release")]
    assert order[0] == "claim"
    assert order.count("claim") == order.count("release") > 1
    assert busiest_second(headset.times("hold")) <= 31
    assert len(headset.times("edit")) == 1 < len(desktop.times("edit"))
    assert desktop.times("claim") == []


async def test_who_looks_things_up_searches_reads_and_takes_back() -> None:
    reader, editor = await played("search_and_history", 0), await played("search_and_history", 1)

    calls = Counter(reader.contents("call"))
    assert calls["POST /ocw/sessions/s/objects"] == 1
    assert calls["GET /ocw/search"] == calls["GET /ocw/sessions/s/state"] > 1
    assert calls["PATCH /ocw/sessions/s/objects/made"] > 1
    assert calls["POST /ocw/sessions/s/objects/made/restore"] > 1
    assert len(reader.times("call")) < 20 * 1000 / 60
    assert editor.times("call") == reader.times("edit") == []


# Limits


def slow_down(request: httpx.Request) -> httpx.Response:
    """Too many changes, though something could still be made."""
    if request.method == "POST":
        return ok(request)
    return httpx.Response(429, json={"error": {"code": "RATE_LIMITED"}})


async def test_who_floods_is_sent_away_and_comes_back() -> None:
    flooder = await played("limits", 0, patience=3 * MESSAGES_A_SECOND)

    assert busiest_second(flooder.times("edit")) > 2 * MESSAGES_A_SECOND
    assert len(flooder.times("rejoin")) > 3


async def test_a_flood_that_nobody_stops_is_reported() -> None:
    with pytest.raises(Unlimited, match="flood"):
        await played("limits", 0)


async def test_whoever_is_sent_away_without_a_flood_is_reported() -> None:
    with pytest.raises(Unlimited, match="floods nothing"):
        await played("limits", 5, patience=10)


async def test_a_service_that_is_told_to_slow_down_is_reported_and_a_person_is_not() -> None:
    script = await played("limits", 2, answer=slow_down)

    assert len(script.times("call")) > 100
    assert script.measures.dump()["counts"]["throttled"] == len(script.times("call")) - 1
    with pytest.raises(Unlimited, match="service"):
        await played("limits", 1, answer=slow_down)


async def test_the_service_of_the_limits_is_a_service() -> None:
    limits = SCENARIOS["limits"]()

    assert [limits.role(place) for place in range(4)] == ["editor", "service", "editor", "editor"]


def deeds(actor: Actor) -> set[str]:
    """The kinds of what somebody did."""
    return {what for _, what, _ in actor.deeds}


async def test_a_soak_is_calmer_than_a_whiteboard() -> None:
    calm, usual = [
        await played(name, 3, seconds=200.0, people=50, meetings=1)
        for name in ("soak", "whiteboard")
    ]

    assert deeds(calm) == deeds(usual)
    assert 0.25 < len(calm.times("edit")) / len(usual.times("edit")) < 0.75


async def test_in_a_soak_everybody_goes_from_meeting_to_meeting() -> None:
    actor = await played("soak", 3, seconds=3600.0)

    ends = [actor.plan.end_of(room) for room in range(15)]
    assert actor.plan.meetings == len(ends)
    moves = actor.times("move")
    assert len(moves) == 14
    assert all(0 <= at - end < 20 for at, end in zip(moves, ends, strict=False))
    for begin, end in pairwise([*moves, ends[-1]]):
        assert sum(begin < at < end for at in actor.times("edit")) > 50


def test_even_a_short_soak_has_several_meetings() -> None:
    assert SCENARIOS["soak"]().meetings(60.0) == 3
    assert SCENARIOS["whiteboard"]().meetings(3600.0) == 1
