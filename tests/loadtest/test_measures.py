"""What one process measures, when it counts, and all processes together."""

from __future__ import annotations

import orjson

from loadtest.histogram import place_of
from loadtest.measures import MOST_ERRORS, OTHERS, Count, Delay, Measures, Totals
from loadtest.second import Second, Use, merge_seconds
from tests.loadtest.runs import MILLISECOND, SECOND, measured_run


def _totals(*measures: Measures) -> Totals:
    """Of processes; through JSON, as between them."""
    return Totals.merge(orjson.loads(orjson.dumps(each.dump())) for each in measures)


def _begun(at: int = 0) -> Measures:
    measures = Measures()
    measures.begin(at)
    return measures


def test_while_people_arrive_only_joins_count() -> None:
    measures = Measures()
    for what in Delay:
        measures.delay(what, SECOND, MILLISECOND)
    for each in Count:
        measures.count(each)
    measures.begin(SECOND)
    totals = _totals(measures)
    assert [name for name, each in totals.delays.items() if each.count] == ["join"]
    assert [name for name, times in totals.counts.items() if times] == ["joined", "left"]


def test_a_delay_that_began_before_the_measuring_is_left_out() -> None:
    measures = _begun(at=10 * SECOND)
    measures.delay(Delay.SEEN, 10 * SECOND + 5, 6)
    measures.delay(Delay.SEEN, 10 * SECOND + 5, 5)
    assert _totals(measures).delays["seen"].count == 1


def test_what_is_seen_after_the_end_counts_and_what_happens_then_does_not() -> None:
    measures = _begun()
    measures.count(Count.FRAMES_IN, 3)
    measures.end()
    measures.count(Count.FRAMES_IN, 5)
    measures.delay(Delay.SEEN, 9 * SECOND, 8 * SECOND)
    totals = _totals(measures)
    assert totals.counts["frames_in"] == 3
    assert totals.delays["seen"].count == 1


def test_the_hot_path_counts_where_a_histogram_does() -> None:
    for delay in (-1, 0, 2047, 2048, 2049, 10**6 + 1, 10**12):
        measures = Measures()
        measures.delay(Delay.JOIN, 0, delay * 1000, weight=3)
        assert _totals(measures).delays["join"].pairs() == [(place_of(delay), 3)]


def test_a_second_is_what_happened_since_the_one_before() -> None:
    measures = _begun()
    measures.count(Count.JOINED, 4)
    measures.count(Count.FRAMES_IN, 7)
    measures.delay(Delay.SEEN, SECOND, 2 * MILLISECOND)
    first = _second(measures)
    measures.count(Count.LEFT)
    second = _second(measures)
    assert (first.frames, first.connected, first.seen_p50) == (7, 4, 2.0)
    assert (second.frames, second.connected, second.seen_p50) == (0, 3, None)


def _second(*measures: Measures, now: int = 0) -> Second:
    ticks = [orjson.loads(orjson.dumps(each.tick(now))) for each in measures]
    return merge_seconds(0, ticks, Use())


def test_a_second_in_which_the_measuring_begins_is_whole_and_not_measured() -> None:
    measures = Measures()
    measures.tick(SECOND)
    measures.count(Count.FRAMES_IN, 3)
    measures.delay(Delay.SEEN, 2 * SECOND, MILLISECOND)
    measures.begin(2 * SECOND)
    measures.count(Count.FRAMES_IN, 4)
    both = _second(measures, now=2 * SECOND + 1)
    assert (both.frames, both.seen_p50, both.is_measured) == (7, 1.0, False)
    assert _second(measures, now=3 * SECOND).is_measured
    assert _totals(measures).counts["frames_in"] == 4


def test_a_second_of_many_processes_is_one_second() -> None:
    slow, fast = _begun(), _begun()
    for each, delay in ((slow, 90), (fast, 10)):
        each.count(Count.MARKS_SEEN, 5)
        for _ in range(50):
            each.delay(Delay.SEEN, SECOND, delay * MILLISECOND)
    slow.close(1011, "")
    second = _second(slow, fast)
    assert second.is_measured
    assert second.marks == 10
    assert second.closes == 1
    assert (second.seen_p50, second.seen_p95) == (10.007, 90.047)


def test_a_second_that_begins_with_the_measuring_is_measured() -> None:
    measures = Measures()
    measures.tick(SECOND + 1)  # told a little late, and
    measures.begin(SECOND)  # begun later still, but when it was due
    assert _second(measures, now=2 * SECOND).is_measured
    measures.end()
    assert not _second(measures, now=3 * SECOND).is_measured


def test_a_run_is_measured_when_it_is_for_all_processes() -> None:
    assert not _second(_begun(), Measures()).is_measured


def test_totals_are_the_sum_of_the_seconds() -> None:
    run = measured_run()
    measured = [each for each in run.series if each.is_measured]
    assert len(measured) == run.plan.seconds
    assert run.totals.counts["frames_in"] == sum(each.frames for each in measured)
    assert run.totals.delays["seen"].count == 300 * len(measured) * run.plan.processes


def test_ends_are_counted_by_code_and_their_reasons_are_errors() -> None:
    one, other = Measures(), Measures()
    one.close(0, "")
    one.close(1011, "it broke")
    other.close(1011, "it broke")
    totals = _totals(one, other)
    assert totals.closes == {"0": 1, "1011": 2}
    assert totals.errors == {"closed with 1011: it broke": 2}


def test_all_errors_are_counted_and_few_texts_kept() -> None:
    measures = Measures()
    for number in range(MOST_ERRORS + 30):
        measures.error(f"error {number}")
    measures.error("error 0")
    errors = _totals(measures).errors
    assert len(errors) == MOST_ERRORS + 1
    assert errors["error 0"] == 2
    assert errors[OTHERS] == 30
