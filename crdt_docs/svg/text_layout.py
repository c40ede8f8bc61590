"""Words of an object, with their formats, set in lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from crdt_docs.svg.colors import Color, parse_color
from crdt_docs.svg.metrics import Family, is_attached, width_of

LONGEST_TEXT: Final = 20_000
"""Characters of one object that are shown (SVG-6)."""

CUT: Final = "…"
_JOINER: Final = "\u200d"
_TOKENS: Final = re.compile(r"\n| +|[^ \n]+")
_BREAKS: Final = re.compile(r"\r\n|[\r\v\f\x85\u2028\u2029]")


class Face(NamedTuple):
    """How a stretch of text looks."""

    is_bold: bool = False
    is_italic: bool = False
    is_underlined: bool = False
    is_struck: bool = False
    color: Color | None = None
    family: Family = "sans"

    def width(self, text: str, size: float) -> float:
        """Of a text in this face, pixels."""
        return width_of(text, size, self.family, is_bold=self.is_bold)


class Run(NamedTuple):
    """A stretch of text in one face."""

    text: str
    face: Face


class Line(NamedTuple):
    """What stands in one line."""

    runs: tuple[Run, ...]
    width: float


def runs_of(text: object, face: Face) -> list[Run]:
    """A text as it is projected, a string or `{"delta": […]}`, cut at `LONGEST_TEXT`."""
    room = LONGEST_TEXT
    runs = []
    for words, formatted in _parts(text, face):
        if len(words) > room:
            words = words[:room] + CUT  # noqa: PLW2901 - the last part there is room for
        runs.append(Run(_BREAKS.sub("\n", words).replace("\t", "    "), formatted))
        room -= max(1, len(words))
        if room <= 0:
            break
    return runs


def _parts(text: object, face: Face) -> Iterator[tuple[str, Face]]:
    match text:
        case str():
            yield text, face
        case {"delta": [*steps]}:
            for step in steps:
                match step:
                    case {"insert": str(words), "attributes": Mapping() as attributes}:
                        yield words, _formatted(face, attributes)
                    case {"insert": str(words)}:
                        yield words, face


def _formatted(face: Face, attributes: Mapping[str, Any]) -> Face:
    """The formats that rich text editors write; others are not shown."""

    def has(*names: str) -> bool:
        return any(attributes.get(name) not in (None, False, "", 0) for name in names)

    return Face(
        is_bold=face.is_bold or has("bold", "strong"),
        is_italic=face.is_italic or has("italic", "em"),
        is_underlined=face.is_underlined or has("underline", "link"),
        is_struck=face.is_struck or has("strike", "strikethrough"),
        color=parse_color(attributes.get("color")) or face.color,
        family="mono" if has("code") else face.family,
    )


def wrapped(runs: Iterable[Run], size: float, width: float, most: int) -> list[Line]:
    """Runs set in lines no wider than `width`, as browsers do with `overflow-wrap: anywhere`.

    Args:
        size: of the font, pixels.
        most: lines; the last one ends in an ellipsis where there would be more.
    """
    setter = _Setter(size, width, most)
    for run in runs:
        for piece in _TOKENS.findall(run.text):
            if piece == "\n":
                setter.end_line()
            elif piece[0] == " ":
                setter.add_space(Run(piece, run.face))
            else:
                setter.add(Run(piece, run.face))
            if setter.is_full:
                return setter.cut()
    return setter.finished()


class _Setter:
    """Sets words one after the other. A word may be of several runs."""

    def __init__(self, size: float, width: float, most: int) -> None:
        self._size = size
        self._width = width
        self._most = most
        self._lines: list[Line] = []
        self._line: list[Run] = []
        self._used = 0.0
        self._space: list[Run] = []
        self._word: list[Run] = []

    @property
    def is_full(self) -> bool:
        """There is more than may be shown."""
        return len(self._lines) > self._most

    def add(self, run: Run) -> None:
        """A part of a word."""
        self._word.append(run)

    def add_space(self, run: Run) -> None:
        """What a line may be broken at, and what then vanishes."""
        self._end_word()
        self._space.append(run)

    def end_line(self) -> None:
        """The end of a paragraph."""
        self._end_word()
        self._break()

    def finished(self) -> list[Line]:
        """The lines."""
        self.end_line()
        return self.cut() if self.is_full else self._lines

    def cut(self) -> list[Line]:
        """As many lines as may be, and a mark that there are more."""
        lines = self._lines[: self._most]
        if lines:
            lines[-1] = self._with_mark(lines[-1])
        return lines

    def _end_word(self) -> None:
        word, self._word = self._word, []
        if not word:
            return
        width = self._measure(word)
        if self._used and self._used + self._measure(self._space) + width > self._width:
            self._break()
        if width > self._width:
            self._place(self._space)
            self._space = []
            self._place_anywhere(word)
        else:
            self._place([*self._space, *word])
            self._space = []

    def _place_anywhere(self, word: Sequence[Run]) -> None:
        """A word that no line is wide enough for."""
        for run in word:
            for cluster in _clusters(run.text):
                piece = Run(cluster, run.face)
                if self._used and self._used + self._measure([piece]) > self._width:
                    self._break()
                    if self.is_full:
                        return
                self._place([piece])

    def _place(self, runs: Iterable[Run]) -> None:
        for run in runs:
            self._used += self._measure([run])
            if self._line and self._line[-1].face == run.face:
                run = Run(self._line[-1].text + run.text, run.face)  # noqa: PLW2901 - joined
                self._line.pop()
            self._line.append(run)

    def _break(self) -> None:
        self._lines.append(Line(tuple(self._line), self._used))
        self._line, self._space, self._used = [], [], 0.0

    def _with_mark(self, line: Line) -> Line:
        runs = list(line.runs) or [Run("", Face())]
        text, face = runs.pop()
        room = self._width - self._measure(runs) - face.width(CUT, self._size)
        while runs and room < 0:
            text, face = runs.pop()
            room = self._width - self._measure(runs) - face.width(CUT, self._size)
        end = len(text)
        over = face.width(text, self._size) - room
        while end and over > 0:
            end -= 1
            over -= face.width(text[end], self._size)
        runs.append(Run(text[:end].rstrip() + CUT, face))
        return Line(tuple(runs), self._measure(runs))

    def _measure(self, runs: Iterable[Run]) -> float:
        return sum(run.face.width(run.text, self._size) for run in runs)


def _clusters(text: str) -> Iterator[str]:
    """What must not be taken apart: a character with its marks, and characters joined to it."""
    cluster = ""
    for character in text:
        if cluster and not is_attached(character) and not cluster.endswith(_JOINER):
            yield cluster
            cluster = ""
        cluster += character
    if cluster:
        yield cluster
