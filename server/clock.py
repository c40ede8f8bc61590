"""The time of day, as something that can be handed in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the present moment, timezone-aware, in UTC."""


def utc_now() -> datetime:
    """The present moment by this machine's clock."""
    return datetime.now(UTC)
