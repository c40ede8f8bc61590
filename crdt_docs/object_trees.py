"""Objects with the kinds of their parts, as they are, and made so again (RUL-5).

JSON would not do: what was a shared text or list has to be one again, or nobody could go on
editing it together. What still stands is left standing, so that others keep their place in it.
"""

from __future__ import annotations

import json
from itertools import takewhile
from typing import Any, Final, NamedTuple, TypeAlias

from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

from crdt_docs.edit_values import same, writable
from crdt_docs.object_edits import MAX_INSERTED, common_ends, equalise_list
from crdt_docs.text_edits import Run, as_text, is_quick, text_runs, write_text

PART_BYTES: Final = 100
"""Memory that each part costs, whatever is in it."""

LIST_ITEMS: Final = 2000
"""Items of a shared list that is made again: yrs walks to each place anew."""


MENDED_BYTES: Final = 4 * 1024 * 1024
"""Of what a shared list holds, to find out what of it can stay."""


_NOTHING: Final = object()
"""Stands for what is in a place where nothing is."""


class NotKept(Exception):  # noqa: N818 - says what is the case
    """It could not be made again as it was: it is too large, or of a kind that is not known."""


class SharedMap(NamedTuple):
    """A shared map."""

    members: dict[str, Tree]


class SharedList(NamedTuple):
    """A shared array."""

    items: list[Tree]


class SharedText(NamedTuple):
    """A shared text, as `object_reader` shows it."""

    shown: Any


class Plain(NamedTuple):
    """One value, JSON or bytes, or JSON with bytes in it."""

    value: Any


class Unmade(NamedTuple):
    """What could not be made again, and is only recognised: XML, a document, a text with shared
    parts.

    Attributes:
        kind: of which type.
        words: what it says.
    """

    kind: type
    words: str


class LongList(NamedTuple):
    """A shared array that is too long to be made again, as JSON: made anew it is one plain value,
    as far as it stands it is shared."""

    items: list[Any]


Tree: TypeAlias = SharedMap | SharedList | SharedText | Plain | Unmade | LongList | None
"""What stands in a place; None: nothing."""


class Allowance:
    """How much may still be read, in about bytes of memory.

    Attributes:
        takes_all: also what could not be made again, as `Unmade` or `LongList`.
        has_unmade: there was something `Unmade`.
        parts: how many were read.
    """

    __slots__ = ("has_unmade", "left", "parts", "takes_all")

    def __init__(self, size: int, *, takes_all: bool = False) -> None:
        self.left = size
        self.takes_all = takes_all
        self.has_unmade = False
        self.parts = 0

    def take(self, size: int, parts: int = 1) -> None:
        """Use some of it up.

        Raises:
            NotKept: there is not so much.
        """
        self.parts += parts
        self.left -= size + PART_BYTES
        if self.left < 0:
            raise NotKept("it is too large to be put back")


def tree_at(place: Map[Any], key: str, allowance: Allowance) -> Tree:
    """What stands under a key of a map in a document.

    Raises:
        NotKept: it could not be made again.
    """
    return _tree(place[key], allowance) if key in place else None


def _tree(value: Any, allowance: Allowance) -> Tree:
    match value:
        case Map():
            allowance.take(0)
            keys: list[str] = list(value.keys())
            return SharedMap({key: _tree(value[key], allowance) for key in keys})
        case Text():
            return _text_tree(value.diff(), allowance)
        case Array():
            if len(value) > LIST_ITEMS:
                return _long_list(value, allowance)
            allowance.take(0)
            return SharedList([_tree(item, allowance) for item in value])
        case dict() | list() | str() | bytearray() | int() | float() | None:
            allowance.take(_size(value))
            return Plain(value)
        case _:
            return _unmade(value, allowance)


def _text_tree(parts: list[tuple[Any, Any]], allowance: Allowance) -> Tree:
    if allowance.takes_all and not all(_is_known(part) for part, _ in parts):
        allowance.has_unmade = True
        return Unmade(Text, str([(str(part), formats) for part, formats in parts]))
    runs = _runs(parts)
    allowance.take(sum(len(run.units) + PART_BYTES for run in runs), parts=len(runs) + 1)
    return SharedText(as_text(runs))


def _long_list(value: Array[Any], allowance: Allowance) -> LongList:
    if not allowance.takes_all:
        raise NotKept("a shared list in it is too long to be put back")
    items = json.loads(str(value))
    allowance.take(_size(items))
    return LongList(items)


def _unmade(value: Any, allowance: Allowance) -> Unmade:
    if allowance.takes_all and isinstance(value, XmlElement | XmlFragment | XmlText | Doc):
        words = str(value.guid) if isinstance(value, Doc) else str(value)
        allowance.take(len(words))
        allowance.has_unmade = True
        return Unmade(type(value), words)
    raise NotKept(f"a {type(value).__name__} in it could not be put back")


def _size(value: Any) -> int:
    match value:
        case dict():
            return sum(len(key) + 8 + _size(item) for key, item in value.items())
        case list():
            return sum(8 + _size(item) for item in value)
        case str() | bytearray():
            return len(value)
        case _:
            return 8


def _is_known(part: Any) -> bool:
    return isinstance(part, str | dict | list | int | float | bool)


def _runs(parts: list[tuple[Any, Any]]) -> list[Run]:
    delta = []
    for part, formats in parts:
        if not _is_known(part):
            raise NotKept("a text in it holds what could not be put back")
        delta.append({"insert": part, "attributes": formats or {}})
    runs = text_runs({"delta": delta})
    if runs is None:
        raise NotKept("a text in it could not be put back")
    return runs


def json_of(tree: Tree) -> Any:
    """What a tree says, as JSON; numbers that are not finite stay floats."""
    match tree:
        case SharedMap(members):
            return {key: json_of(item) for key, item in members.items()}
        case SharedList(items):
            return [json_of(item) for item in items]
        case SharedText(value) | Plain(value) | LongList(value) | Unmade(_, value):
            return value
        case None:
            return None


def can_mend(place: Map[Any], key: str, tree: Tree) -> bool:
    """Whether what stands under a key can be made what it was: what could not be made again has to
    stand there still, and say the same."""
    if not _holds_unmade(tree):
        return True
    stands = place.get(key)
    if isinstance(tree, SharedMap) and isinstance(stands, Map):
        return all(can_mend(stands, name, member) for name, member in tree.members.items())
    try:
        return _are_alike((_tree(stands, Allowance(MENDED_BYTES, takes_all=True)), tree))
    except NotKept:
        return False


def _holds_unmade(tree: Tree) -> bool:
    match tree:
        case SharedMap(members):
            return any(map(_holds_unmade, members.values()))
        case SharedList(items):
            return any(map(_holds_unmade, items))
        case _:
            return isinstance(tree, Unmade)


def mend(place: Map[Any], key: str, tree: Tree) -> bool:
    """Make what stands under a key what it was, and return whether it was not.

    Args:
        place: in a document, within a transaction.
        key: in it.
        tree: as `tree_at` gave it before; one that `can_mend`.
    """
    stands = place.get(key, _NOTHING)
    match tree, stands:
        case SharedMap(members), Map():
            return _mend_members(stands, members)
        case SharedText(shown), Text():
            return _mend_text(stands, shown)
        case SharedList(items), Array():
            return _mend_items(stands, items)
        case LongList(items), Array() if _is_near(now := json.loads(str(stands)), items):
            equalise_list(stands, now, items)
            return not same(now, items)
        case ((Plain() | Unmade() | LongList() | None), _) if _stands_already(stands, tree):
            return False
        case None, _:
            del place[key]
        case _:
            _make(place, key, tree)
    return True


def _stands_already(stands: Any, tree: Plain | Unmade | LongList | None) -> bool:
    if tree is None:
        return stands is _NOTHING
    if isinstance(tree, Unmade):
        return True  # as `can_mend` has seen
    return not isinstance(stands, Map | Text | Array) and same(stands, json_of(tree))


def _is_near(now: list[Any], items: list[Any]) -> bool:
    """Whether few enough members would have to be inserted."""
    return len(items) - sum(common_ends(now, items)) <= MAX_INSERTED


def _mend_members(stands: Map[Any], members: dict[str, Tree]) -> bool:
    more: list[str] = [key for key in stands.keys() if key not in members]  # noqa: SIM118 - no dict
    for key in more:
        del stands[key]
    changed = [mend(stands, key, tree) for key, tree in members.items()]
    return bool(more) or any(changed)


def _mend_text(stands: Text, shown: Any) -> bool:
    wanted = text_runs(shown) or []
    try:
        now = as_text(_runs(stands.diff()))
    except NotKept:
        now = None
    if now is not None and same(now, shown):
        return False
    if now is not None and is_quick(now, wanted):
        write_text(stands, now, wanted)
    else:
        stands.clear()
        write_text(stands, "", wanted)
    return True


def _mend_items(stands: Array[Any], items: list[Tree]) -> bool:
    """Replace what lies between the common beginning and the common end."""
    try:
        allowance = Allowance(MENDED_BYTES, takes_all=True)
        now = [] if len(stands) > 2 * LIST_ITEMS else [_tree(item, allowance) for item in stands]
    except NotKept:
        now = []
    is_cleared = not now and len(stands) > 0
    if is_cleared:
        stands.clear()
    start = sum(1 for _ in takewhile(_are_alike, zip(now, items, strict=False)))
    behind = zip(reversed(now[start:]), reversed(items[start:]), strict=False)
    end = sum(1 for _ in takewhile(_are_alike, behind))
    if start == len(now) == len(items):
        return is_cleared
    if len(now) - end > start:
        del stands[start : len(now) - end]
    for index in range(start, len(items) - end):
        _make(stands, index, items[index])
    return True


def _are_alike(pair: tuple[Tree, Tree]) -> bool:
    match pair:
        case SharedMap(one), SharedMap(other):
            return one.keys() == other.keys() and all(
                _are_alike((tree, other[key])) for key, tree in one.items()
            )
        case SharedList(one), SharedList(other):
            return len(one) == len(other) and all(map(_are_alike, zip(one, other, strict=True)))
        case SharedText(one), SharedText(other):
            return same(one, other)
        case (Plain(one), Plain(other)) | (LongList(one), LongList(other)):
            return same(one, other)
        case Unmade(), Unmade():
            return pair[0] == pair[1]
        case _:
            return pair[0] is pair[1]


def _make(place: Map[Any] | Array[Any], at: Any, tree: Tree) -> None:
    """Put it under a key of a map, or before an index of an array."""
    put = place.__setitem__ if isinstance(place, Map) else place.insert
    match tree:
        case SharedMap(members):
            put(at, Map())
            inner = place[at]  # once: looking it up takes as long as writing a member
            for key, member in members.items():
                _make(inner, key, member)
        case SharedText(shown):
            put(at, Text())
            write_text(place[at], "", text_runs(shown) or [])
        case SharedList(items):
            put(at, Array())
            inner = place[at]
            for index, item in enumerate(items):
                _make(inner, index, item)
        case Plain(value) | LongList(value):
            put(at, writable(value))
