"""What one person shows of itself is what a server and stock clients read."""

from __future__ import annotations

import json

import pytest

from crdt_docs.messages import read_awareness
from loadtest.presence import Presence


@pytest.fixture
def presence() -> Presence:
    return Presence(123_456, "Person 7", lambda: "~ld~007000100000zz")


def test_who_is_there_and_where_its_cursor_is(presence: Presence) -> None:
    (first,) = read_awareness(presence.renew())
    (second,) = read_awareness(presence.point(1.26, -3))

    assert (first.client_id, first.clock, second.clock) == (123_456, 1, 2)
    assert json.loads(first.state) == {
        "user": {"name": "Person 7", "color": "#e11d48"},
        "cursor": None,
    }
    assert json.loads(second.state)["cursor"] == {"x": 1.3, "y": -3, "mark": "~ld~007000100000zz"}


def test_the_last_one_says_that_nobody_is_there(presence: Presence) -> None:
    presence.renew()

    (last,) = read_awareness(presence.depart())

    assert (last.clock, last.state) == (2, b"null")


def test_a_mark_is_not_shown_again(presence: Presence) -> None:
    presence.point(1, 2)

    (renewed,) = read_awareness(presence.renew())

    assert json.loads(renewed.state)["cursor"] == {"x": 1, "y": 2}
