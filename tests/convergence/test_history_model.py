"""Seeded people edit one canvas on a real server with its real database: rows and history of every
object tell what happened, who did it, and when."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import orjson
import pytest
from pycrdt import Doc, Map

from tests.helpers.canvas_people import ROOTS, CanvasPerson, Key, all_agree
from tests.helpers.proving import few_or_many
from tests.helpers.server_process import LiveSession, ServerProcess, running_server
from tests.helpers.verifying import findings

SEEDS = range(few_or_many(2, 40))
PEOPLE = 4
ROUNDS = few_or_many(3, 6)
STEPS = 60

COLUMNS = {
    "objects": ("object_type", "position", "properties", "layer"),
    "annotations": ("annotation_type", "position", "content"),
}
DEFAULTS: Mapping[str, Any] = {
    "object_type": "",
    "annotation_type": "",
    "properties": {},
    "content": "",
}
TABLES = {
    "objects": ("ocw_objects", "ocw_object_history"),
    "annotations": ("ocw_annotations", "ocw_annotation_history"),
}


class Version(NamedTuple):
    """A row of history. `at` and `until` are times of commits."""

    number: int
    kind: str
    before: Any
    changed_by: UUID
    contributors: Sequence[UUID]
    relayed_by: UUID | None
    seq: int
    at: datetime
    until: datetime


class Sample(NamedTuple):
    """What everybody saw at a moment when everything was stored."""

    at: datetime
    states: Mapping[Key, Any]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server(COLLAB_ROOM_IDLE_SECONDS="0.2") as started:
        yield started


@asynccontextmanager
async def people_in(session: LiveSession, seed: int) -> AsyncIterator[list[CanvasPerson]]:
    """They have all been here before they go offline: what they wrote then is known as theirs."""
    people = [
        await CanvasPerson.join(session, f"p{number}", 1_000_000 + seed * 100 + number)
        for number in range(PEOPLE)
    ]
    try:
        yield people
    finally:
        for person in people:
            await person.peer.leave()
            person.peer.forget()


async def a_round(people: Sequence[CanvasPerson], dice: random.Random) -> None:
    """Everybody edits by turns, some of them offline; some of those are relayed by others."""
    away = dice.sample(people, dice.randrange(PEOPLE - 1))
    for person in away:
        await person.go_offline()
    for _ in range(STEPS):
        dice.choice(people).edit(dice)
        if dice.random() < 0.5:
            await asyncio.sleep(dice.choice((0, 0.001, 0.02)))
    for person in away:
        if dice.random() < 0.5:
            relay = dice.choice([each for each in people if each not in away])
            relay.relay(person)
            await relay.peer.until_stored()
        await person.come_back()
    await all_agree(people)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", SEEDS)
async def test_every_object_has_the_history_that_it_had(server: ServerProcess, seed: int) -> None:
    dice = random.Random(seed)
    session = await server.create_session()
    samples: list[Sample] = []
    async with people_in(session, seed) as people:
        for number in range(ROUNDS):
            await a_round(people, dice)
            await asyncio.sleep(0.01)  # commits are over; times are not equal
            samples.append(Sample(datetime.now(UTC), said(people[0].states())))
            if number == 0:
                await asyncio.sleep(1.2)  # gestures end
        if seed % 2:
            await reopened(session, people)
            await a_round(people, dice)
        final = said(people[0].states())
    dsn = server.database_dsn()
    assert await findings(dsn, session.id) == []
    histories, rows = await stored(dsn, session.id)
    assert rows == final
    log = await LogReader.read(dsn, session.id)
    for key in histories:
        check_history(key, histories[key], rows.get(key), log)
        check_authors(key, histories[key], people)
        if key[0] == "objects":
            check_marks(key, histories[key], rows.get(key), people)
    for sample in samples:
        assert log.states_at(sample.at) == sample.states
        assert await shown_at(session, sample.at) == sample.states


async def test_what_somebody_else_uploads_is_its_author_s(server: ServerProcess) -> None:
    session = await server.create_session()
    async with people_in(session, 99) as people:
        ada, ben, *_ = people
        ada.peer.objects["box"] = Map({"object_type": "sticky"})
        await all_agree(people)
        await ada.go_offline()
        ada.peer.objects["box"]["layer"] = 5
        ada.peer.objects["late"] = Map({"object_type": "frame"})
        await asyncio.sleep(1.2)  # the gesture ends
        ben.relay(ada)
        await ben.peer.until_stored()
        await ada.come_back()
        await all_agree(people)
    histories, _ = await stored(server.database_dsn(), session.id)
    told = {
        (key[1], version.number, version.kind, version.changed_by, version.relayed_by)
        for key, versions in histories.items()
        for version in versions
    }
    assert told == {
        ("box", 1, "create", ada.user_id, None),
        ("box", 2, "update", ada.user_id, ben.user_id),
        ("late", 1, "create", ada.user_id, ben.user_id),
    }
    assert await findings(server.database_dsn(), session.id) == []


@pytest.mark.timeout(60)
async def test_hst_6_rows_are_what_the_log_says_at_every_moment(server: ServerProcess) -> None:
    """Looked at again and again, while everybody edits."""
    dice = random.Random(6)
    session = await server.create_session()
    async with people_in(session, 98) as people:

        async def work() -> None:
            for _ in range(few_or_many(600, 6000)):
                dice.choice(people).edit(dice)
                await asyncio.sleep(0.002)

        looks, working = 0, asyncio.create_task(work())
        while not working.done():
            assert await findings(server.database_dsn(), session.id) == []
            looks += 1
        await working
        assert looks > 3


async def reopened(session: LiveSession, people: Sequence[CanvasPerson]) -> None:
    """Everybody leaves, the room is put away, and they come back to one that is read anew."""
    for person in people:
        await person.go_offline()
    await asyncio.sleep(1.0)
    for person in people:
        await person.come_back()


def said(states: Mapping[Key, Any]) -> dict[Key, Any]:
    """What is compared of states, with numbers as JSON has them; something undone may have taken
    away what rows have a default for."""
    return {
        key: {column: plain(state.get(column, DEFAULTS.get(column))) for column in COLUMNS[key[0]]}
        for key, state in states.items()
    }


def plain(value: Any) -> Any:
    """The same value, whatever wrote its numbers."""
    match value:
        case dict():
            return {name: plain(each) for name, each in value.items()}
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


async def stored(dsn: str, session_id: str) -> tuple[dict[Key, list[Version]], dict[Key, Any]]:
    """The histories, and the rows of what is there."""
    histories: dict[Key, list[Version]] = {}
    rows: dict[Key, Any] = {}
    connection = await asyncpg.connect(dsn)
    try:
        for root, (table, history) in TABLES.items():
            columns = ", ".join(f"to_jsonb({column})::text AS {column}" for column in COLUMNS[root])
            for row in await connection.fetch(
                f"SELECT id, {columns} FROM {table} WHERE session_id = $1 AND deleted_at IS NULL",
                session_id,
            ):
                rows[root, row["id"]] = {
                    column: plain(orjson.loads(row[column] or b"null")) for column in COLUMNS[root]
                }
            for row in await connection.fetch(
                "SELECT object_id, version, change_type, previous_state::text, changed_by,"
                f" contributors, relayed_by, update_seq, changed_at, changed_until FROM {history}"
                " WHERE session_id = $1 ORDER BY object_id, version",
                session_id,
            ):
                identifier, number, kind, before, *rest = row.values()
                state = said({(root, identifier): orjson.loads(before)})[root, identifier]
                version = Version(number, kind, state if before != "{}" else None, *rest)
                histories.setdefault((root, identifier), []).append(version)
    finally:
        await connection.close()
    return histories, rows


class LogReader:
    """What the log says, by replaying it with nothing but a CRDT."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.times: list[datetime] = []
        self.states: list[dict[Key, Any]] = []

    @classmethod
    async def read(cls, dsn: str, session_id: str) -> LogReader:
        connection = await asyncpg.connect(dsn)
        try:
            entries = await connection.fetch(
                "SELECT seq, update, committed_at FROM document_updates u"
                " JOIN documents d ON d.id = u.document_id WHERE d.name = $1 ORDER BY seq",
                f"ocw/{session_id}",
            )
        finally:
            await connection.close()
        reader, doc = cls(), Doc[Any]()
        roots = {root: doc.get(root, type=Map) for root in ROOTS}
        for seq, update, at in entries:
            doc.apply_update(update)
            found = {
                (root, identifier): state
                for root, held in roots.items()
                for identifier, state in (held.to_py() or {}).items()
            }
            reader.seqs.append(seq)
            reader.times.append(at)
            reader.states.append(said(found))
        return reader

    def states_at(self, at: datetime) -> dict[Key, Any]:
        """All objects after what was committed until then."""
        passed = [n for n, time in enumerate(self.times) if time <= at]
        return self.states[passed[-1]] if passed else {}

    def before_commit_of(self, key: Key, seq: int, after: int) -> list[Any]:
        """States that the object had before an entry, back to another, both included: what is
        committed together with the entry may have been told together."""
        index = self.seqs.index(seq)
        earliest = index
        while (
            earliest > 0
            and self.seqs[earliest - 1] > after
            and self.times[earliest - 1] == self.times[index]
        ):
            earliest -= 1
        return [self.states[n - 1].get(key) if n else None for n in range(earliest, index + 1)]


def check_history(key: Key, versions: Sequence[Version], row: Any, log: LogReader) -> None:
    """Walked backwards it gives each earlier state, in order."""
    assert [version.number for version in versions] == list(range(1, len(versions) + 1))
    assert [version.seq for version in versions] == sorted(version.seq for version in versions)
    after = row
    for earlier, later in pairwise([None, *versions][::-1]):
        assert earlier is not None
        assert earlier.before in log.before_commit_of(key, earlier.seq, later.seq if later else 0)
        assert (after is None) == (earlier.kind == "delete"), "there is a state unless deleted"
        assert (earlier.before is None) == (earlier.kind == "create")
        after = earlier.before
    assert after is None, "nothing was there before the first"


def check_authors(key: Key, versions: Sequence[Version], people: Sequence[CanvasPerson]) -> None:
    """Who is named took part, and only edits of others are relayed."""
    editors = {person.user_id for person in people if key in person.touched}
    relays = {person.user_id for person in people if person.relayed[key]}
    relayed = {user for person in people for user in person.relayed[key]}
    for version in versions:
        assert version.changed_by == version.contributors[0]
        assert set(version.contributors) <= editors
        assert len(set(version.contributors)) == len(version.contributors)
        if version.relayed_by is not None:
            assert version.relayed_by in relays
            assert relayed & set(version.contributors)
        assert version.at <= version.until


def check_marks(
    key: Key, versions: Sequence[Version], row: Any, people: Sequence[CanvasPerson]
) -> None:
    """A mark that was never there before is of somebody who took part in that gesture. One that
    came back may have been brought by who undid something, and is of an earlier one."""
    by_name = {person.name: person.user_id for person in people}
    is_undone = any(key in person.undone for person in people)
    newest: dict[str, int] = {}
    earlier: set[UUID] = set()
    states = [*(version.before for version in versions[1:]), row]
    for version, state in zip(versions, states, strict=True):
        marks = state["properties"].get("marks", {}) if state is not None else {}
        new = {by_name[name] for name, edit in marks.items() if edit > newest.get(name, 0)}
        assert new <= set(version.contributors) | (earlier if is_undone else set())
        newest.update({name: max(edit, newest.get(name, 0)) for name, edit in marks.items()})
        earlier.update(version.contributors)


async def shown_at(session: LiveSession, at: datetime) -> dict[Key, Any]:
    """What the server says of that moment."""
    response = await session.server.request(
        "GET", f"/ocw/sessions/{session.id}/state", params={"at": at.isoformat()}
    )
    response.raise_for_status()
    data = response.json()["data"]
    return said({(root, key): value for root in ROOTS for key, value in data[root].items()})
