"""Clocks of Yjs clients, which count what each of them has written."""

from __future__ import annotations

MAX_CLOCK = 2**31 - 1
"""The highest clock, or end of a clock range: yrs calculates in 32 bits."""

ClockRanges = dict[int, list[tuple[int, int]]]
"""Per client disjoint clock ranges (start, end), ascending."""
