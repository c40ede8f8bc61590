"""How thorough a run is: `PROVE=1` means many seeds and real clocks."""

from __future__ import annotations

import os


def is_proving() -> bool:
    """Whether this run is `make prove`."""
    return os.environ.get("PROVE") == "1"


def few_or_many(few: int, many: int) -> int:
    """`few` in an ordinary run, `many` when proving."""
    return many if is_proving() else few


def missing(what: str) -> str:
    """Say that something a test needs is not on this machine.

    Returns:
        The reason to skip with.

    Raises:
        AssertionError: `REQUIRE_ALL=1`, where a skip would hide that nothing was tested.
    """
    if os.environ.get("REQUIRE_ALL") == "1":
        raise AssertionError(f"{what} (and REQUIRE_ALL=1 forbids to skip)")
    return what
