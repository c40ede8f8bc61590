"""Somebody who lives a story at once: time is a number, and the server a list of what was said."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from pycrdt import Doc, Map

from crdt_docs.pose_messages import Device
from loadtest import marks
from loadtest.board import Board
from loadtest.measures import Measures
from loadtest.participant import Gone
from loadtest.plan import Plan
from loadtest.rest import Rest
from loadtest.scenarios import SCENARIOS
from loadtest.seat import Seat

SECOND = 1_000_000_000
PATIENCE = 60.0
"""Seconds after the end at which a story should long have noticed it."""

Deed = tuple[float, str, Any]
"""When, what, and with what."""


class Goggles:
    """A headset that is granted what it claims."""

    def __init__(self, note: Callable[[str, Any], None]) -> None:
        self.device = Device.VR_HEADSET
        self._note = note

    async def hello(self) -> None:
        self._note("hello", self.device)

    async def claim(self, object_id: str) -> bool:
        self._note("claim", object_id)
        return True

    def hold(self, object_id: str, x: float, y: float, z: float) -> None:
        self._note("hold", (object_id, x, y, z))

    def release(self, object_id: str) -> None:
        self._note("release", object_id)


class OwnTime:
    """When an actor's things are due, for its calls."""

    def __init__(self) -> None:
        self.due = 0
        self.waits = 0

    def waited(self) -> None:
        self.waits += 1


@dataclass
class Actor:
    """A person of a plan, alone.

    Attributes:
        deeds: all that it did, in order.
        patience: edits on one connection after which the server ends it.
    """

    plan: Plan
    number: int
    answer: Callable[[httpx.Request], httpx.Response]
    deeds: list[Deed] = field(default_factory=list)
    patience: int | None = None
    written: int = 0

    def __post_init__(self) -> None:
        plan = self.plan
        room = plan.room_of(self.number)
        self.seat = Seat(
            self.number, room, "h", 1, is_tls=False, path="/", api="http://h/api", session="s"
        )
        self.random = random.Random(f"{plan.seed} {self.number}")
        self.now = plan.arrival(self.number)
        self.end = plan.end_of(room)
        self.board = Board(1 << 28 | self.number, self._mark)
        self.headset = Goggles(self.note)
        self.measures = Measures()
        self.measures.begin(0)
        self._since = 0
        self._time = OwnTime()
        self._client = httpx.AsyncClient(
            base_url="http://h/api", transport=httpx.MockTransport(self._asked)
        )
        self.rest = Rest(self._client, self.seat, self.measures, self._time)

    def note(self, what: str, content: Any = None) -> None:
        """It did something."""
        self.deeds.append((self.now, what, content))

    def _mark(self) -> str:
        self.written += 1
        return marks.mark(self.number, self.written, int(self.now * SECOND)).decode()

    def _asked(self, request: httpx.Request) -> httpx.Response:
        self.note("call", f"{request.method} {request.url.path.removeprefix('/api')}")
        return self.answer(request)

    @property
    def is_running(self) -> bool:
        return self.now < self.end

    async def join(self) -> None:
        self.note("join")

    async def pause(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds
        self._time.due = int(self.now * SECOND)
        assert self.now < self.end + PATIENCE, "the story does not end"
        if self.patience is not None and self._since > self.patience:
            raise Gone(4503, "too fast")

    def edit(self, update: bytes) -> None:
        self._since += 1
        self.note("edit", update)

    def point(self, x: float, y: float) -> None:
        self.note("point", (x, y))

    async def leave(self) -> None:
        self.note("leave")

    async def move(self, seconds: float) -> bool:
        if self.seat.room + self.plan.rooms >= self.plan.documents:
            return False
        self.seat = replace(self.seat, room=self.seat.room + self.plan.rooms)
        self.board = Board((1 << 28) + self.seat.room * 1000 + self.number, self._mark)
        self.end = self.plan.end_of(self.seat.room)
        self.note("move")
        self.now += seconds
        return True

    def cut(self) -> None:
        self.note("cut")

    async def rejoin(self) -> None:
        self._since = 0
        self.note("rejoin")

    def stop_reading(self) -> None:
        self.note("stop reading")

    def read_again(self) -> None:
        self.note("read again")

    # What came of it

    def times(self, what: str) -> list[float]:
        """When it did that."""
        return [at for at, done, _ in self.deeds if done == what]

    def contents(self, what: str) -> list[Any]:
        """With what it did that."""
        return [content for _, done, content in self.deeds if done == what]

    def document(self, before: Sequence[bytes] = ()) -> Doc[Any]:
        """What everybody has of it."""
        doc: Doc[Any] = Doc()
        for update in (*before, *self.contents("edit")):
            doc.apply_update(update)
        return doc

    def objects(self) -> Mapping[str, Any]:
        """The objects that it left."""
        found: Map[Any] = self.document().get("objects", type=Map)
        return found.to_py() or {}


def ok(request: httpx.Request) -> httpx.Response:
    """A server with one of everything."""
    if request.method == "POST" and request.url.path.endswith("/objects"):
        return httpx.Response(201, json={"data": {"id": "made"}})
    item = {"id": "found", "version": 3, "changed_at": "2030-01-01T00:00:00Z"}
    return httpx.Response(200, json={"data": {"items": [item]}})


async def played(
    name: str,
    number: int,
    *,
    answer: Callable[[httpx.Request], httpx.Response] = ok,
    patience: int | None = None,
    **plan: float,
) -> Actor:
    """Somebody who has lived a story to its end.

    Args:
        number: of the person, in one room.
        patience: edits on one connection after which the server ends it.
        plan: what differs from the scenario's own.
    """
    scenario = SCENARIOS[name]
    kept = {"people": scenario.people, "rooms": 1, "seconds": 20.0, "ramp": scenario.ramp, **plan}
    kept.setdefault("meetings", scenario().meetings(kept["seconds"]))
    whole = Plan(scenario=name, seed=7, processes=1, witnesses=0, **kept)  # type: ignore[arg-type]
    actor = Actor(whole, number, answer, patience=patience)
    await scenario().person(actor)
    return actor
