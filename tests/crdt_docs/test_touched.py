"""Which objects were touched: told exactly enough, whatever else is in a document."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text, TransactionEvent, UndoManager, XmlFragment, XmlText

from crdt_docs.errors import Malformed
from crdt_docs.object_reader import ObjectReader
from crdt_docs.outline import Outline
from crdt_docs.ownership import NOBODY, Ownership
from crdt_docs.touched import touched
from crdt_docs.update_guard import walk_update
from tests.helpers.corpus import Recording, recordings
from tests.helpers.editors import session
from tests.helpers.proving import few_or_many
from tests.helpers.raw_updates import (
    TRUE,
    collected,
    item,
    section,
    shared_type,
    text,
    update,
    values,
)

MAP, TEXT = shared_type(1), shared_type(2)
VALUE = values(TRUE)


class Touched:
    """What updates touched since somebody last asked."""

    def __init__(self, roots: Iterable[str] = ("objects", "annotations")) -> None:
        self.ownership = Ownership(roots)
        self.noted: list[bytes] = []

    def loading(self, update: bytes) -> Iterator[None]:
        yield from self.ownership.absorb(update, deletions=False)

    def note(self, emitted: bytes) -> None:
        self.noted.append(emitted)

    def take(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for emitted in self.noted:
            for (root, key), _, _ in touched(self.ownership, emitted):
                found.setdefault(root, set()).add(key)
        self.noted.clear()
        return found


class Watched:
    """A document, and what is told of it."""

    def __init__(self, roots: Iterable[str] = ("objects", "annotations")) -> None:
        self.doc: Doc[Any] = Doc(client_id=1)
        self.roots = tuple(roots)
        self.maps = {root: self.doc.get(root, type=Map) for root in self.roots}
        self.touched = Touched(roots)
        self.reader = ObjectReader(self.doc, roots)
        self.emitted: list[bytes] = []
        self._subscription = self.doc.observe(self._note)

    def _note(self, event: TransactionEvent) -> None:
        self.emitted.append(event.update)
        self.touched.note(event.update)

    def close(self) -> None:
        self.doc.unobserve(self._subscription)

    def json(self) -> dict[tuple[str, str], Any]:
        """Every entry of the root maps, as yrs encodes it in the whole."""
        entries = {}
        for root, root_map in self.maps.items():
            with self.doc.transaction() as transaction:
                whole = json.loads(root_map.integrated.to_json(transaction._txn))
            entries.update({(root, key): value for key, value in whole.items()})
        return entries

    def seen(self) -> dict[tuple[str, str], Any]:
        """Every entry of the root maps, as it is read, with its formats."""
        return {(root, key): self.reader.read(root, key) for root, key in self.json()}

    def take(self) -> set[tuple[str, str]]:
        return {(root, key) for root, keys in self.touched.take().items() for key in keys}


def _without_formats(value: Any) -> Any:
    """What yrs shows of a value: formatted texts as plain ones."""
    if isinstance(value, dict):
        if value.keys() == {"delta"}:
            parts = [part["insert"] for part in value["delta"]]
            return "".join(part for part in parts if isinstance(part, str))
        return {key: _without_formats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_formats(item) for item in value]
    return value


def _differing(before: dict[Any, Any], after: dict[Any, Any]) -> set[Any]:
    absent = object()
    return {
        key
        for key in before.keys() | after.keys()
        if before.get(key, absent) != after.get(key, absent)
    }


Watch = Callable[..., Watched]


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Makes watched documents, and lets go of them."""
    made = []

    def make(*roots: str) -> Watched:
        made.append(Watched(roots or ("objects", "annotations")))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def board(watch: Watch) -> Watched:
    """A document with objects that were made before anybody asked."""
    watched = watch()
    objects = watched.maps["objects"]
    properties = {"text": Text("hello"), "points": Array([1, Map({"q": 1}), 3])}
    objects["a"] = Map({"object_type": "sticky", "properties": Map(properties)})
    objects["b"] = Map({"object_type": "shape"})
    objects["plain"] = {"object_type": "shape"}
    watched.maps["annotations"]["n"] = Map({"content": Text("so")})
    watched.doc.get("meta", type=Map)["title"] = "board"
    watched.take()
    return watched


Edit = Callable[[Watched], object]


def _a(watched: Watched) -> Map[Any]:
    found: Map[Any] = watched.maps["objects"]["a"]
    return found


def _undo(watched: Watched) -> None:
    undo = UndoManager(scopes=[watched.maps["objects"]], capture_timeout_millis=0)
    del watched.maps["objects"]["a"]
    assert watched.take() == {("objects", "a")}
    assert undo.undo()


def _use_as_list(watched: Watched) -> None:
    other: Doc[Any] = Doc()
    other["objects"] = Array([1, Map({"k": Map({"deep": 1})}), "x"])
    watched.doc.apply_update(other.get_update())


def _use_as_text(watched: Watched) -> None:
    other: Doc[Any] = Doc()
    other["objects"] = words = Text("hello")
    words.insert_embed(1, Map({"k": 1}))
    watched.doc.apply_update(other.get_update())


A, B = ("objects", "a"), ("objects", "b")


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda w: w.maps["objects"].update({"c": Map({})}), {("objects", "c")}),
        (lambda w: w.maps["objects"].update({"c": 5}), {("objects", "c")}),
        (lambda w: w.maps["objects"].update({"plain": None}), {("objects", "plain")}),
        (lambda w: w.maps["objects"].pop("plain"), {("objects", "plain")}),
        (lambda w: w.maps["objects"].pop("a"), {A}),
        (lambda w: w.maps["objects"].update({"a": Map({"object_type": "x"})}), {A}),
        (lambda w: _a(w).update({"layer": 3}), {A}),
        (lambda w: _a(w).pop("object_type"), {A}),
        (lambda w: _a(w)["properties"].update({"color": "red"}), {A}),
        (lambda w: _a(w)["properties"]["text"].insert(2, "x"), {A}),
        (lambda w: _a(w)["properties"]["text"].format(0, 2, {"bold": True}), {A}),
        (lambda w: _a(w)["properties"]["text"].clear(), {A}),
        (lambda w: _a(w)["properties"]["points"].append(4), {A}),
        (lambda w: _a(w)["properties"]["points"].insert(0, Map({"deep": Text("x")})), {A}),
        (lambda w: _a(w)["properties"]["points"][1].update({"q": 2}), {A}),
        (lambda w: _a(w)["properties"]["points"].pop(0), {A}),
        (lambda w: w.maps["objects"].clear(), {A, B, ("objects", "plain")}),
        (lambda w: w.maps["annotations"]["n"]["content"].insert(0, "x"), {("annotations", "n")}),
        (lambda w: w.doc.get("meta", type=Map).update({"a": Map({"x": Text("y")})}), set()),
        (lambda w: w.doc.get("list", type=Array).append(Map({"a": 1})), set()),
        (lambda w: w.doc.get("objects2", type=Map).update({"a": 1}), set()),
        (_undo, {A}),
        (_use_as_list, set()),
        (_use_as_text, set()),
    ],
)
def test_prj_6_what_an_edit_touches(
    board: Watched, edit: Edit, expected: set[tuple[str, str]]
) -> None:
    before = board.seen()
    edit(board)
    assert board.take() == expected
    assert _differing(before, board.seen()) <= expected
    assert board.take() == set()


def test_prj_6_several_transactions_until_somebody_asks(board: Watched) -> None:
    _a(board)["layer"] = 1
    board.maps["objects"]["b"]["layer"] = 2
    board.maps["objects"]["new"] = Map({"properties": Map({})})
    board.maps["objects"]["new"]["properties"]["x"] = 1
    assert board.touched.take() == {"objects": {"a", "b", "new"}}


def test_prj_6_ten_thousand_at_once(watch: Watch) -> None:
    watched = watch()
    objects = watched.maps["objects"]
    ids = {f"o{number}" for number in range(10_000)}
    with watched.doc.transaction():
        for key in sorted(ids):
            objects[key] = Map({"n": 0})
    assert watched.touched.take() == {"objects": ids}
    with watched.doc.transaction():
        for key in sorted(ids):
            objects[key]["n"] = 1
    assert watched.touched.take() == {"objects": ids}
    with watched.doc.transaction():
        objects.clear()
    assert watched.touched.take() == {"objects": ids}
    assert watched.seen() == {}


def _follow(watched: Watched, updates: Iterable[bytes], dice: random.Random) -> tuple[int, int]:
    """Apply updates, several in a transaction at times, and compare what is told with what is.

    Returns how many objects were told of, and how many differed.
    """
    told = differed = 0
    before = watched.seen()
    waiting = list(updates)
    while waiting:
        with watched.doc.transaction():
            for _ in range(dice.choice((1, 1, 1, 2, 5))):
                if waiting:
                    watched.doc.apply_update(waiting.pop(0))
        if dice.random() < 0.3 and waiting:
            continue
        touched = watched.take()
        after = watched.seen()
        assert {key: _without_formats(value) for key, value in after.items()} == watched.json()
        changed = _differing(before, after)
        assert changed <= touched
        told += len(touched)
        differed += len(changed)
        before = after
    return told, differed


@pytest.mark.parametrize("seed", range(few_or_many(6, 300)))
def test_prj_6_everything_that_differs_was_touched(watch: Watch, seed: int) -> None:
    updates, _ = session(seed)
    watched = watch()
    told, differed = _follow(watched, updates, random.Random(seed))
    assert 0 < differed <= told
    # Not everything at any time: what a duplicate repeats is not told again.
    assert told < differed * 2 + 5


@pytest.mark.parametrize("recording", recordings()[::5], ids=lambda recording: recording.name)
def test_prj_6_stock_yjs_too(watch: Watch, recording: Recording) -> None:
    names = {name for each in recording.updates for name in walk_update(each).roots}
    watched = watch(*sorted(names))
    _follow(watched, recording.updates, random.Random(7))


def _owners(ownership: Ownership, state: bytes) -> dict[tuple[int, int], str]:
    """By clock, the keys of the objects to which structs belong."""
    found = {}
    for client, start, end in walk_update(state).ranges:
        for clock in range(start, end):
            owner = ownership.owner_of(client, clock)
            if owner != NOBODY:
                found[client, clock] = ownership.entries[owner].key
    return found


def _absorbed(*updates: bytes) -> Ownership:
    ownership = Ownership(("objects", "annotations"))
    for each in updates:
        for _ in ownership.absorb(each):
            continue
    return ownership


@pytest.mark.parametrize("recording", recordings()[::5], ids=lambda recording: recording.name)
def test_every_struct_is_counted(recording: Recording) -> None:
    watched = Ownership(())
    outline = Outline()
    for each in recording.updates:
        if not outline.connects(walk_update(each)):
            continue
        outline.absorb(each)
        for _ in watched.absorb(each):
            continue
        assert watched._clocks == outline.clocks


@pytest.mark.parametrize("seed", range(few_or_many(6, 300)))
def test_prj_6_a_loaded_document_knows_what_the_one_before_knew(watch: Watch, seed: int) -> None:
    """What is collected belongs to nobody once it is loaded, and cannot be touched any more."""
    updates, _ = session(seed)
    watched = watch()
    half = len(updates) // 2
    for each in updates[:half]:
        watched.doc.apply_update(each)
    state = watched.doc.get_update()
    live = _owners(_absorbed(*watched.emitted), state)
    loaded = _owners(_absorbed(state), state)
    assert loaded
    assert loaded.items() <= live.items()
    watched.touched = Touched()
    for _ in watched.touched.loading(state):
        continue
    assert watched.take() == set()
    _follow(watched, updates[half:], random.Random(seed))


def test_prj_6_structs_may_stand_before_those_they_build_on() -> None:
    """Clients come in any order, and may build on one another by turns."""
    both = update(
        section(
            9,
            0,
            item(text("b"), origin=(5, 1)),
            item(text("d"), origin=(5, 2)),
            item(VALUE, parent="objects", key="other"),
        ),
        section(
            5,
            0,
            item(TEXT, parent="objects", key="a"),
            item(text("a"), parent=(5, 0)),
            item(text("c"), origin=(9, 0)),
            item(text("e"), origin=(9, 1)),
        ),
    )
    ownership = _absorbed(both)
    keys = [
        [ownership.entries[ownership.owner_of(client, clock)].key for clock in range(5)]
        for client in (5, 9)
    ]
    assert keys == [["a", "a", "a", "a", ""], ["a", "a", "other", "", ""]]
    # What turned out to be of the same owner is one run.
    assert [len(ownership._runs[client]) for client in (5, 9)] == [1, 2]
    touched = Touched()
    touched.note(both)
    assert touched.take() == {"objects": {"a", "other"}}


@pytest.mark.parametrize("is_used", [False, True])
def test_prj_6_who_began_an_object_comes_before_who_went_on_with_it(*, is_used: bool) -> None:
    """Also where another stood in its place before, whatever the order in the update."""
    ownership = _absorbed(update(section(1, 0, item(VALUE, parent="objects", key="a"))))
    place: dict[str, Any] = {"origin": (1, 0)} if is_used else {"parent": "objects", "key": "b"}
    both = update(
        section(9, 0, item(VALUE, parent=(5, 0), key="x"), item(VALUE, origin=(5, 1))),
        section(5, 0, item(MAP, **place), item(VALUE, parent=(5, 0), key="x")),
        section(4, 0),
    )
    assert [touch.client for touch in touched(ownership, both)] == [5, 9]


def test_prj_6_what_an_update_brings_and_deletes_was_not_there_to_be_deleted() -> None:
    ownership = _absorbed(update(section(9, 0, item(VALUE, parent="objects", key="a"))))
    again = section(9, 1, item(VALUE, origin=(9, 0)))
    assert list(touched(ownership, update(again, deletes={9: [(1, 1)]}))) == [(A, 9, False)]
    again = section(9, 2, item(VALUE, origin=(9, 1)))
    assert list(touched(ownership, update(again, deletes={9: [(0, 3)]}))) == [(A, 9, True)]
    assert list(touched(ownership, update(deletes={9: [(2, 1)]}))) == [(A, None, True)]


def test_prj_6_nothing_is_owned_in_a_circle_or_beyond_what_is_known() -> None:
    """The guard lets neither in; but a stored update must not hold up the opening."""
    circle = update(
        section(9, 0, item(text("a"), origin=(5, 0))),
        section(5, 0, item(text("b"), origin=(9, 0)), item(text("c"), right=(77, 3))),
    )
    ownership = _absorbed(circle)
    assert [ownership.owner_of(*place) for place in ((9, 0), (5, 0), (5, 1), (77, 3))] == [0] * 4
    touched = Touched()
    touched.note(circle)
    assert touched.take() == {}


def test_prj_6_placeholders_touch_nothing() -> None:
    touched = Touched()
    touched.note(update(section(9, 0, collected(5))))
    touched.note(update(section(9, 5, item(VALUE, parent="objects", key="a"))))
    assert touched.take() == {"objects": {"a"}}
    # A deletion that reaches from what belongs to nobody into the object.
    touched.note(update(deletes={9: [(2, 4)]}))
    assert touched.take() == {"objects": {"a"}}
    touched.note(update(deletes={9: [(2, 3)], 10: [(0, 5)]}))
    assert touched.take() == {}


def test_prj_6_what_goes_on_after_placeholders_does_not_take_them_over() -> None:
    ownership = _absorbed(
        update(section(9, 0, collected(5))),
        update(section(9, 0, item(values(*[TRUE] * 8), parent="objects", key="a"))),
    )
    owners = [ownership.entries[ownership.owner_of(9, clock)].key for clock in range(9)]
    assert owners == [""] * 5 + ["a"] * 3 + [""]


def test_prj_6_what_is_known_already_is_not_touched_again() -> None:
    first = section(9, 0, item(MAP, parent="objects", key="a"), item(VALUE, parent=(9, 0), key="x"))
    longer = section(
        9,
        0,
        item(MAP, parent="objects", key="a"),
        item(VALUE, parent=(9, 0), key="x"),
        item(VALUE, parent="objects", key="b"),
    )
    touched = Touched()
    touched.note(update(first))
    touched.take()
    touched.note(update(longer))
    assert touched.take() == {"objects": {"b"}}


def test_prj_6_a_long_update_is_loaded_in_steps() -> None:
    doc: Doc[Any] = Doc()
    objects = doc.get("objects", type=Map)
    with doc.transaction():
        for number in range(5_000):
            objects[f"o{number}"] = number
    touched = Touched()
    assert sum(1 for _ in touched.loading(doc.get_update())) >= 4
    sv = doc.get_state()
    del objects["o4321"]
    touched.note(doc.get_update(sv))
    assert touched.take() == {"objects": {"o4321"}}


def test_xml_in_an_object_belongs_to_it(board: Watched) -> None:
    board.maps["objects"]["page"] = page = XmlFragment([XmlText("hey")])
    assert board.take() == {("objects", "page")}
    page.children.append(XmlText("more"))
    assert board.take() == {("objects", "page")}
    assert board.reader.read("objects", "page") == "heymore"


def test_what_belongs_to_whom_can_be_stored() -> None:
    watched = Watched()
    for number in range(200):
        root = watched.maps[watched.roots[number % 2]]
        root[f"k{number % 70} é\U0001f600"] = Map({"text": Text("x" * number)})
    ownership = watched.touched.ownership
    watched.take()
    again = Ownership.from_bytes(ownership.to_bytes(), watched.roots)
    state = watched.doc.get_update()
    assert _owners(again, state) == _owners(ownership, state)
    assert again.entries == ownership.entries
    del watched.maps["objects"]["k0 é\U0001f600"]
    assert [touch.entry.key for touch in touched(again, watched.emitted[-1])] == ["k0 é\U0001f600"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x01nothing",
        b"\x01" + zlib.compress(b"\x05"),
        b"\x01" + zlib.compress(b'\x0d[["else","a"]]\x00'),
    ],
)
def test_what_was_not_stored_so_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        Ownership.from_bytes(data, ("objects",))
