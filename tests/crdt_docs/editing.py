"""A document that the server edits, and what it may be given to write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from pycrdt import Doc, Map

from crdt_docs.object_edits import SHAPES, TEXT
from crdt_docs.object_reader import ObjectReader
from crdt_docs.outline import DocumentLimits, Outline
from crdt_docs.text_edits import as_text, text_runs
from crdt_docs.update_guard import walk_update

FIELDS = (
    *("object_type", "annotation_type", "position", "size", "rotation", "properties", "layer"),
    *("is_locked", "created_by", "content", "object_id", "resolved", "text", "title", "x", "y"),
    *("width", "height", "more", "transform", "scale", "parent_id", "asset_url", "lifetime", "z"),
)
WORDS = st.text(alphabet="ae\u0301\u4e2d\U0001f600\u200d ", max_size=6)
PARTS = st.fixed_dictionaries(
    {"insert": WORDS | st.just({"image": "x"})},
    optional={"attributes": st.sampled_from([{"bold": True}, {"link": {"href": "y"}}, {}])},
)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(-(2.0**53), 2.0**53)
POINTS = st.fixed_dictionaries({"x": NUMBERS, "y": NUMBERS})
EXTENTS = st.fixed_dictionaries({"width": NUMBERS, "height": NUMBERS})
DELTAS = st.lists(PARTS, max_size=3).map(lambda parts: {"delta": parts})
VECTORS = st.fixed_dictionaries(dict.fromkeys("xyz", NUMBERS))
QUATERNIONS = st.fixed_dictionaries(dict.fromkeys("xyzw", NUMBERS))
LEAVES = st.none() | st.booleans() | NUMBERS | WORDS | POINTS | EXTENTS | VECTORS | DELTAS
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
    ),
    max_leaves=12,
)
OBJECT_VALUES = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6)


class Board:
    """A session's document with its observer; what is written to it passes the guard.

    Attributes:
        emitted: the updates since it was new, or since this was cleared.
    """

    def __init__(self, client_id: int = 7) -> None:
        self.doc: Doc[Any] = Doc(client_id=client_id)
        self.emitted: list[bytes] = []
        self._outline = Outline()
        self._subscription = self.doc.observe(lambda event: self._note(event.update))

    def _note(self, update: bytes) -> None:
        facts = walk_update(update)
        self._outline.admit(facts, DocumentLimits())
        self.emitted.append(update)

    def edit(self, change: Callable[..., Any], *args: Any) -> Any:
        """Edit it as the server does: in one transaction."""
        with self.doc.transaction():
            return change(self.doc, *args)

    def read(self, root: str, identifier: str) -> Any:
        """An object as JSON, its text said in the shortest way: yrs may take more parts."""
        return document(root, ObjectReader(self.doc, (root,)).read(root, identifier))

    def place(self, root: str, identifier: str) -> Any:
        """What stands in the document."""
        return self.doc.get(root, type=Map)[identifier]

    def copy(self) -> Board:
        """As somebody has it who was sent everything."""
        made = Board(self.doc.client_id + 1)
        made.doc.apply_update(self.doc.get_update())
        return made


def document(root: str, value: Any) -> Any:
    """What a created object reads as: its texts said in the shortest way."""
    return _shaped(value, SHAPES[root])


def _shaped(value: Any, shape: Any) -> Any:
    if shape == TEXT:
        runs = text_runs(value)
        return value if runs is None else as_text(runs)
    if isinstance(shape, dict) and isinstance(value, dict):
        return {key: _shaped(item, shape.get(key)) for key, item in value.items()}
    return value
