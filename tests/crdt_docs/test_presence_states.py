"""What a presence state says of its user and its place is the server's (AWR-4, AWR-15)."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from crdt_docs.access import Role
from crdt_docs.errors import Malformed
from crdt_docs.identifiers import Identity
from crdt_docs.presence_states import stamped, who_is

WHO = who_is(Identity(UUID(int=1), "Ada"), Role.EDITOR)
PLACE = b'{"slot":3}'


def said(state: bytes, place: bytes | None = None, *, has_places: bool = False) -> Any:
    return json.loads(stamped(state, WHO, place, has_places=has_places))


def test_awr_4_the_token_says_who_it_is() -> None:
    state = said(b'{"user":{"name":"Eve","role":"host","color":"red"},"cursor":1}')
    assert state == {"user": {**WHO, "color": "red"}, "cursor": 1}
    assert state["user"]["name"] == "Ada"


@pytest.mark.parametrize("user", [b"null", b'"Eve"', b"[1]"], ids=["null", "text", "list"])
def test_awr_4_whatever_stands_in_place_of_a_user(user: bytes) -> None:
    assert said(b'{"user":' + user + b"}") == {"user": WHO}


def test_awr_4_somebody_without_a_name_has_one() -> None:
    name = who_is(Identity(UUID(int=1), ""), Role.VIEWER)["name"]
    assert name.startswith("Guest ")


def test_awr_15_a_place_is_the_servers_where_there_are_places() -> None:
    mine = b'{"xr":{"slot":9}}'
    assert said(mine)["xr"] == {"slot": 9}
    assert said(mine, PLACE, has_places=True)["xr"] == {"slot": 3}
    assert "xr" not in said(mine, has_places=True)


@pytest.mark.parametrize(
    "state",
    [b"[]", b"1", b"{", b'{"a":NaN}', b"\xff", b"[" * 100_000],
    ids=["list", "number", "cut", "no number", "no text", "deep"],
)
def test_awr_9_what_is_no_object_is_malformed(state: bytes) -> None:
    with pytest.raises(Malformed):
        stamped(state, WHO, None, has_places=False)


def test_half_a_surrogate_pair_stays_what_it_was() -> None:
    """JavaScript writes it; orjson takes it neither in nor out."""
    state = rb'{"a":"\ud83d"}'
    assert rb'"a":"\ud83d"' in stamped(state, WHO, None, has_places=False)
