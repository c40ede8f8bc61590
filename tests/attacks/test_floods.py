"""Too much of everything (LIM): cut off with the documented code, and the room beside is served."""

from __future__ import annotations

import pytest

from tests.attacks.floods import CUT, FLOODS, SETTINGS, Flooded
from tests.attacks.neighbours import Neighbours
from tests.helpers.server_process import ServerProcess

__all__ = ["SETTINGS"]  # of the server: see conftest

MALFORMED, TOO_BIG, TRY_LATER = 4400, 1009, 4503

CODES = {
    "messages": {TRY_LATER},
    "messages, nothing read": {TRY_LATER},
    "pings": {TRY_LATER},
    "bytes": {TRY_LATER},
    "first synchronisations": {TRY_LATER},
    "requests for everything": {TRY_LATER},
    "new client ids": {TRY_LATER},
    "giant presence": {MALFORMED},
    "presence of a million": {MALFORMED, TOO_BIG},
    "a state vector of a million": {MALFORMED, TOO_BIG},
    "an update of a million clients": {MALFORMED, TOO_BIG},
    "connections": {TRY_LATER},
    "rooms": {TRY_LATER},
    "handshakes": {TRY_LATER, CUT},
}
"""With which its connections end, besides those that the attacker ends itself."""


def test_every_flood_has_its_codes() -> None:
    assert list(CODES) == list(FLOODS)


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_is_cut_off(server: ServerProcess, neighbours: Neighbours, name: str) -> None:
    before = server.memory()
    flooded = await FLOODS[name](neighbours.session)
    await neighbours.edit()
    ended = {code for code in flooded.codes if code != 1000}
    assert ended, "it was let go on"
    assert ended <= CODES[name], flooded
    assert ended & (CODES[name] - {CUT}), flooded
    assert _said(flooded, ended)
    assert server.memory() - before < 256 << 20


def _said(flooded: Flooded, ended: set[int]) -> bool:
    """Whoever was closed was told why."""
    return any(flooded.reasons) or ended == {CUT}
