"""The walk over the contents of structs: text, values, JSON, types, subdocuments (GRD)."""

from __future__ import annotations

import json
import math
import re
from array import array
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import accumulate, compress
from typing import Final

from crdt_docs.clocks import MAX_CLOCK
from crdt_docs.errors import LimitExceeded, Malformed
from crdt_docs.varint import read_var_uint

# Kinds of structs (yjs, `readClientsStructRefs` and `contentRefs`).
COLLECTED: Final = 0
DELETED: Final = 1
JSON_TEXTS: Final = 2
BINARY: Final = 3
STRING: Final = 4
EMBED: Final = 5
FORMATTING: Final = 6
SHARED_TYPE: Final = 7
ANY: Final = 8
SUBDOCUMENT: Final = 9
SKIPPED: Final = 10

ARRAY_TYPE: Final = 0
XML_ELEMENT_TYPE: Final = 3
XML_FRAGMENT_TYPE: Final = 4
_SHARED_TYPES: Final = frozenset((ARRAY_TYPE, 1, 2, XML_ELEMENT_TYPE, XML_FRAGMENT_TYPE, 6))
"""Also map, text and XML text. Not 5, a hook, nor yrs' own weak links."""

ANY_STRING: Final = 119
ANY_TRUE: Final = 120
UNENDING: Final = 1 << 62
"""A budget that is never used up: the walk does not pause."""

TEXT_AT_ONCE: Final = 1 << 16
"""Bytes of a text that are looked at without a pause: about a millisecond."""

_SMALL_JSON: Final = 256
"""Bytes up to which JSON is no more work than any struct."""

_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
"""How a bracket changes the depth, as signed bytes."""
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?', re.DOTALL)
"""The strings of a JSON text; the last one, if it does not end."""
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_CONTINUATION = bytes(range(0x80, 0xC0))
"""What bytes of UTF-8 go on with a character."""
_IS_LOW_SURROGATE = bytes(0xDC <= byte <= 0xDF for byte in range(256))


@dataclass(frozen=True, slots=True)
class ContentLimits:
    """What the contents of one update may amount to.

    Attributes:
        value_depth: nesting of arrays and objects within one value, JSON included.
        elements: members of arrays and objects, counted over the update.
        json_elements: the same for JSON, which is read at once.
        subdocuments: counted over the update.
        json_bytes: of one JSON.
        json_marks: backslashes and closing brackets in one JSON: each of them takes as long to
            read as a hundred other characters.
        mends: halves of surrogate pairs in JSON, counted over the update.
    """

    value_depth: int = 64
    elements: int = 200_000
    json_elements: int = 20_000
    subdocuments: int = 16
    json_bytes: int = 4 << 20
    json_marks: int = 20_000
    mends: int = 20_000


NO_CONTENT_LIMITS = ContentLimits(
    value_depth=UNENDING,
    elements=UNENDING,
    json_elements=UNENDING,
    subdocuments=UNENDING,
    json_bytes=UNENDING,
    json_marks=UNENDING,
    mends=UNENDING,
)
"""For what is stored."""


def decode(raw: bytes) -> str:
    """GRD-7: a text is UTF-8, without surrogates.

    Raises:
        Malformed: it is not; yrs and browsers would disagree on what it says, or fail.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Malformed("a text is not valid UTF-8") from None


def utf16_length(raw: bytes) -> tuple[int, bytes | None]:
    """How many UTF-16 units a UTF-8 text has, which is how Yjs counts characters.

    Returns that, and the units themselves (little-endian) if surrogate pairs are among them.

    Raises:
        Malformed: not valid UTF-8.
    """
    text = decode(raw)
    units = text.encode("utf-16-le")
    length = len(units) >> 1
    return length, (units if length > len(text) else None)


def low_surrogates(
    units: bytes, clock: int, found: array[int], budget: int
) -> Generator[None, None, None]:
    """Append to `found` the clocks of second halves of surrogate pairs, `clock` being the first.

    To cut a text there would tear a pair apart (GRD-20). Pauses after every `budget` units.
    """
    high_bytes = units[1::2].translate(_IS_LOW_SURROGATE)
    for start in range(0, len(high_bytes), min(budget, len(high_bytes))):
        if start:
            yield
        part = high_bytes[start : start + budget]
        found.extend(compress(range(clock + start, clock + start + len(part)), part))


def walk_long_text(
    text: bytes, clock: int, found: array[int], budget: int
) -> Generator[None, None, int]:
    """The UTF-16 units of a text, and as `low_surrogates`, which it calls, `TEXT_AT_ONCE` bytes
    without a pause.

    Raises:
        Malformed: not valid UTF-8, or its clocks are too high.
    """
    length = start = 0
    while start < len(text):
        if start and budget < UNENDING:
            yield
        end = start + TEXT_AT_ONCE
        for _ in range(3):  # no character has more bytes that go on with it
            if text[end : end + 1].translate(None, _CONTINUATION):
                break
            end += 1
        part, units = utf16_length(text[start:end])
        if clock + length + part > MAX_CLOCK:
            raise Malformed(f"a clock is above {MAX_CLOCK}")
        if units is not None:
            yield from low_surrogates(units, clock + length, found, budget)
        length += part
        start = end
    return length


def check_json(raw: bytes, max_depth: int) -> list[int] | None:
    """GRD-8: a text is JSON that yrs and browsers read alike, and not nested too deeply.

    Yjs clients parse it while they apply an update, and one that throws is stuck for good.

    Returns where it spells half of a surrogate pair, which yrs does not read (GRD-26); None where
    it does not.

    Raises:
        Malformed: not JSON, or with numbers or bytes that one of them refuses.
        LimitExceeded: nested deeper than `max_depth`.
    """
    if _is_deeper(raw, max_depth):
        raise LimitExceeded(f"JSON is nested deeper than {max_depth} levels")
    decoder = _CAREFUL if _LONG in raw.translate(_DIGITS) else _DECODER
    try:
        decoder.decode(raw.decode())
    except ValueError:
        raise Malformed(
            "embedded or formatting content is not JSON that every side reads"
        ) from None
    if b"\\u" not in raw:
        return None
    return [found.start() for found in _ESCAPES.finditer(raw) if found[1]] or None


Mend = tuple[int, int, bytes]
"""Bytes of an update, from one position to another, and what is to stand there instead."""


def mended(update: bytes, mends: Sequence[Mend]) -> bytes:
    """GRD-26, GRD-29: the same update, written so that everybody reads it alike.

    Half of a surrogate pair in its JSON becomes U+FFFD, which is what arrives wherever else Yjs
    writes such a half. Of two origins that are the same only the left one stays.

    Args:
        update: one that the guard accepted.
        mends: as the guard told.
    """
    parts: list[bytes] = []
    written = 0
    for start, end, better in mends:
        parts += (update[written:start], better)
        written = end
    return b"".join((*parts, update[written:]))


def _is_deeper(raw: bytes, levels: int) -> bool:
    """Whether brackets nest deeper, other than those within strings."""
    if raw.count(b"[") + raw.count(b"{") <= levels:
        return False
    steps = _STRINGS.sub(b"", raw).translate(_STEPS, _NOT_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")), default=0) > levels


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError(number)
    return value


def _whole(number: str) -> float:
    """An integer; not one that has a sign bit to yrs, which then does not take the update."""
    value = _finite(number)
    if 2.0**63 <= value <= 2.0**64 and 2**63 <= int(number) < 2**64:
        raise ValueError(number)
    return value


def _refuse(constant: str) -> float:
    """NaN and Infinity, which Python reads as numbers and JavaScript does not."""
    raise ValueError(constant)


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse)
_CAREFUL = json.JSONDecoder(parse_float=_finite, parse_int=_whole, parse_constant=_refuse)
"""The same, also for integers of so many digits that browsers read them as infinite, or yrs as
negative."""
_LONG = b"0" * 19
_DIGITS = bytes(0x30 if byte in b"0123456789" else 0x20 for byte in range(256))
_ESCAPES = re.compile(rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F]..)|\\.", re.DOTALL)
"""The escapes of a JSON text one after the other; halves without the other half are group 1."""
_REPLACEMENT = rb"\ufffd"


class ContentWalk:
    """Walks the contents of one update's structs; they share its limits."""

    __slots__ = (
        "_data",
        "_elements_left",
        "_json_left",
        "_limits",
        "_subdocuments_left",
        "mends",
        "work",
    )

    def __init__(self, data: bytes, limits: ContentLimits) -> None:
        self._data = data
        self._limits = limits
        self._elements_left = limits.elements
        self._json_left = limits.json_elements
        self._subdocuments_left = limits.subdocuments
        self.mends: list[Mend] = []
        """Where halves of surrogate pairs are spelled in JSON, six bytes each (GRD-26)."""
        self.work = 0
        """How many structs of the usual size would have taken as long as the JSON so far, beyond
        those that it stands in."""

    def single(self, kind: int, position: int) -> tuple[int, int]:
        """Walk content other than text, values and subdocuments; return its clock length and end.

        Raises:
            Malformed, LimitExceeded: as the update guard does.
        """
        match kind:
            case 1:  # deleted
                length, position = read_var_uint(self._data, position)
                if length == 0:
                    raise Malformed("deleted content takes no clock")
                return length, position
            case 2:  # JSON texts
                # GRD-6: yrs reads one text more than there are, and everything after it shifted.
                raise Malformed("lists of JSON texts (Yjs before 13) cannot be read by this server")
            case 3:  # binary
                return 1, self._span(position)[1]
            case 5:  # embed
                return 1, self._json(position)
            case 6:  # formatting
                return 1, self._json(self._text(position))
            case 7:  # shared type
                return 1, self._shared_type(position)
            case _:
                raise Malformed(f"content kind {kind} does not exist")

    def values(self, position: int, budget: int) -> Generator[None, None, tuple[int, int]]:
        """Walk a list of values, pausing after every `budget` of them.

        Returns its clock length and its end.

        Raises:
            Malformed, LimitExceeded: as the update guard does.
        """
        count, position = read_var_uint(self._data, position)
        if count == 0:
            raise Malformed("a list without values")
        if count > len(self._data) - position:
            raise Malformed(f"{count} values do not fit in the bytes that remain")
        self._spend(count)
        position = yield from self._any(position, count, budget)
        return count, position

    def subdocument(self, position: int, budget: int) -> Generator[None, None, tuple[int, int]]:
        """Walk a subdocument: its name and a value with its options; otherwise as `values`."""
        self._subdocuments_left -= 1
        if self._subdocuments_left < 0:
            raise LimitExceeded(f"more than {self._limits.subdocuments} subdocuments in one update")
        position = yield from self._any(self._text(position), 1, budget)
        return 1, position

    def _span(self, position: int) -> tuple[int, int]:
        """Where the bytes lie that follow their length."""
        length, start = read_var_uint(self._data, position)
        end = start + length
        if end > len(self._data):
            raise Malformed(f"a length of {length} bytes does not fit in the update")
        return start, end

    def _text(self, position: int) -> int:
        start, end = self._span(position)
        text = self._data[start:end]
        if not text.isascii():
            decode(text)
        return end

    def _json(self, position: int) -> int:
        start, end = self._span(position)
        raw = self._data[start:end]
        if end - start > _SMALL_JSON:
            self._weigh(raw)
        self._json_left -= raw.count(b",") + raw.count(b"[") + raw.count(b"{")
        if self._json_left < 0:
            raise LimitExceeded(
                f"an update may hold {self._limits.json_elements} array and object members in JSON"
            )
        halves = check_json(raw, self._limits.value_depth)
        if halves is not None:
            self.mends += [
                (start + half, start + half + len(_REPLACEMENT), _REPLACEMENT) for half in halves
            ]
            if len(self.mends) > self._limits.mends:
                raise LimitExceeded(
                    f"an update may hold {self._limits.mends} halves of surrogate pairs in JSON"
                )
        return end

    def _weigh(self, raw: bytes) -> None:
        limits = self._limits
        if len(raw) > limits.json_bytes:
            raise LimitExceeded(
                f"an embedded or formatting value of {len(raw)} bytes; {limits.json_bytes} are"
                " allowed"
            )
        marks = raw.count(b"\\") + raw.count(b"]") + raw.count(b"}")
        if marks > limits.json_marks:
            raise LimitExceeded(
                f"an embedded or formatting value with {marks} escapes and closing brackets;"
                f" {limits.json_marks} are allowed"
            )
        self.work += (len(raw) >> 9) + (marks >> 3)

    def _shared_type(self, position: int) -> int:
        reference, position = read_var_uint(self._data, position)
        if reference not in _SHARED_TYPES:
            raise Malformed(f"shared type {reference} is not supported")
        return self._text(position) if reference == XML_ELEMENT_TYPE else position

    def _spend(self, elements: int) -> None:
        self._elements_left -= elements
        if self._elements_left < 0:
            raise LimitExceeded(
                f"an update may hold {self._limits.elements} array and object members"
            )

    def _any(  # noqa: C901, PLR0912, PLR0915 - one branch for each kind of value
        self, position: int, count: int, budget: int
    ) -> Generator[None, None, int]:
        """Walk `count` values in lib0's encoding, and return where they end.

        Without recursion. `around` holds, for each array or object around the current one, how
        many members it still has; negative for objects, whose members begin with a key.
        """
        data = self._data
        size = len(data)
        around: list[int] = []
        left = count
        walked = 0
        while left or around:
            if left == 0:
                left = around.pop()
                continue
            walked += 1
            if walked >= budget:
                walked = 0
                yield
            if left > 0:
                left -= 1
            else:
                left += 1
                position = self._text(position)
            tag = data[position]
            position += 1
            match tag:
                case 119:  # string
                    position = self._text(position)
                case 127 | 126 | 121 | 120:  # undefined, null, false, true
                    pass
                case 125:  # integer
                    first = position
                    while data[position] >= 0x80:
                        position += 1
                    position += 1
                    if position - first > 8:
                        raise Malformed("an integer is longer than 53 bits")
                case 123 | 122:  # float64, bigint
                    position += 8
                case 124:  # float32
                    position += 4
                case 117 | 118:  # array, object
                    members, position = read_var_uint(data, position)
                    if members > size - position:
                        raise Malformed(f"{members} members do not fit in the bytes that remain")
                    self._spend(members)
                    around.append(left)
                    if len(around) > self._limits.value_depth:
                        raise LimitExceeded(
                            f"a value is nested deeper than {self._limits.value_depth} levels"
                        )
                    left = members if tag == 117 else -members
                case 116:  # bytes
                    position = self._span(position)[1]
                case _:
                    raise Malformed(f"value tag {tag} does not exist")
        if position > size:
            raise Malformed("a value does not fit in the bytes that remain")
        return position
