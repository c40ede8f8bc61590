"""Shared texts become what they should say; as little as can be is deleted and inserted (EDT-4).

A text is a string, or with formats or embedded values `{"delta": [{"insert", "attributes"}]}`, as
`object_reader` shows it. Positions in a shared text are bytes of UTF-8 for the binding, an embedded
value being one; browsers count in UTF-16. Whole characters are inserted and deleted, so that
neither ever lies within one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, groupby, pairwise, takewhile
from typing import Any, Final, NamedTuple, TypeAlias

from pycrdt import Text

from crdt_docs.edit_values import MAX_PARTS, same, writable
from crdt_docs.projection import storable
from crdt_docs.text_diff import hunks

Formats: TypeAlias = dict[str, Any]

FEW_PIECES: Final = 8
"""Pieces of different formats that are inserted as what they are; of more, the formats follow."""

MAX_CHANGED: Final = 200
"""Parts of a text, and formats of them, that are changed where they stand."""

_NONE: Final[Formats] = {}


class Embedded(NamedTuple):
    """A value that stands in a text like a character.

    Attributes:
        spelt: the same for equal values.
        value: as JSON.
    """

    spelt: str
    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Embedded) and self.spelt == other.spelt

    def __hash__(self) -> int:
        return hash(self.spelt)


Unit: TypeAlias = str | Embedded
"""One character, or what is embedded."""


class Run(NamedTuple):
    """Units that follow one another with the same formats."""

    units: str | tuple[Embedded]
    formats: Formats


def text_runs(value: object) -> list[Run] | None:
    """What a text says, in as few runs as can be; None for what is no text."""
    if isinstance(value, str):
        return _joined([Run(value, _NONE)])
    if not isinstance(value, dict) or len(value) != 1:
        return None
    delta = value.get("delta")
    if not isinstance(delta, list):
        return None
    runs = [_run(part) for part in delta]
    known = [run for run in runs if run is not None]
    return _joined(known) if len(known) == len(runs) else None


def as_text(runs: Sequence[Run]) -> str | dict[str, Any]:
    """The shortest way to say it: `object_reader` shows a text that is written like this."""
    if all(isinstance(run.units, str) and not run.formats for run in runs):
        return "".join(str(run.units) for run in runs)
    delta = []
    for units, formats in runs:
        part = {"insert": units if isinstance(units, str) else units[0].value}
        delta.append({**part, "attributes": formats} if formats else part)
    return {"delta": delta}


def is_quick(shown: object, runs: Sequence[Run]) -> bool:
    """Whether a shared text can be changed to say this. One in which very much of the formats
    changes is made anew: for each change yrs walks over the text, and over all that was ever
    deleted in it. The hundredth time that takes seconds."""
    before = text_runs(shown) or []
    start = sum(1 for _ in takewhile(_are_alike, zip(before, runs, strict=False)))
    before, runs = before[start:], runs[start:]
    end = sum(1 for _ in takewhile(_are_alike, zip(reversed(before), reversed(runs), strict=False)))
    changed = (*before[: len(before) - end], *runs[: len(runs) - end])
    return sum(1 + len(run.formats) for run in changed) <= MAX_CHANGED


def is_short(shown: object) -> bool:
    """Whether words can be written into a shared text; of many parts each costs a walk (EDT-4)."""
    return len(text_runs(shown) or ()) <= 2 * MAX_PARTS


def _are_alike(pair: tuple[Run, Run]) -> bool:
    one, other = pair
    return one.units == other.units and same(one.formats, other.formats)


def write_text(text: Text, shown: object, runs: Sequence[Run]) -> None:
    """Make a shared text say this, with these formats and no others.

    Args:
        text: in a document, within a transaction.
        shown: what it says now, as `object_reader` shows it.
        runs: what it shall say.
    """
    before = text_runs(shown) or []
    if not before:
        _write_new(text, runs)
        return
    is_formatted = any(run.formats for run in (*before, *runs))
    old, new = _units(before), _units(runs)
    formats = _unit_formats(runs) if is_formatted else [_NONE] * len(new)
    places = _places(old)
    for hunk in reversed(hunks(old, new)):  # from the end, so that places stay what they are
        at = places[hunk.start]
        _delete(text, at, places[hunk.end])
        wanted = slice(hunk.new_start, hunk.new_end)
        pieces = list(_alike(new[wanted], formats[wanted]))
        if len(pieces) > FEW_PIECES:
            _insert_many(text, at, new[wanted])
            continue
        for units, given in pieces:
            at += _insert(text, at, units, given if is_formatted else None)
    if is_formatted:
        _mend_formats(text, runs)


def _write_new(text: Text, runs: Sequence[Run]) -> None:
    """Into an empty text, the last part first: yrs walks to a place over all parts before it."""
    is_formatted = any(run.formats for run in runs)
    for run in reversed(runs):
        whole = run.units if isinstance(run.units, str) else run.units[0]
        _insert(text, 0, whole, run.formats if is_formatted else None)
    if is_formatted:
        _mend_formats(text, runs)  # where a part took those of the next one


def write_words(text: Text, shown: object, words: str) -> None:
    """Make a shared text say this, and leave its formats and embedded values where they are.

    Args:
        text: in a document, within a transaction.
        shown: what it says now, as `object_reader` shows it.
        words: what it shall say.
    """
    units = _units(text_runs(shown) or [])
    places = _places(units)
    letters = [i for i, unit in enumerate(units) if isinstance(unit, str)]
    said = "".join(str(units[i]) for i in letters)
    for hunk in reversed(hunks(said, words)):
        at = places[letters[hunk.start]] if hunk.start < len(letters) else places[-1]
        for start, end in reversed(_together(letters[hunk.start : hunk.end])):
            _delete(text, places[start], places[end])
        if hunk.new_end > hunk.new_start:
            text.insert(at, words[hunk.new_start : hunk.new_end])


def _together(indices: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as ranges."""
    found: list[tuple[int, int]] = []
    for i in indices:
        if found and found[-1][1] == i:
            found[-1] = (found[-1][0], i + 1)
        else:
            found.append((i, i + 1))
    return found


def _run(part: object) -> Run | None:
    """A part of a delta; None for what is none, as Quill's `retain`."""
    if not isinstance(part, dict) or not part.keys() <= {"insert", "attributes"}:
        return None
    given = part.get("attributes") or {}
    insert = part.get("insert")
    if not isinstance(given, dict) or insert is None:
        return None
    formats = {key: value for key, value in given.items() if value is not None}
    if isinstance(insert, str):
        return Run(insert, formats)
    return Run((Embedded(json.dumps(storable(insert), sort_keys=True), insert),), formats)


def _joined(runs: Sequence[Run]) -> list[Run]:
    """Without empty runs, and with those joined that could be one."""
    found: list[Run] = []
    for run in runs:
        last = found[-1] if found else None
        if not run.units:
            continue
        if (
            last is not None
            and isinstance(last.units, str)
            and isinstance(run.units, str)
            and same(last.formats, run.formats)
        ):
            found[-1] = Run(last.units + run.units, run.formats)
        else:
            found.append(run)
    return found


def _units(runs: Sequence[Run]) -> Sequence[Unit]:
    """One by one; a string, which is compared quickly, where all are characters."""
    if all(isinstance(run.units, str) for run in runs):
        return "".join(str(run.units) for run in runs)
    return [unit for run in runs for unit in run.units]


def _unit_formats(runs: Sequence[Run]) -> list[Formats]:
    return [run.formats for run in runs for _ in run.units]


def _alike(
    units: Sequence[Unit], formats: Sequence[Formats]
) -> Iterator[tuple[str | Embedded, Formats]]:
    """What can be inserted at once: characters of the same formats, or one embedded value."""
    start = 0
    for _, group in groupby(formats, key=id):  # those of one run are one object
        end = start + sum(1 for _ in group)
        for is_text, some in groupby(units[start:end], key=lambda unit: isinstance(unit, str)):
            if is_text:
                yield "".join(map(str, some)), formats[start]
            else:
                yield from ((unit, formats[start]) for unit in some)
        start = end


def _width(unit: Unit) -> int:
    """In the places of the binding."""
    return len(unit.encode()) if isinstance(unit, str) else 1


def _places(units: Sequence[Unit]) -> Sequence[int]:
    """Where each begins, and where the last one ends."""
    if isinstance(units, str) and units.isascii():
        return range(len(units) + 1)
    return list(accumulate(map(_width, units), initial=0))


def _insert(text: Text, at: int, units: str | Embedded, formats: Formats | None) -> int:
    """Returns how wide it is. Formats of None are those of the text around it."""
    given = None if formats is None else writable(formats)
    if isinstance(units, str):
        text.insert(at, units, given)
        return len(units.encode())
    text.insert_embed(at, writable(units.value), given)
    return 1


def _insert_many(text: Text, at: int, units: Sequence[Unit]) -> None:
    """Without formats, the last piece first: yrs walks to a place over all pieces before it."""
    for piece, _ in reversed(list(_alike(units, [_NONE] * len(units)))):
        _insert(text, at, piece, _NONE)


def _delete(text: Text, start: int, end: int) -> None:
    if end > start:
        del text[start:end]


def _mend_formats(text: Text, runs: Sequence[Run]) -> None:
    """Give what stands there the formats it should have, where it has others."""
    is_ = _formats_by_place((_span(part), formats or _NONE) for part, formats in text.diff())
    wanted = _formats_by_place((_span(run.units), run.formats) for run in runs)
    borders = sorted({*is_, *wanted})
    has: Formats = _NONE
    shall: Formats = _NONE
    changes: list[tuple[int, int, Formats]] = []
    for start, end in pairwise(borders):
        has, shall = is_.get(start, has), wanted.get(start, shall)
        if change := _difference(has, shall):
            changes.append((start, end, change))
    for start, end, change in reversed(changes):  # to the last one yrs walks over the fewest pieces
        text.format(start, end, writable(change))


def _span(part: object) -> int:
    return len(part.encode()) if isinstance(part, str) else 1


def _formats_by_place(parts: Iterator[tuple[int, Formats]]) -> dict[int, Formats]:
    """By where they begin; the end of the text has none."""
    found: dict[int, Formats] = {}
    at = 0
    for width, formats in parts:
        found[at] = formats
        at += width
    found[at] = _NONE
    return found


def _difference(has: Mapping[str, Any], shall: Mapping[str, Any]) -> Formats:
    """What to set, and as None what to take away."""
    gone: Formats = {key: None for key in has if key not in shall}
    new = {key: value for key, value in shall.items() if not same(has.get(key), value)}
    return {**gone, **new}
