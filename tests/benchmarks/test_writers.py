"""What the generator writes is what Yjs would: the server is measured on honest work."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pycrdt import Doc, Map

from benchmarks import documents, markers
from benchmarks.writers import Writer, client_id
from crdt_docs import messages
from crdt_docs.outline import DocumentLimits, Outline
from crdt_docs.update_guard import walk_update


def _applied(updates: Iterable[bytes]) -> Map[Any]:
    doc: Doc[Any] = Doc()
    for update in updates:
        doc.apply_update(update)
    objects: Map[Any] = doc.get("objects", type=Map)
    return objects


def test_edits_set_one_key_a_person_and_the_last_one_stands() -> None:
    first, second = Writer(1, size=100), Writer(2, size=60)

    objects = _applied([first.update(5), second.update(6), first.update(7), first.update(8)])

    assert set(objects.keys()) == {"key 1", "key 2"}
    assert objects["key 1"].startswith("~bench~000100000003")
    assert [len(objects["key 1"]), len(objects["key 2"])] == [100, 60]


def test_edits_leave_no_gap() -> None:
    writer, outline = Writer(1), Outline()

    for _ in range(200):  # clocks of one byte and of two
        facts = walk_update(writer.update(1))
        assert outline.connects(facts)
        outline.admit(facts, DocumentLimits())

    assert outline.clocks == {client_id(1): 200}


def test_presence_is_one_entry_with_the_size_asked_for() -> None:
    writer = Writer(3, size=120)
    writer.presence(1)

    message = messages.parse(writer.presence(2))

    assert isinstance(message, messages.AwarenessUpdate)
    (entry,) = messages.read_awareness(message.payload)
    assert (entry.client_id, entry.clock, len(entry.state)) == (client_id(3), 2, 120)


def test_a_prefix_goes_before_every_message() -> None:
    writer = Writer(1, prefix=b"\x04room")

    assert writer.edit(1).startswith(b"\x04room\x00\x02")
    assert writer.presence(1).startswith(b"\x04room\x01")


def test_marks_tell_sender_number_and_time() -> None:
    data = b"..".join([markers.mark(markers.tag(7), 1, 111), markers.mark(markers.tag(9), 5, 222)])

    assert markers.newest(data + markers.mark(markers.tag(7), 2, 333)) == {7: 2, 9: 5}
    assert list(markers.sample_times(data, 100)) == [111, 222]


def test_a_sample_is_spread_over_all_marks() -> None:
    data = b"".join(markers.mark(markers.tag(1), n, n).ljust(200) for n in range(100))

    times = list(markers.sample_times(data, 10))

    assert len(times) == 10
    assert max(times) - min(times) > 80


def test_documents_to_begin_with_hold_what_was_asked_for() -> None:
    items = _applied(documents.map_items(1500, 50))
    stickies = _applied(documents.canvas_objects(3))

    assert len(items) == 1500
    assert len(items["item 1499"]) == 50
    assert stickies["item 2"].to_py()["properties"]["text"] == "Note number 2"
