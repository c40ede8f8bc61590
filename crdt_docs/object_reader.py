"""The objects of a document, one by one, as JSON values.

yrs' own encoder does most of it: it is several times as fast as walking the types from Python. But
it shows a shared text as a plain string, so texts are looked at once more for their formats. Those
within arrays stay plain: yrs finds a member of an array by counting up to it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple

import orjson
from pycrdt import Doc, Map
from pycrdt._pycrdt import Array as _Array
from pycrdt._pycrdt import Doc as _Doc
from pycrdt._pycrdt import Map as _Map
from pycrdt._pycrdt import Text as _Text
from pycrdt._pycrdt import Transaction as _Transaction
from pycrdt._pycrdt import XmlElement, XmlFragment, XmlText

from crdt_docs.object_kinds import ObjectRoot
from crdt_docs.storable_json import is_storable_json

NO_MAP: Final = "no map"
"""Stands for an object that is none: no row tells what it was."""

_LOCK: Final = "is_locked"

MEMBER_OVERHEAD = 100
"""Bytes of memory that a member of a map costs beside what is written of it as JSON."""


class Reading(NamedTuple):
    """An object as its row is made from.

    Attributes:
        value: as JSON values; None: there is none.
        size: bytes of memory that it takes, about.
        is_storable: `projection.storable` would change nothing of it.
    """

    value: object
    size: int = 0
    is_storable: bool = False


NOTHING: Final = Reading(None)
IS_NO_MAP: Final = Reading(NO_MAP)


class ObjectReader:
    """Reads the entries of a document's root maps. It holds the document, but observes nothing."""

    __slots__ = ("_doc", "_roots")

    def __init__(self, doc: Doc[Any], roots: Iterable[str] = tuple(ObjectRoot)) -> None:
        """
        Args:
            doc: whatever clients used its roots as, it reads them as maps.
            roots: names of the root maps to read.
        """
        self._doc = doc
        self._roots: dict[str, _Map] = {root: doc.get(root, type=Map).integrated for root in roots}

    def read(self, root: str, key: str) -> object:
        """What stands under a key of a root map, as JSON values; None: nothing, or null.

        Numbers may be floats where the encoder of the whole document writes integers. A shared
        text with formats or embedded values, the object itself or at any depth in its maps, is
        `{"delta": [{"insert": …, "attributes": {…}}]}`, as Yjs has it.

        Raises:
            KeyError: no such root.
        """
        raw = self._roots[root]
        with self._doc.transaction() as transaction:
            within = transaction._txn  # noqa: SLF001 - the raw types ask for it
            if within is None or not raw.has(within, key):
                return None
            return _plain(raw.get(within, key), within)

    def read_for_row(self, root: str, key: str) -> Reading:
        """The same for an object's row. What is no map has no fields (PRJ-3), and may be large: it
        is shown as `NO_MAP`.

        Raises:
            KeyError: no such root.
        """
        raw = self._roots[root]
        with self._doc.transaction() as transaction:
            within = transaction._txn  # noqa: SLF001 - the raw types ask for it
            if within is None or not raw.has(within, key):
                return NOTHING
            value = raw.get(within, key)
            if isinstance(value, _Map):
                return _reading_of_map(value, within)
            if isinstance(value, dict):
                shown = _plain(value, within)
                return Reading(shown, _size(str(shown)))
            return NOTHING if is_null(value) else IS_NO_MAP

    def has(self, root: str, key: str) -> bool:
        """Whether anything stands under a key, null included.

        Raises:
            KeyError: no such root.
        """
        with self._doc.transaction() as transaction:
            within = transaction._txn  # noqa: SLF001 - the raw types ask for it
            return within is not None and self._roots[root].has(within, key)

    def is_locked(self, root: str, key: str) -> bool:
        """Whether an object says so.

        Raises:
            KeyError: no such root.
        """
        raw = self._roots[root]
        with self._doc.transaction() as transaction:
            within = transaction._txn  # noqa: SLF001 - the raw types ask for it
            if within is None or not raw.has(within, key):
                return False
            value = raw.get(within, key)
            if isinstance(value, _Map):
                return value.has(within, _LOCK) and value.get(within, _LOCK) is True
            return isinstance(value, dict) and value.get(_LOCK) is True

    def together(self) -> AbstractContextManager[object]:
        """One transaction, within which several objects are read for less."""
        return self._doc.transaction()

    def place(self, root: str) -> Map[Any]:
        """A root map, as the binding shows it."""
        found: Map[Any] = self._doc.get(root, type=Map)
        return found

    def keys(self, root: str) -> list[str]:
        """The keys of a root map under which something stands.

        Raises:
            KeyError: no such root.
        """
        raw = self._roots[root]
        with self._doc.transaction() as transaction:
            within = transaction._txn  # noqa: SLF001 - the raw types ask for it
            if within is None:
                return []
            keys: list[str] = raw.keys(within)  # type: ignore[attr-defined] # unstubbed
            return [key for key in keys if not is_null(raw.get(within, key))]


def is_null(value: Any) -> bool:
    """Whether what stands in a place is null as JSON."""
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _reading_of_map(raw: _Map, within: _Transaction) -> Reading:
    encoded = raw.to_json(within)
    is_storable = is_storable_json(encoded)
    shown = orjson.loads(encoded) if is_storable else json.loads(encoded)
    has_formats = _put_formats(shown, raw, within)
    return Reading(shown, _size(encoded), is_storable and not has_formats)


def _size(text: str) -> int:
    return len(text) + text.count(":") * MEMBER_OVERHEAD


def _plain(value: Any, within: _Transaction) -> Any:
    """A value as the binding gives it, as JSON."""
    shown = value
    match value:
        case _Map():
            shown = json.loads(value.to_json(within))
            _put_formats(shown, value, within)
        case _Array():
            shown = json.loads(value.to_json(within))
        case _Text():
            shown = _text(value, within)
        case XmlElement() | XmlFragment() | XmlText():
            shown = value.get_string(within)
        case _Doc():
            shown = {"guid": value.guid()}
        case float():
            shown = value if math.isfinite(value) else None
        case bytearray() | bytes():
            shown = list(value)
        case dict():
            shown = {key: _plain(item, within) for key, item in value.items()}
        case list():
            shown = [_plain(item, within) for item in value]
    return shown


def _put_formats(shown: dict[str, Any], raw: _Map, within: _Transaction) -> bool:
    """Where a map, or one in it, holds a formatted text, put its formats into what is shown;
    whether there was one."""
    has_formats = False
    for key, item in shown.items():
        if isinstance(item, str):
            value = raw.get(within, key)
            if isinstance(value, _Text):
                shown[key] = text = _text(value, within)
                has_formats = has_formats or text != item
        elif isinstance(item, dict):
            value = raw.get(within, key)
            if isinstance(value, _Map):
                has_formats = _put_formats(item, value, within) or has_formats
    return has_formats


def _text(raw: _Text, within: _Transaction) -> str | dict[str, Any]:
    parts = raw.diff(within)
    if all(isinstance(part, str) and not attributes for part, attributes in parts):
        return "".join([part for part, _ in parts])
    delta: list[dict[str, Any]] = []
    for part, attributes in parts:
        step = {"insert": _plain(part, within)}
        if attributes:
            step["attributes"] = _plain(attributes, within)
        delta.append(step)
    return {"delta": delta}
