"""What a run has to keep: `seen.p95=20` on the command line, `Threshold(...)` in a scenario."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

_MORE_IS_BETTER = ("counts.", "rates.", "checks.converged", "checks.witnesses")
_BUT = ("left", "refusals", "rest_errors", "throttled")


def is_more_better(name: str) -> bool:
    """Whether a number of this name had better be large."""
    return name.startswith(_MORE_IS_BETTER) and not name.endswith(_BUT)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A bound on one of `Result.numbers()`.

    Attributes:
        name: of the number: `seen.p95` (milliseconds), `rates.frames_in`, `errors`.
        at_most: a ceiling; or
        at_least: a floor.
    """

    name: str
    at_most: float | None = None
    at_least: float | None = None

    def __post_init__(self) -> None:
        """
        Raises:
            ValueError: it has no bound, or two.
        """
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError(f"{self.name}: give it one bound, at_most or at_least")

    @classmethod
    def parse(cls, text: str) -> Self:
        """`NAME=NUMBER`: a ceiling, or a floor where more is better; or plainly `NAME<=NUMBER`
        and `NAME>=NUMBER`.

        Raises:
            ValueError: it is neither.
        """
        name, sign, bound = _split(text)
        is_floor = sign == ">=" or (sign == "=" and is_more_better(name))
        return cls(name, at_least=bound) if is_floor else cls(name, at_most=bound)

    def check(self, numbers: Mapping[str, float]) -> Verdict:
        """Whether a run keeps it. What was not measured keeps nothing."""
        value = numbers.get(self.name, math.nan)
        known = None if math.isnan(value) else value
        if self.at_most is not None:
            return Verdict(self.name, known, f"<= {self.at_most:g}", value <= self.at_most)
        floor = self.at_least if self.at_least is not None else math.inf
        return Verdict(self.name, known, f">= {floor:g}", value >= floor)


def _split(text: str) -> tuple[str, str, float]:
    for sign in ("<=", ">=", "="):
        name, found, bound = text.partition(sign)
        if found and name.strip():
            return name.strip(), sign, _number(bound, text)
    raise ValueError(f"{text!r} is no threshold: write NAME=NUMBER, as seen.p95=20")


def _number(bound: str, text: str) -> float:
    try:
        number = float(bound)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{bound.strip()!r} in {text!r} is no number")
    return number


NO_TROUBLE = (Threshold("errors", at_most=0), Threshold("closes", at_most=0))


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a threshold did.

    Attributes:
        value: what was measured; None if it was not.
        bound: `<= 20`.
    """

    name: str
    value: float | None
    bound: str
    passed: bool


def check_all(wanted: Iterable[Threshold], numbers: Mapping[str, float]) -> list[Verdict]:
    """Every threshold's verdict. The last bound of a name counts: the command line's comes after
    the scenario's."""
    last = {(each.name, each.at_most is None): each for each in wanted}
    return [each.check(numbers) for each in last.values()]
