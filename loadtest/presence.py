"""What one person shows of itself: presence states as stock clients write them (y-protocols)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from crdt_docs.varint import var_string, var_uint
from loadtest.structs import Value

COLORS: Final = ("#e11d48", "#ea580c", "#16a34a", "#0891b2", "#4f46e5", "#a21caf")

_GONE: Final = "null"


class Presence:
    """One person's presence, as awareness updates without framing.

    Args:
        client: the Yjs client id of the person's document.
        name: as others see it; a server may put another in its place.
        mark: gives a mark of the present time.
    """

    def __init__(self, client: int, name: str, mark: Callable[[], str]) -> None:
        self.clock = 0
        self._client = var_uint(client)
        self._mark = mark
        user: dict[str, Value] = {"name": name, "color": COLORS[client % len(COLORS)]}
        self._state: dict[str, Value] = {"user": user, "cursor": None}

    def renew(self) -> bytes:
        """Who is there, and where, as before: also the first one. A mark is not shown again."""
        cursor = self._state["cursor"]
        if isinstance(cursor, Mapping):
            self._state["cursor"] = {"x": cursor["x"], "y": cursor["y"]}
        return self._update(self._state)

    def point(self, x: float, y: float) -> bytes:
        """Where the cursor is, with a mark."""
        cursor: dict[str, Value] = {"x": round(x, 1), "y": round(y, 1), "mark": self._mark()}
        self._state["cursor"] = cursor
        return self._update(self._state)

    def depart(self) -> bytes:
        """The last one: nobody is there any more."""
        return self._update(None)

    def _update(self, state: Mapping[str, Value] | None) -> bytes:
        self.clock += 1
        shown = _GONE if state is None else json.dumps(state, separators=(",", ":"))
        return b"".join((b"\x01", self._client, var_uint(self.clock), var_string(shown)))
