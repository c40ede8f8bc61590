"""Calls by REST are measured from when they were due, and refusals are told from faults."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from loadtest import rest
from loadtest.histogram import lowest_of
from loadtest.measures import Measures
from loadtest.rest import Rest
from loadtest.seat import Seat
from tests.loadtest.actors import OwnTime

SECOND = 1_000_000_000
SEAT = Seat(1, 0, "h", 1, is_tls=False, path="/", api="http://h/api", token="t", session="s")


class Server:
    """Answers what it is told to, after a time of its own.

    Attributes:
        now: nanoseconds.
        takes: how long each answer takes.
    """

    def __init__(self) -> None:
        self.now = 100 * SECOND
        self.takes = SECOND
        self.answer: Callable[[], httpx.Response] = lambda: httpx.Response(
            200, json={"data": {"items": []}}
        )
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.now += self.takes
        return self.answer()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()
    monkeypatch.setattr(rest, "monotonic_ns", lambda: made.now)
    return made


@pytest.fixture
def time() -> OwnTime:
    own = OwnTime()
    own.due = 100 * SECOND
    return own


@pytest.fixture
def measures() -> Measures:
    made = Measures()
    made.begin(0)
    return made


@pytest.fixture
async def calls(server: Server, measures: Measures, time: OwnTime) -> AsyncIterator[Rest]:
    transport = httpx.MockTransport(server)
    async with httpx.AsyncClient(base_url=SEAT.api, transport=transport) as client:
        yield Rest(client, SEAT, measures, time)


def delays(measures: Measures) -> list[int]:
    """The delays of calls until now, in whole seconds, shortest first."""
    places = measures.tick(0)["delays"]["rest"]
    return [round(lowest_of(place) / 1e6) for place, times in places for _ in range(times)]


async def test_a_call_is_measured_from_when_it_was_due(
    calls: Rest, server: Server, measures: Measures
) -> None:
    server.now += 3 * SECOND  # the story is late

    await calls.state()

    assert delays(measures) == [4]
    assert server.requests[0].headers["Authorization"] == "Bearer t"
    assert str(server.requests[0].url) == "http://h/api/ocw/sessions/s/state"


async def test_what_follows_without_a_pause_was_due_when_the_answer_came(
    calls: Rest, measures: Measures, time: OwnTime
) -> None:
    await calls.state()
    await calls.versions("a")
    time.due += SECOND  # should have been asked a second after the first one, which took as long
    await calls.versions("a")

    assert delays(measures) == [1, 1, 2]
    assert time.waits == 3


async def test_each_call_has_its_method_path_and_body(calls: Rest, server: Server) -> None:
    server.answer = lambda: httpx.Response(200, json={"data": {"items": [], "id": "made"}})

    assert await calls.create({"object_type": "sticky"}) == "made"
    await calls.change("a", {"layer": 1})
    await calls.restore("a", 3)
    await calls.search("two words")
    await calls.state(at="2030-01-01T00:00:00Z")

    asked = [f"{each.method} {each.url.raw_path.decode()}" for each in server.requests]
    assert asked == [
        "POST /api/ocw/sessions/s/objects",
        "PATCH /api/ocw/sessions/s/objects/a",
        "POST /api/ocw/sessions/s/objects/a/restore",
        "GET /api/ocw/search?q=two+words&session_id=s",
        "GET /api/ocw/sessions/s/state?at=2030-01-01T00%3A00%3A00Z",
    ]
    assert server.requests[2].read() == b'{"version":3}'
    assert ["Idempotency-Key" in each.headers for each in server.requests[:3]] == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("status", "counted"),
    [
        (404, {"refusals": 1}),
        (429, {"refusals": 1, "throttled": 1}),
        (500, {"rest_errors": 1}),
        (503, {"rest_errors": 1}),
    ],
)
async def test_a_refusal_is_no_fault_and_both_give_nothing(
    calls: Rest, server: Server, measures: Measures, status: int, counted: dict[str, int]
) -> None:
    server.answer = lambda: httpx.Response(status, json={"error": {"code": "WHY"}})

    assert await calls.create({}) is None
    assert await calls.search("x") == []

    dump = measures.dump()
    named = {name: 2 * times for name, times in counted.items()}
    assert {key: dump["counts"][key] for key in named} == named
    assert dump["counts"]["rest_calls"] == 2
    assert calls.is_throttled == (status == 429)
    assert sorted(dump["errors"]) == (
        [] if status == 429 else [f"GET {status}: WHY", f"POST {status}: WHY"]
    )


async def test_what_answers_in_front_of_the_server_is_quoted(
    calls: Rest, server: Server, measures: Measures
) -> None:
    server.answer = lambda: httpx.Response(502, text="<h1>Bad gateway</h1>")

    assert await calls.state() == {}

    assert measures.dump()["errors"] == {"GET 502: <h1>Bad gateway</h1>": 1}


async def test_no_answer_is_a_fault_whose_time_counts(
    calls: Rest, server: Server, measures: Measures
) -> None:
    def hang_up() -> httpx.Response:
        raise httpx.ReadError("gone")

    server.answer = hang_up

    assert await calls.state() == {}

    assert delays(measures) == [1]
    dump = measures.dump()
    assert dump["counts"]["rest_errors"] == dump["counts"]["rest_calls"] == 1
    assert dump["errors"] == {"GET ReadError: gone": 1}
