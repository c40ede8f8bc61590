"""One person at a small server: what the story can do, and what is measured."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from time import monotonic_ns
from typing import Any

import httpx
import pytest
from pycrdt import Doc, Map

from crdt_docs import messages
from crdt_docs.state_vector import encode_state_vector
from loadtest import marks
from loadtest.measures import Measures, Totals
from loadtest.participant import FIRST_BACKOFF, Gone, Participant, Shared
from loadtest.plan import Plan
from loadtest.timeline import SECOND
from loadtest.unanswered import Written
from tests.loadtest.small_server import SmallServer, refusing_server

PLAN = Plan("none", people=4, rooms=1, seconds=60, ramp=0, seed=1, processes=1, witnesses=0)


class Hall:
    """A server and who is there."""

    def __init__(self, server: SmallServer, api: httpx.AsyncClient) -> None:
        self.server = server
        self.measures = Measures()
        self.people: list[Participant] = []
        self.shared = Shared(PLAN, self.measures, monotonic_ns(), api)
        self.measures.begin(0)

    def person(self, *, acknowledges: bool = True) -> Participant:
        """One more, who has not come yet."""
        seat = self.server.seat(len(self.people), acknowledges=acknowledges)
        self.people.append(Participant(seat, self.shared))
        return self.people[-1]

    async def joined(self, *, acknowledges: bool = True) -> Participant:
        """One more, who has."""
        person = self.person(acknowledges=acknowledges)
        await person.join()
        return person

    @property
    def totals(self) -> Totals:
        """What was measured until now."""
        return Totals.merge([self.measures.dump()])

    def counted(self, name: str) -> int:
        """How many of these."""
        return self.totals.counts[name]

    def document(self) -> Doc[Any]:
        """What the server was told, in the order in which it was."""
        doc: Doc[Any] = Doc()
        for message in self.server.heard:
            if message[0] == 0 and message[1] in (1, 2):
                parsed = messages.parse(message)
                assert isinstance(parsed, messages.SyncStep2 | messages.SyncUpdate)
                doc.apply_update(parsed.update)
        return doc


@pytest.fixture
async def hall() -> AsyncIterator[Hall]:
    """An empty one."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(SmallServer())
        made = Hall(server, await stack.enter_async_context(httpx.AsyncClient()))
        yield made
        for person in made.people:
            await person.leave()


async def until(is_so: Callable[[], object]) -> None:
    """Returns when something is the case."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - others' doing, about which nobody is told
            await asyncio.sleep(0)


async def test_somebody_comes_and_goes(hall: Hall) -> None:
    person = await hall.joined()
    assert person.is_joined
    assert hall.totals.delays["join"].count == 1
    await person.leave()
    assert not person.is_joined
    assert (hall.counted("joined"), hall.counted("left")) == (1, 1)
    assert hall.totals.closes == {}
    assert hall.server.heard[-1].endswith(b"\x04null")


async def test_joining_is_measured_from_when_it_was_due(hall: Hall) -> None:
    person = hall.person()
    person.timeline.due -= 5 * SECOND
    await person.join()
    assert 5_000 < hall.totals.delays["join"].summary()["max"] < 15_000


async def test_to_the_next_meeting_somebody_comes_as_a_page_that_is_opened(hall: Hall) -> None:
    left: list[tuple[int, Written]] = []
    plan = replace(PLAN, meetings=2)
    shared = replace(hall.shared, plan=plan, on_left=lambda *each: left.append(each))
    seats = [replace(hall.server.seat(), room=room) for room in range(2)]
    person = Participant(seats[0], shared, seats[1:])
    hall.people.append(person)
    await person.join()
    client, board = person.client, person.board
    person.edit(board.sticky(1, 2)[1])
    person.timeline.waited()
    assert not person.is_settled

    assert await person.move(0.0)
    assert person.is_settled
    assert left == [(0, Written(client, board.clock, board.clock))]
    assert person.is_joined
    assert (person.seat.room, person.board.clock, person.written.sent) == (1, 0, 0)
    assert person.client != client
    assert (hall.counted("joined"), hall.counted("left")) == (2, 1)
    assert hall.totals.closes == hall.totals.errors == {}
    assert not await person.move(0.0)
    assert hall.counted("joined") == 2


async def test_a_meeting_ends_before_the_run_does(hall: Hall) -> None:
    shared = replace(hall.shared, plan=replace(PLAN, meetings=2))
    seats = [replace(hall.server.seat(), room=room) for room in range(2)]
    person = Participant(seats[0], shared, seats[1:])
    hall.people.append(person)
    await person.join()
    person.timeline.due += 31 * SECOND
    assert not person.is_running
    person.timeline.due -= 31 * SECOND
    await person.move(0.0)
    person.timeline.due += 31 * SECOND
    assert person.is_running


async def test_who_goes_on_before_all_is_stored_says_so(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadtest.participant.STORED_SECONDS", 0.1)
    seats = [replace(hall.server.seat(), room=room) for room in range(2)]
    person = Participant(seats[0], replace(hall.shared, plan=replace(PLAN, meetings=2)), seats[1:])
    hall.people.append(person)
    await person.join()
    hall.server.stores = False
    person.edit(person.board.sticky(1, 2)[1])
    await person.move(0.0)
    assert "1 messages of somebody were never called stored" in hall.totals.errors


async def test_what_one_writes_the_others_see_and_the_author_is_told(hall: Hall) -> None:
    author, _ = await hall.joined(), await hall.joined()
    author.timeline.waited()
    sticky, update = author.board.sticky(1, 2)
    author.edit(update)
    author.point(3, 4)
    author.edit(author.board.type_word(sticky))
    await until(lambda: hall.counted("marks_seen") == 3)
    await until(lambda: not author.unanswered)
    assert author.written.sent == author.written.acknowledged == author.board.clock
    counts = hall.totals.counts
    assert (counts["edits_sent"], counts["presence_sent"], counts["edits_stored"]) == (2, 3, 2)
    assert [hall.totals.delays[name].count for name in ("seen", "cursor")] == [2, 1]
    assert hall.totals.delays["stored"].count == 2


async def test_delays_begin_when_something_was_due(hall: Hall) -> None:
    author = await hall.joined()
    author.timeline.at -= 3 * SECOND
    author.edit(author.board.sticky(1, 2)[1])
    await until(lambda: not author.unanswered)
    assert 3_000 < hall.totals.delays["stored"].summary()["min"] < 13_000


async def test_marks_are_of_their_writer_and_numbered(hall: Hall) -> None:
    person = hall.person()
    first, second = person.next_mark(), person.next_cursor_mark()
    assert (first[:11], second[:11]) == ("~ld~0000001", "~lc~0000002")


async def test_pauses_end_with_the_connection(hall: Hall) -> None:
    person = await hall.joined()
    await person.pause(0)
    await hall.server.sockets[0].close(4404, "no such room")
    await until(lambda: not person.is_joined)
    with pytest.raises(Gone, match="no such room") as gone:
        await person.pause(0)
    assert gone.value.is_final
    assert hall.totals.closes == {"4404": 1}


async def test_who_is_turned_away_comes_again(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtest.participant.FIRST_BACKOFF", FIRST_BACKOFF / 100)
    hall.server.refusals = [4503, 1012]
    await hall.joined()
    assert hall.server.joined == 3
    assert hall.totals.closes == {"4503": 1, "1012": 1}
    assert hall.totals.delays["join"].count == 1


async def test_who_finds_nobody_or_something_else_comes_again_without_a_fuss(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed on the way is counted, and not logged besides as never retrieved."""
    fuss: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: fuss.append(context))
    monkeypatch.setattr("loadtest.participant.JOIN_SECONDS", 0.3)
    async with refusing_server() as port:
        for seat in (replace(hall.server.seat(), port=each) for each in (1, port)):
            with pytest.raises(Gone, match="in time"):
                await Participant(seat, hall.shared).join()
    gc.collect()
    assert fuss == []
    assert len([text for text in hall.totals.errors if "no connection" in text]) == 2
    assert set(hall.totals.closes) == {"0"}


async def test_who_is_told_never_does_not(hall: Hall) -> None:
    hall.server.refusals = [4403]
    with pytest.raises(Gone, match="4403"):
        await hall.joined()
    assert hall.server.joined == 1


async def test_who_is_not_let_in_gives_up(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtest.participant.JOIN_SECONDS", 0.05)
    hall.server.document = None
    with pytest.raises(Gone, match="in time"):
        await hall.joined()
    assert any("not let in" in text for text in hall.totals.errors)


async def test_what_was_written_before_a_cut_is_there_after_it(hall: Hall) -> None:
    """The server has the first edit only: the others are sent again, also those written while
    there was no connection."""
    person = await hall.joined()
    hall.server.stores = False
    sticky, update = person.board.sticky(1, 2)
    person.edit(update)
    known = person.board.clock
    await until(lambda: messages.sync_update(update) in hall.server.heard)
    person.cut()
    person.edit(person.board.move(sticky, 5, 6))
    person.edit(person.board.move(sticky, 7, 8))
    await person.pause(0)
    hall.server.asks, hall.server.stores = encode_state_vector({person.client: known}), True
    await person.rejoin()
    await until(lambda: person.written.acknowledged == person.board.clock)
    objects: Map[Any] = hall.document().get("objects", type=Map)
    position = objects[sticky]["position"]
    assert (position["x"], position["y"]) == (7, 8)
    assert hall.totals.closes == {}
    assert hall.totals.delays["join"].count == 2


async def test_what_is_refused_is_not_said_to_be_stored(hall: Hall) -> None:
    person = await hall.joined()
    hall.server.stores = False
    person.edit(person.board.sticky(1, 2)[1])
    await until(lambda: len(hall.server.heard) == 4)
    for message in (messages.denied("you may not"), messages.stored(2)):
        await hall.server.sockets[0].send(message)
    await until(lambda: not person.unanswered)
    assert hall.counted("refusals") == 1
    assert person.written.acknowledged == 0


async def test_who_does_not_read_sees_it_later(hall: Hall) -> None:
    author, reader = await hall.joined(), await hall.joined()
    reader.stop_reading()
    author.edit(author.board.sticky(1, 2)[1])
    await until(lambda: not author.unanswered)
    assert hall.counted("marks_seen") == 0
    reader.read_again()
    await until(lambda: hall.counted("marks_seen") == 1)
    assert hall.totals.delays["seen"].count == 0


async def test_presence_is_shown_on_coming_and_renewed_while_it_does_not_change(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadtest.participant.RENEWAL_SECONDS", 0.02)
    person = await hall.joined()
    person.point(1, 2)
    await until(lambda: len([each for each in hall.server.heard if each[0] == 1]) > 3)
    shown = b"".join(each for each in hall.server.heard if each[0] == 1)
    assert marks.count(shown) == 1


async def test_the_same_seed_throws_the_same_dice(hall: Hall) -> None:
    one, other = hall.person(), hall.person()
    again = Participant(one.seat, hall.shared)
    assert one.random.random() == again.random.random() != other.random.random()
    assert one.client == again.client != other.client


async def test_what_cannot_be_read_is_counted(hall: Hall) -> None:
    person = await hall.joined()
    for message in (b"\x00\x00\x05cut", b"\x70\x42\x01"):
        await hall.server.sockets[0].send(message)
    await until(lambda: sum(hall.totals.errors.values()) == 2)
    assert person.is_joined
