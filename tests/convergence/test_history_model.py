"""Seeded people edit one canvas, or one room, on a real server with its real database: rows and
history of every object tell what happened, who did it, and when."""

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

from crdt_docs.identifiers import DocumentName, id_of
from crdt_docs.object_kinds import KINDS, ObjectKind, kinds_in
from persistence.archive import PostgresArchive
from persistence.archive_ports import AtTime
from persistence.pool import DatabasePool
from server.time_travel import TimeTravel
from tests.helpers.canvas_people import CanvasPerson, Key, all_agree
from tests.helpers.live_documents import LiveDocument
from tests.helpers.places import PLACES, Place, made_in
from tests.helpers.proving import few_or_many
from tests.helpers.server_process import ServerProcess, running_server
from tests.helpers.verifying import findings

SEEDS = range(few_or_many(2, 40))
PEOPLE = 4
ROUNDS = few_or_many(3, 6)
STEPS = 60

COLUMNS = {
    ObjectKind.OCW_OBJECT: ("object_type", "position", "properties", "layer"),
    ObjectKind.OCW_ANNOTATION: ("annotation_type", "position", "content"),
    ObjectKind.XR_OBJECT: ("object_type", "position", "rotation", "properties", "lifetime"),
}
DEFAULTS: Mapping[str, Any] = {
    "object_type": "",
    "annotation_type": "",
    "properties": {},
    "content": "",
    "lifetime": "room",
}
TABLES = {
    ObjectKind.OCW_OBJECT: ("ocw_objects", "ocw_object_history", "session_id"),
    ObjectKind.OCW_ANNOTATION: ("ocw_annotations", "ocw_annotation_history", "session_id"),
    ObjectKind.XR_OBJECT: ("xr_objects", "xr_object_history", "room_id"),
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
async def people_in(place: LiveDocument, seed: int) -> AsyncIterator[list[CanvasPerson]]:
    """They have all been here before they go offline: what they wrote then is known as theirs."""
    people = [
        await CanvasPerson.join(place, f"p{number}", 1_000_000 + seed * 100 + number)
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
@pytest.mark.parametrize("place", PLACES)
async def test_every_object_has_the_history_that_it_had(
    server: ServerProcess, place: Place, seed: int
) -> None:
    dice = random.Random(seed)
    live = await made_in(server, place)
    name = live.name
    samples: list[Sample] = []
    async with people_in(live, seed) as people:
        for number in range(ROUNDS):
            await a_round(people, dice)
            await asyncio.sleep(0.01)  # commits are over; times are not equal
            samples.append(Sample(datetime.now(UTC), said(people[0].states())))
            if number == 0:
                await asyncio.sleep(1.2)  # gestures end
        if seed % 2:
            await reopened(people)
            await a_round(people, dice)
        final = said(people[0].states())
    dsn = server.database_dsn()
    assert await findings(dsn, name) == []
    histories, rows = await stored(dsn, name)
    assert rows == final
    log = await LogReader.read(dsn, name)
    for key in histories:
        check_history(key, histories[key], rows.get(key), log)
        check_authors(key, histories[key], people)
        if "properties" in COLUMNS[key[0]]:
            check_marks(key, histories[key], rows.get(key), people)
    pool = await DatabasePool.open(dsn, size=2)
    travel = TimeTravel(PostgresArchive(pool))
    for sample in samples:
        assert log.states_at(sample.at) == sample.states
        assert await shown_at(travel, name, sample.at) == sample.states
        assert await shown_by_rest(live, sample.at) == sample.states
    await pool.close()


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
    histories, _ = await stored(server.database_dsn(), DocumentName(f"ocw/{session.id}"))
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


@pytest.mark.timeout(few_or_many(60, 600))
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


async def reopened(people: Sequence[CanvasPerson]) -> None:
    """Everybody leaves, the room is put away, and they come back to one that is read anew."""
    for person in people:
        await person.go_offline()
    await asyncio.sleep(1.0)
    for person in people:
        await person.come_back()


def said(states: Mapping[Key, Any]) -> dict[Key, Any]:
    """What is compared of states, with numbers as JSON has them; something undone may have taken
    away what rows have a default for. A transform is told part by part."""
    return {key: _said(key[0], state) for key, state in states.items()}


def _said(kind: ObjectKind, state: Mapping[str, Any]) -> dict[str, Any]:
    told = {**state, **state.get("transform", {})}
    return {column: plain(told.get(column, DEFAULTS.get(column))) for column in COLUMNS[kind]}


def plain(value: Any) -> Any:
    """The same value, whatever wrote its numbers."""
    match value:
        case dict():
            return {name: plain(each) for name, each in value.items()}
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


async def stored(dsn: str, name: DocumentName) -> tuple[dict[Key, list[Version]], dict[Key, Any]]:
    """The histories, and the rows of what is there."""
    histories: dict[Key, list[Version]] = {}
    rows: dict[Key, Any] = {}
    connection = await asyncpg.connect(dsn)
    try:
        for kind in kinds_in(name):
            table, history, owner = TABLES[kind]
            columns = ", ".join(f"to_jsonb({column})::text AS {column}" for column in COLUMNS[kind])
            for row in await connection.fetch(
                f"SELECT id, {columns} FROM {table} WHERE {owner} = $1 AND deleted_at IS NULL",
                id_of(name),
            ):
                rows[kind, row["id"]] = {
                    column: plain(orjson.loads(row[column] or b"null")) for column in COLUMNS[kind]
                }
            for row in await connection.fetch(
                "SELECT object_id, version, change_type, previous_state::text, changed_by,"
                f" contributors, relayed_by, update_seq, changed_at, changed_until FROM {history}"
                f" WHERE {owner} = $1 ORDER BY object_id, version",
                id_of(name),
            ):
                identifier, number, change, before, *rest = row.values()
                state = _said(kind, orjson.loads(before))
                version = Version(number, change, state if before != "{}" else None, *rest)
                histories.setdefault((kind, identifier), []).append(version)
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
    async def read(cls, dsn: str, name: DocumentName) -> LogReader:
        connection = await asyncpg.connect(dsn)
        try:
            entries = await connection.fetch(
                "SELECT seq, update, committed_at FROM document_updates u"
                " JOIN documents d ON d.id = u.document_id WHERE d.name = $1 ORDER BY seq",
                name,
            )
        finally:
            await connection.close()
        reader, doc = cls(), Doc[Any]()
        roots = {kind: doc.get(kind.root, type=Map) for kind in kinds_in(name)}
        for seq, update, at in entries:
            doc.apply_update(update)
            found = {
                (kind, identifier): state
                for kind, held in roots.items()
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
    came back may have been brought by who undid something, and is of an earlier one; or of one
    whose object was made and deleted again between two commits, which no version tells of."""
    by_name = {person.name: person.user_id for person in people}
    is_undone = any(key in person.undone for person in people)
    unseen = {person.user_id for person in people if key in person.touched}
    newest: dict[str, int] = {}
    earlier: set[UUID] = set()
    states = [*(version.before for version in versions[1:]), row]
    for version, state in zip(versions, states, strict=True):
        marks = state["properties"].get("marks", {}) if state is not None else {}
        new = {by_name[name] for name, edit in marks.items() if edit > newest.get(name, 0)}
        brought = earlier | (unseen if version.kind == "create" else set())
        assert new <= set(version.contributors) | (brought if is_undone else set())
        newest.update({name: max(edit, newest.get(name, 0)) for name, edit in marks.items()})
        earlier.update(version.contributors)


async def shown_at(travel: TimeTravel, name: DocumentName, at: datetime) -> dict[Key, Any]:
    """What the log says of that moment, replayed as the server does."""
    kinds = kinds_in(name)
    shown = await travel.values(name, AtTime(at), [kind.root for kind in kinds])
    return said(
        {(kind, key): value for kind in kinds for key, value in shown.content[kind.root].items()}
    )


async def shown_by_rest(live: LiveDocument, at: datetime) -> dict[Key, Any]:
    """What the server says of it."""
    data = await live.request("GET", "/state", params={"at": at.isoformat()})
    kinds = KINDS[live.kind]
    return said({(kind, key): value for kind in kinds for key, value in data[kind.root].items()})
