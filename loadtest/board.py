"""What one person writes, on a board or in a room: the fields that stock clients write.

Root map `objects`: id -> map {object_type, position, size, rotation, properties: map, layer,
is_locked}, of a room {object_type, transform, properties: map}; root map `annotations`: id -> map
{annotation_type, content: text, object_id, resolved}. Each edit is one Yjs update. Each carries
a mark, as a further member of a point or as a word, unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final
from uuid import UUID

from loadtest.structs import Transaction, Value
from loadtest.written import WrittenArray, WrittenMap, WrittenText

STICKY_COLOR: Final = "#fde68a"
SHAPE_COLOR: Final = "#93c5fd"
STICKIES_AN_UPDATE: Final = 100
"""Of a document that is prepared; an update of them has about 30 kB."""
PREPARED_BY: Final = 0x0FFF_FFFF
"""A client id of nobody who comes."""

_LEVEL: Final = {"x": 0, "y": 0, "z": 0, "w": 1}
_BOX: Final = {"x": 0.4, "y": 0.4, "z": 0.4}

Edit = tuple[str, bytes]
"""The id of what was made, and the update."""


class Board:
    """One client id's edits, one after the other.

    Args:
        client: the Yjs client id, which nobody else has.
        mark: gives a mark of the present time; "": none.

    Attributes:
        clock: how many clocks were written.
        objects: ids of the objects that stand there, oldest first.
    """

    def __init__(self, client: int, mark: Callable[[], str]) -> None:
        self.clock = 0
        self.objects: list[str] = []
        self._client = client
        self._mark = mark
        self._made = 0
        self._object_map = WrittenMap("objects")
        self._annotation_map = WrittenMap("annotations")
        self._maps: dict[str, WrittenMap] = {}
        self._texts: dict[str, WrittenText] = {}
        self._pens: dict[str, WrittenArray] = {}

    # A board's objects

    def sticky(self, x: float, y: float, text: str = "") -> Edit:
        """A sticky, to be typed into."""
        edit = self._begin()
        return self._sticky(edit, x, y, text), self._end(edit)

    def shape(self, x: float, y: float, kind: str = "rectangle") -> Edit:
        """A shape, with a text that is empty."""
        edit = self._begin()
        object_id, properties = self._object(edit, "shape", x, y, (200, 130))
        self._texts[object_id] = properties.set_text(edit, "text")
        properties.set(edit, "color", SHAPE_COLOR)
        properties.set(edit, "kind", kind)
        return object_id, self._end(edit)

    def drawing(self, x: float, y: float) -> Edit:
        """A pen is put down; `extend` draws on."""
        edit = self._begin()
        object_id, properties = self._object(edit, "drawing", x, y, None)
        self._pens[object_id] = properties.set_array(edit, "points")
        properties.set(edit, "color", "#1f2937")
        properties.set(edit, "width", 3)
        return object_id, self._end(edit)

    def extend(self, object_id: str, points: Sequence[tuple[float, float]]) -> bytes:
        """Further points of a drawing, counted from its position; the last one has the mark."""
        edit = self._begin()
        *before, (x, y) = points
        plain = ({"x": x, "y": y} for x, y in before)
        self._pens[object_id].push(edit, *plain, self._marked(x=x, y=y))
        return self._end(edit)

    def move(self, object_id: str, x: float, y: float) -> bytes:
        """An object of a board goes somewhere else."""
        edit = self._begin()
        self._maps[object_id].set(edit, "position", self._marked(x=round(x), y=round(y)))
        return self._end(edit)

    def lift(self, object_id: str, layer: int) -> bytes:
        """An object of a board comes to lie above others; without a mark."""
        edit = self._begin()
        self._maps[object_id].set(edit, "layer", layer)
        return self._end(edit)

    def type_word(self, object_id: str, word: str = "") -> bytes:
        """Type at the end of a sticky or shape: the mark, and before it a word of one's own."""
        edit = self._begin()
        self._texts[object_id].append(edit, f"{word} {self._mark()} ".lstrip())
        return self._end(edit)

    def erase(self, object_id: str, characters: int) -> bytes:
        """Delete at the end of a text; without a mark."""
        edit = self._begin()
        self._texts[object_id].erase(edit, characters)
        return self._end(edit)

    def delete(self, object_id: str) -> bytes:
        """An object goes; without a mark."""
        edit = self._begin()
        self._object_map.delete(edit, object_id)
        self.objects.remove(object_id)
        for known in (self._maps, self._texts, self._pens):
            known.pop(object_id, None)
        return self._end(edit)

    def stickies(self, count: int) -> bytes:
        """So many stickies in rows, at once, each with its number as its words."""
        edit = self._begin()
        for _ in range(count):
            number = self._made
            self._sticky(edit, number % 50 * 200, number // 50 * 200, f"Note number {number}")
        return self._end(edit)

    # What is said about them

    def annotate(self, object_id: str | None, x: float, y: float, words: str) -> Edit:
        """A comment, on an object of whomever, or on none."""
        edit = self._begin()
        annotation_id = self._new_id()
        written = self._maps[annotation_id] = self._annotation_map.set_map(edit, annotation_id)
        written.set(edit, "annotation_type", "comment")
        content = f"{words} {self._mark()}".rstrip()
        self._texts[annotation_id] = written.set_text(edit, "content", content)
        if object_id is not None:
            written.set(edit, "object_id", object_id)
        written.set(edit, "position", {"x": round(x), "y": round(y)})
        written.set(edit, "resolved", value=False)
        return annotation_id, self._end(edit)

    def resolve(self, annotation_id: str, words: str) -> bytes:
        """A comment is dealt with: that is said below it."""
        edit = self._begin()
        self._maps[annotation_id].set(edit, "resolved", value=True)
        self._texts[annotation_id].append(edit, f"\n{words} {self._mark()}".rstrip())
        return self._end(edit)

    # A room's objects

    def furniture(self, x: float, y: float, z: float) -> Edit:
        """A box in a room; metres."""
        edit = self._begin()
        object_id = self._new_id()
        written = self._maps[object_id] = self._object_map.set_map(edit, object_id)
        written.set(edit, "object_type", "furniture")
        written.set(edit, "transform", self._placed(x, y, z))
        written.set_map(edit, "properties").set(edit, "color", SHAPE_COLOR)
        self.objects.append(object_id)
        return object_id, self._end(edit)

    def carry(self, object_id: str, x: float, y: float, z: float) -> bytes:
        """A box in a room goes somewhere else, by the document; metres."""
        edit = self._begin()
        self._maps[object_id].set(edit, "transform", self._placed(x, y, z))
        return self._end(edit)

    def _placed(self, x: float, y: float, z: float) -> Value:
        """The mark stands in the position, which the server writes anew when somebody has held the
        object: elsewhere in the transform it would be kept, and be seen once more, late."""
        position = self._marked(x=round(x, 3), y=round(y, 3), z=round(z, 3))
        return {"position": position, "rotation": _LEVEL, "scale": _BOX}

    # Shared by all of them

    def _sticky(self, edit: Transaction, x: float, y: float, text: str) -> str:
        object_id, properties = self._object(edit, "sticky", x, y, (180, 180))
        self._texts[object_id] = properties.set_text(edit, "text", text)
        properties.set(edit, "color", STICKY_COLOR)
        return object_id

    def _object(
        self, edit: Transaction, kind: str, x: float, y: float, size: tuple[int, int] | None
    ) -> tuple[str, WrittenMap]:
        """An object of a board; its properties stay empty."""
        object_id = self._new_id()
        written = self._maps[object_id] = self._object_map.set_map(edit, object_id)
        written.set(edit, "object_type", kind)
        written.set(edit, "position", self._marked(x=round(x), y=round(y)))
        if size is not None:
            written.set(edit, "size", {"width": size[0], "height": size[1]})
        written.set(edit, "rotation", 0)
        written.set(edit, "layer", self._made)
        written.set(edit, "is_locked", value=False)
        self.objects.append(object_id)
        return object_id, written.set_map(edit, "properties")

    def _marked(self, **axes: float) -> Value:
        mark = self._mark()
        return {**axes, "mark": mark} if mark else axes

    def _new_id(self) -> str:
        self._made += 1
        return _object_id(self._client, self._made)

    def _begin(self) -> Transaction:
        return Transaction(self._client, self.clock)

    def _end(self, edit: Transaction) -> bytes:
        self.clock = edit.clock
        return edit.update()


def prepared(stickies: int) -> Iterator[bytes]:
    """Updates that together are a board with so many stickies, as people who have left made it."""
    board = Board(PREPARED_BY, lambda: "")
    for first in range(0, stickies, STICKIES_AN_UPDATE):
        yield board.stickies(min(STICKIES_AN_UPDATE, stickies - first))


def prepared_id(number: int) -> str:
    """The id of one of them, from 0."""
    return _object_id(PREPARED_BY, number + 1)


def _object_id(client: int, number: int) -> str:
    """Like the UUIDs that clients choose, and of this client id alone."""
    return str(UUID(int=client << 64 | number))
