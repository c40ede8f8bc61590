"""The plots of a report, as SVG that stands in a page and takes its colours from it.

Matplotlib knows only fixed colours. Each of ours stands for one of the page's, which a reader with
a dark screen has different ones of: `INK` in the drawing is `var(--ink)` in the page.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from loadtest.histogram import Histogram, highest_of
from loadtest.labels import DELAYS
from loadtest.result import Result
from loadtest.second import Second

INK, GRID, SHADE = "#010101", "#020202", "#030303"
FIRST, SECOND, THIRD, FOURTH, FIFTH = "#040404", "#050505", "#060606", "#070707", "#080808"
COLOURS = {
    INK: "ink",
    GRID: "grid",
    SHADE: "shade",
    FIRST: "first",
    SECOND: "second",
    THIRD: "third",
    FOURTH: "fourth",
    FIFTH: "fifth",
}
_SERIES = (FIRST, SECOND, THIRD, FOURTH, FIFTH)
_STYLE: dict[Any, Any] = {  # keys are 300 literal names to the type checker
    "svg.fonttype": "none",  # text stays text
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "legend.labelcolor": INK,
}
MOST_POINTS = 400  # of a line
LEAST_DRAWN = 0.01  # milliseconds: nobody cares what is below, and it would take half the room
_PERCENTILES = (50.0, 90.0, 99.0, 99.9, 99.99, 99.999)


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing with its title, and one sentence for who cannot see it."""

    title: str
    about: str
    svg: str


def plots(result: Result) -> Iterator[Plot]:
    """Those for which there is something to draw."""
    for name, title, about, draw in _PLOTS:
        figure = Figure(figsize=(6.4, 2.9), layout="constrained")
        with rc_context({**_STYLE, "svg.hashsalt": name}):
            if draw(figure.add_subplot(), result):
                yield Plot(title, about, _svg(figure, name))


def _svg(figure: Figure, name: str) -> str:
    """The drawing alone: no prolog, no metadata, colours of the page, ids that are its own."""
    written = io.StringIO()
    figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    text = written.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    for colour, variable in COLOURS.items():
        text = text.replace(colour, f"var(--{variable})")
    return text


def _line(axes: Axes, at: Sequence[float], values: Sequence[float], label: str) -> None:
    colour = _SERIES[len(axes.lines) % len(_SERIES)]
    axes.plot(at, values, color=colour, label=label)


def _finish(axes: Axes, series: Sequence[Second], unit: str) -> bool:
    """Axes, legend and the shade of what was not measured; False if there is no line."""
    if not axes.lines:
        return False
    size = _block(series)
    axes.set_xlabel("seconds" if size == 1 else f"seconds, each point the mean of {size}")
    axes.set_ylabel(unit)
    for start, end in _unmeasured(series):
        axes.axvspan(start, end, color=SHADE, linewidth=0)
    axes.set_xlim(0, max(series[-1].second, 1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(_plain))
    _legend(axes)
    return True


def _plain(value: float, _position: int | None) -> str:
    return f"{value:,g}" if abs(value) < 10_000 else f"{value:,.0f}"


def _block(series: Sequence[Second]) -> int:
    """Seconds that share one point: of a run of hours single ones would be a solid band."""
    return -(-len(series) // MOST_POINTS)


def _legend(axes: Axes) -> None:
    """Above the drawing, where no line can be."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=5, borderaxespad=0, handlelength=1.2)


def _unmeasured(series: Sequence[Second]) -> Iterator[tuple[float, float]]:
    """Beginning and end of each stretch in which people arrived or left; a second ends when it
    is told of."""
    for is_measured, stretch in groupby(series, key=lambda each: each.is_measured):
        seconds = [each.second for each in stretch]
        if not is_measured:
            yield max(seconds[0] - 1, 0), seconds[-1]


def _over_time(
    axes: Axes, result: Result, label: str, value: Callable[[Second], float | None]
) -> None:
    """A line of the seconds, if there is anything to see in them."""
    size = _block(result.series)
    blocks = [result.series[at : at + size] for at in range(0, len(result.series), size or 1)]
    values = [_mean([value(each) for each in block]) for block in blocks]
    if any(known > 0 for known in values):
        _line(axes, [block[-1].second for block in blocks], values, label)


def _mean(values: Sequence[float | None]) -> float:
    """Of what is known; NaN if nothing is, which is no point."""
    known = [each for each in values if each is not None]
    return fmean(known) if known else math.nan


def _delays_over_time(axes: Axes, result: Result) -> bool:
    _over_time(axes, result, "seen p50", lambda each: each.seen_p50)
    _over_time(axes, result, "seen p95", lambda each: each.seen_p95)
    _over_time(axes, result, "seen p99", lambda each: each.seen_p99)
    _over_time(axes, result, "stored p95", lambda each: each.stored_p95)
    _over_time(axes, result, "poses p95", lambda each: each.pose_age_p95)
    _logarithmic(axes)
    return _finish(axes, result.series, "ms")


def _logarithmic(axes: Axes) -> None:
    """Delays: from a millisecond to seconds on one axis, with plain numbers."""
    axes.set_yscale("log")
    values = [np.asarray(line.get_ydata(), dtype=float) for line in axes.lines]
    if above := [float(value) for each in values for value in each if value > LEAST_DRAWN]:
        axes.yaxis.set_major_locator(FixedLocator(_round_values(min(above), max(above))))
        axes.set_ylim(bottom=min(above) / 1.3)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(_plain))


def _round_values(least: float, most: float) -> list[float]:
    """1, 2, 3, 5, 10 and so on, from below to above; of many only the powers of ten."""
    low, high = math.floor(math.log10(least)), math.ceil(math.log10(most))
    steps = (1, 2, 3, 5) if high - low <= 2 else (1,)
    return [step * 10.0**power for power in range(low, high + 1) for step in steps]


def _distribution(axes: Axes, result: Result) -> bool:
    for name, title in DELAYS.items():
        delays = result.totals.delays[name]
        if delays.at and len(axes.lines) < len(_SERIES):
            _line(axes, *_curve(delays), title)
    if not axes.lines:
        return False
    _logarithmic(axes)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([_stretched(each) for each in _PERCENTILES]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(_percentile))
    axes.set_xlabel("of all, so many percent took no longer")
    axes.set_ylabel("ms")
    _legend(axes)
    return True


def _stretched(percent: float) -> float:
    """Where a percentile is on the axis: each nine more is as far again."""
    return 100 / (100 - percent)


def _percentile(value: float, _position: int | None) -> str:
    return f"{100 - 100 / value:.6g} %"


def _curve(delays: Histogram) -> tuple[list[float], list[float]]:
    """Places on the axis of percentiles, and the delays there; the greatest one ends it."""
    count, reached = delays.count, 0
    at, values = [], []
    for place, times in delays.pairs():
        at.append(count / (count - reached))
        values.append(highest_of(place) / 1000)
        reached += times
    return [*at, float(2 * count)], [*values, values[-1]]


def _throughput(axes: Axes, result: Result) -> bool:
    _over_time(axes, result, "delivered", lambda each: each.marks)
    _over_time(axes, result, "frames received", lambda each: each.frames)
    _over_time(axes, result, "edits sent", lambda each: each.sent)
    return _counting(axes, result, "a second")


def _cpu(axes: Axes, result: Result) -> bool:
    _over_time(axes, result, "server", lambda each: _times(each.server_cpu, 100))
    _over_time(axes, result, "generator", lambda each: _times(each.generator_cpu, 100))
    return _counting(axes, result, "% of a core")


def _memory(axes: Axes, result: Result) -> bool:
    _over_time(axes, result, "server", lambda each: _times(each.server_memory, 1 / 2**20))
    return _finish(axes, result.series, "MiB")


def _connections(axes: Axes, result: Result) -> bool:
    _over_time(axes, result, "connected", lambda each: each.connected)
    _over_time(axes, result, "closed, and should not have been", lambda each: each.closes)
    _over_time(axes, result, "errors until now", lambda each: each.errors)
    return _counting(axes, result, "people, times")


def _counting(axes: Axes, result: Result, unit: str) -> bool:
    is_drawn = _finish(axes, result.series, unit)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(_plain))
    return is_drawn


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


_PLOTS: tuple[tuple[str, str, str, Callable[[Axes, Result], bool]], ...] = (
    ("time", "Delays over time", "Percentiles of each second's delays.", _delays_over_time),
    ("distribution", "Distribution of delays", "Delays by percentile.", _distribution),
    ("throughput", "Throughput", "Edits sent and what came of them, each second.", _throughput),
    ("cpu", "CPU", "Share of one core, of the server and of the generator.", _cpu),
    ("memory", "Memory of the server", "What its processes have, over time.", _memory),
    ("connections", "Connections", "People connected, and trouble so far.", _connections),
)
"""Name, title, one sentence, and what draws it and says whether there was anything to draw."""
