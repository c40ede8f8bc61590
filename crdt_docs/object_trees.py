"""Objects with the kinds of their parts, as they are, and made so again (RUL-5).

JSON would not do: what was a shared text or list has to be one again, or nobody could go on
editing it together. What still stands is left standing, so that others keep their place in it.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Any, Final, NamedTuple, TypeAlias

from pycrdt import Array, Map, Text

from crdt_docs.edit_values import same, writable
from crdt_docs.text_edits import Run, as_text, is_quick, text_runs, write_text

PART_BYTES: Final = 100
"""Memory that each part costs, whatever is in it."""

LIST_ITEMS: Final = 2000
"""Items of a shared list that is made again: yrs walks to each place anew."""


MENDED_BYTES: Final = 4 * 1024 * 1024
"""Of what a shared list holds, to find out what of it can stay."""


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


Tree: TypeAlias = SharedMap | SharedList | SharedText | Plain | None
"""What stands in a place; None: nothing."""


class Allowance:
    """How much may still be read, in about bytes of memory."""

    __slots__ = ("left",)

    def __init__(self, size: int) -> None:
        self.left = size

    def take(self, size: int) -> None:
        """Use some of it up.

        Raises:
            NotKept: there is not so much.
        """
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
            runs = _runs(value)
            allowance.take(sum(len(run.units) + PART_BYTES for run in runs))
            return SharedText(as_text(runs))
        case Array():
            if len(value) > LIST_ITEMS:
                raise NotKept("a shared list in it is too long to be put back")
            allowance.take(0)
            return SharedList([_tree(item, allowance) for item in value])
        case dict() | list() | str() | bytearray() | int() | float() | None:
            allowance.take(_size(value))
            return Plain(value)
        case _:
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


def _runs(text: Text) -> list[Run]:
    delta = []
    for part, formats in text.diff():
        if not isinstance(part, str | dict | list | int | float | bool):
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
        case SharedText(shown):
            return shown
        case Plain(value):
            return value
        case None:
            return None


def mend(place: Map[Any], key: str, tree: Tree) -> bool:
    """Make what stands under a key what it was, and return whether it was not.

    Args:
        place: in a document, within a transaction.
        key: in it.
        tree: as `tree_at` gave it before.
    """
    stands = place.get(key)
    match tree, stands:
        case None, _:
            if key not in place:
                return False
            del place[key]
        case SharedMap(members), Map():
            return _mend_members(stands, members)
        case SharedText(shown), Text():
            return _mend_text(stands, shown)
        case SharedList(items), Array():
            return _mend_items(stands, items)
        case Plain(value), _ if key in place and _is_plain(stands, value):
            return False
        case _:
            _make(place, key, tree)
    return True


def _is_plain(stands: Any, value: Any) -> bool:
    return not isinstance(stands, Map | Text | Array) and same(stands, value)


def _mend_members(stands: Map[Any], members: dict[str, Tree]) -> bool:
    more: list[str] = [key for key in stands.keys() if key not in members]  # noqa: SIM118 - no dict
    for key in more:
        del stands[key]
    changed = [mend(stands, key, tree) for key, tree in members.items()]
    return bool(more) or any(changed)


def _mend_text(stands: Text, shown: Any) -> bool:
    wanted = text_runs(shown) or []
    try:
        now = as_text(_runs(stands))
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
        allowance = Allowance(MENDED_BYTES)
        now = [] if len(stands) > 2 * LIST_ITEMS else [_tree(item, allowance) for item in stands]
    except NotKept:
        now = []
    if not now and len(stands):
        stands.clear()
    start = sum(1 for _ in takewhile(_are_alike, zip(now, items, strict=False)))
    behind = zip(reversed(now[start:]), reversed(items[start:]), strict=False)
    end = sum(1 for _ in takewhile(_are_alike, behind))
    if start == len(now) == len(items):
        return False
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
        case Plain(one), Plain(other):
            return same(one, other)
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
        case Plain(value):
            put(at, writable(value))
