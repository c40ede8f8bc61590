"""Structs as slices of an update."""

from __future__ import annotations

import pytest

from crdt_docs.update_guard import walk_update
from crdt_docs.update_structs import Struct, read_sections
from tests.helpers.corpus import Recording, recordings
from tests.helpers.raw_updates import NULL, collected, item, section, skip, text, update, values


def test_structs_say_where_they_are_and_what_they_name() -> None:
    structs = (
        item(text("é\U0001f600"), origin=(1, 2), right=(3, 4)),
        skip(5),
        item(values(NULL, NULL), parent=(9, 9), key="k"),
        collected(2),
        item(text("x"), parent="root"),
    )
    data = update(section(7, 10, *structs), deletes={7: [(10, 1)]})
    (only,), delete_set_at = read_sections(data)
    stops = [only.start + sum(map(len, structs[: n + 1])) for n in range(len(structs))]
    assert only.client == 7
    assert only.structs == [
        Struct(10, 13, stops[0], is_skip=False, references=((1, 2), (3, 4))),
        Struct(13, 18, stops[1], is_skip=True, references=()),
        Struct(18, 20, stops[2], is_skip=False, references=((9, 9),)),
        Struct(20, 22, stops[3], is_skip=False, references=()),
        Struct(22, 23, stops[4], is_skip=False, references=()),
    ]
    assert delete_set_at == stops[-1]


@pytest.mark.parametrize("recording", recordings(), ids=lambda recording: recording.name)
def test_structs_cover_what_the_guard_says_an_update_brings(recording: Recording) -> None:
    for data in recording.updates:
        facts = walk_update(data)
        sections, _ = read_sections(data)
        assert sum(len(each.structs) for each in sections) == facts.struct_count
        brought = {
            (each.client, clock)
            for each in sections
            for struct in each.structs
            if not struct.is_skip
            for clock in range(struct.clock, struct.end)
        }
        ranged = {
            (client, clock) for client, start, end in facts.ranges for clock in range(start, end)
        }
        assert brought == ranged
