"""What an object or annotation of a document looks like as a row (PRJ).

Total: whatever clients wrote, the state that comes out is one that PostgreSQL's jsonb, text and
double precision take, so that no content can hold up storage. What does not fit its column is left
out there and flagged; the document itself keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")
Json: TypeAlias = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
"""A value that every side reads alike: see `storable`."""

MAX_ID_BYTES = 128
"""The longest id, in UTF-8, under which something is projected."""

MAX_SEARCH_BYTES = 64 * 1024
"""Of search text, in UTF-8."""

MAX_DEPTH = 200
"""Levels of arrays and objects that are projected; encoders of JSON take about 250. Documents stay
below: 100 of shared types and 64 within a value."""

EXACT = 2**53
"""Up to here every integer is a double, which is what clients calculate in."""

WRITTEN: Final = frozenset(
    (
        "text",
        "content",
        "title",
        "subtitle",
        "heading",
        "label",
        "labels",
        "name",
        "caption",
        "alt",
        "description",
        "note",
        "notes",
        "placeholder",
    )
)
"""Keys of properties below which strings are words that a person wrote. Others hold colours, fonts
and paths, which would be found where nobody reads them."""

LIFETIMES: Final = ("room", "session", "owner")
"""How long an object of a room is there: as long as the room, as its session, or as its creator."""

_REPLACEMENT: Final = "\ufffd"
_ADDRESSES: Final = ("http://", "https://", "data:", "blob:", "file:", "ftp://")


class ObjectState(NamedTuple):
    """What a document says about an object: the columns of `ocw_objects` that come from it.

    Attributes:
        object_type: as given, also when it is unknown; empty if there is none.
        position: `{x, y}`, perhaps with more.
        size: `{width, height}`, perhaps with more.
        rotation: degrees.
        properties: everything that depends on the type; `text` is a string or `{"delta": […]}`.
        layer: the higher one lies above.
        created_by: what the document claims, not who it was.
        is_valid: every known field is there or may be missing, and is what it should be.
        search_text: the words in `properties`.
    """

    object_type: str = ""
    position: dict[str, Json] | None = None
    size: dict[str, Json] | None = None
    rotation: float | None = None
    properties: dict[str, Json] = {}  # noqa: RUF012 - a tuple's default, which nobody changes
    layer: float | None = None
    is_locked: bool = False
    created_by: str | None = None
    is_valid: bool = True
    search_text: str = ""


class AnnotationState(NamedTuple):
    """What a document says about an annotation: the columns of `ocw_annotations` that come from it.

    Attributes:
        annotation_type: as given, also when it is unknown; empty if there is none.
        content: its words, without formats.
        object_id: what it is about; None also for an id under which nothing is projected.
        position: `{x, y}`, perhaps with more.
        created_by: what the document claims, not who it was.
        is_valid: as that of an object.
        search_text: the words of `content`.
    """

    annotation_type: str = ""
    content: str = ""
    object_id: str | None = None
    position: dict[str, Json] | None = None
    resolved: bool = False
    created_by: str | None = None
    is_valid: bool = True
    search_text: str = ""


class XrObjectState(NamedTuple):
    """What a document says about an object of a room: the columns of `xr_objects` that come from
    it.

    Attributes:
        object_type: as given, also when it is unknown; empty if there is none.
        position: `{x, y, z}` in metres, perhaps with more; of the document's `transform`.
        rotation: `{x, y, z, w}`, a quaternion; likewise.
        scale: `{x, y, z}`; likewise.
        parent_id: what it moves with; None also for an id under which nothing is projected.
        properties: everything that depends on the type; `text` is a string or `{"delta": […]}`.
        lifetime: one of `LIFETIMES`: what ends it besides being deleted.
        created_by: what the document claims, not who it was.
        is_valid: as that of an object.
        search_text: the words in `properties`.
    """

    object_type: str = ""
    position: dict[str, Json] | None = None
    rotation: dict[str, Json] | None = None
    scale: dict[str, Json] | None = None
    parent_id: str | None = None
    asset_url: str | None = None
    properties: dict[str, Json] = {}  # noqa: RUF012 - a tuple's default, which nobody changes
    is_interactive: bool = False
    is_locked: bool = False
    lifetime: str = LIFETIMES[0]
    created_by: str | None = None
    is_valid: bool = True
    search_text: str = ""


def is_projected_id(identifier: str) -> bool:
    """Whether what has this id in its root map gets a row (PRJ-2)."""
    if not identifier or "\x00" in identifier or len(identifier) > MAX_ID_BYTES:
        return False
    try:
        return len(identifier.encode()) <= MAX_ID_BYTES
    except UnicodeEncodeError:  # a lone surrogate
        return False


def project_object(value: object, *, is_storable: bool = False) -> ObjectState:
    """The row of an object, of whatever a document holds under its id. Raises nothing.

    Args:
        is_storable: `storable` would change nothing of it; it is not copied then.
    """
    fields = _Fields(value, is_storable=is_storable)
    properties = fields.properties()
    return ObjectState(
        object_type=fields.required("object_type", _string) or "",
        position=fields.optional("position", _point),
        size=fields.optional("size", _extent),
        rotation=fields.optional("rotation", _number),
        properties=properties,
        layer=fields.optional("layer", _number),
        is_locked=fields.optional("is_locked", _flag) or False,
        created_by=fields.optional("created_by", _string),
        is_valid=fields.is_valid,
        search_text=_search_text(properties),
    )


def project_annotation(value: object, *, is_storable: bool = False) -> AnnotationState:
    """The row of an annotation, of whatever a document holds under its id. Raises nothing.

    Args:
        is_storable: as that of an object.
    """
    fields = _Fields(value, is_storable=is_storable)
    content = fields.optional("content", _plain) or ""
    return AnnotationState(
        annotation_type=fields.required("annotation_type", _string) or "",
        content=content,
        object_id=fields.optional("object_id", _id),
        position=fields.optional("position", _point),
        resolved=fields.optional("resolved", _flag) or False,
        created_by=fields.optional("created_by", _string),
        is_valid=fields.is_valid,
        search_text=_cut(content),
    )


def project_xr_object(value: object, *, is_storable: bool = False) -> XrObjectState:
    """The row of an object of a room, of whatever a document holds under its id. Raises nothing.

    `transform` is one value in the document, and three columns here (PRJ-8).

    Args:
        is_storable: as that of an object.
    """
    fields = _Fields(value, is_storable=is_storable)
    transform = _Fields(fields.optional("transform", _map) or {}, is_storable=True)
    properties = fields.properties()
    return XrObjectState(
        object_type=fields.required("object_type", _string) or "",
        position=transform.optional("position", _vector),
        rotation=transform.optional("rotation", _quaternion),
        scale=transform.optional("scale", _vector),
        parent_id=fields.optional("parent_id", _id),
        asset_url=fields.optional("asset_url", _string),
        properties=properties,
        is_interactive=fields.optional("is_interactive", _flag) or False,
        is_locked=fields.optional("is_locked", _flag) or False,
        lifetime=fields.optional("lifetime", _lifetime) or LIFETIMES[0],
        created_by=fields.optional("created_by", _string),
        is_valid=fields.is_valid and transform.is_valid,
        search_text=_search_text(properties),
    )


def storable(value: object, depth: int = MAX_DEPTH) -> Json:
    """The same value as PostgreSQL and every JSON parser take it (PRJ-1).

    NUL and lone surrogates become U+FFFD, also in keys, of which the last wins if they become the
    same. Numbers that are not finite become null. Integral ones are ints up to 2^53; beyond, where
    clients calculate with the nearest double anyhow, they are that double, or null where there is
    none. What is nested deeper than `depth` levels, or no JSON at all, is null.
    """
    match value:
        case str():
            return storable_text(value)
        case bool() | None:
            return value
        case int() | float():
            return _storable_number(value)
        case Mapping() if depth:
            return {
                storable_text(str(key)): storable(item, depth - 1) for key, item in value.items()
            }
        case list() | tuple() if depth:
            return [storable(item, depth - 1) for item in value]
        case _:
            return None


def storable_text(text: str) -> str:
    """A string without NUL and lone surrogates: each becomes U+FFFD."""
    if "\x00" in text:
        text = text.replace("\x00", _REPLACEMENT)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        # Surrogate pairs may come as two code points; together they are one character.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _storable_number(value: float) -> int | float | None:
    if -EXACT <= value <= EXACT:
        whole = int(value)
        return whole if whole == value else value
    try:
        near = float(value)
    except OverflowError:
        return None
    return near if near - near == 0 else None  # infinite, or no number at all


class _Fields:
    """The known fields of a value that should be a map. Null counts as missing.

    Attributes:
        is_valid: whether all that was asked for until now was what it should be.
    """

    __slots__ = ("_is_storable", "_values", "is_valid")

    def __init__(self, value: object, *, is_storable: bool) -> None:
        """
        Args:
            is_storable: nothing of it would have to be changed to be stored.
        """
        self._is_storable = is_storable
        self.is_valid = isinstance(value, (dict, Mapping))  # which is asked first: it is cheap
        self._values: Mapping[Any, Any] = value if self.is_valid else {}  # type: ignore[assignment]  # as was asked

    def optional(self, key: str, read: Callable[[Json], T | None]) -> T | None:
        """The field as `read` makes it out; None where it cannot, and where it is missing."""
        given = self._values.get(key)
        if given is None:
            return None
        value = read(given if self._is_storable else storable(given))
        self.is_valid = self.is_valid and value is not None
        return value

    def required(self, key: str, read: Callable[[Json], T | None]) -> T | None:
        """The same, of a field that has to be there."""
        value = self.optional(key, read)
        self.is_valid = self.is_valid and bool(value)
        return value

    def properties(self) -> dict[str, Json]:
        """The field `properties`, whose `text` has to be one (PRJ-4)."""
        properties = self.optional("properties", _map) or {}
        text = properties.get("text")
        self.is_valid = self.is_valid and (text is None or _plain(text) is not None)
        return properties


def _string(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _id(value: Json) -> str | None:
    return value if isinstance(value, str) and is_projected_id(value) else None


def _flag(value: Json) -> bool | None:
    return value if isinstance(value, bool) else None


def _number(value: Json) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _map(value: Json) -> dict[str, Json] | None:
    return value if isinstance(value, dict) else None


def _point(value: Json) -> dict[str, Json] | None:
    return _numbers(value, "x", "y")


def _vector(value: Json) -> dict[str, Json] | None:
    return _numbers(value, "x", "y", "z")


def _quaternion(value: Json) -> dict[str, Json] | None:
    return _numbers(value, "x", "y", "z", "w")


def _lifetime(value: Json) -> str | None:
    return value if isinstance(value, str) and value in LIFETIMES else None


def _extent(value: Json) -> dict[str, Json] | None:
    return _numbers(value, "width", "height")


def _numbers(value: Json, *keys: str) -> dict[str, Json] | None:
    """A map in which these are numbers."""
    if not isinstance(value, dict):
        return None
    for key in keys:
        if _number(value.get(key)) is None:
            return None
    return value


def _delta(value: Json) -> list[Json] | None:
    """The parts of a formatted text."""
    if isinstance(value, dict) and len(value) == 1:
        delta = value.get("delta")
        return delta if isinstance(delta, list) else None
    return None


def _plain(value: Json) -> str | None:
    """What a text says, formatted or not, without formats and embedded values."""
    if isinstance(value, str):
        return value
    delta = _delta(value)
    if delta is None:
        return None
    inserts = [part.get("insert") for part in delta if isinstance(part, dict)]
    return "".join(insert for insert in inserts if isinstance(insert, str))


def _search_text(properties: dict[str, Json]) -> str:
    """The text itself, then other words in a fixed order: yrs keeps the members of maps in none."""
    found: list[str] = []
    _find_words(properties.get("text"), found, is_written=True)
    others = {key: value for key, value in properties.items() if key != "text"}
    _find_words(others, found, is_written=False)
    return _cut("\n".join(found))


def _find_words(value: Json, found: list[str], *, is_written: bool) -> None:
    if isinstance(value, list):
        if not _is_wordless(value, is_written=is_written):
            for item in value:
                _find_words(item, found, is_written=is_written)
        return
    text = _plain(value)
    if text is not None:
        if is_written and text and not _is_address(text):
            found.append(text)
    elif isinstance(value, dict):
        for key in sorted(value):
            below, item = is_written or key in WRITTEN, value[key]
            if below or isinstance(item, (list, dict)):
                _find_words(item, found, is_written=below)


def _is_wordless(items: list[Json], *, is_written: bool) -> bool:
    """Whether no words are in a list, told without a look at each item: numbers, or points as a
    drawing has them by the hundred."""
    types = set(map(type, items))
    if types == {dict}:
        points: list[dict[str, Json]] = items  # type: ignore[assignment]  # that is what they are
        if is_written or not WRITTEN.isdisjoint(set[str]().union(*points)):
            return False
        types = set(map(type, chain.from_iterable(map(dict.values, points))))
    return types.isdisjoint((list, dict, str) if is_written else (list, dict))


def _is_address(text: str) -> bool:
    return text.startswith(_ADDRESSES) and " " not in text


def _cut(text: str) -> str:
    """At most `MAX_SEARCH_BYTES` of it, whole characters."""
    if len(text) * 4 <= MAX_SEARCH_BYTES:
        return text
    encoded = text[:MAX_SEARCH_BYTES].encode()
    return encoded[:MAX_SEARCH_BYTES].decode(errors="ignore")
