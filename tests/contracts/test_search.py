"""What every store finds by full text, and for whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import pytest

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind, document_name
from crdt_docs.object_changes import ObjectChange, State
from crdt_docs.object_kinds import ObjectRoot
from persistence.memory_search import MemorySearch
from persistence.memory_sessions import MemorySessionStore
from persistence.memory_store import MemoryDocumentStore
from persistence.ports import (
    Commit,
    DocumentStore,
    InvalidCursor,
    Participant,
    Session,
    SessionStatus,
    SessionStore,
    SessionType,
)
from persistence.search import PostgresSearch
from persistence.search_ports import Hit, Search, SearchFilter
from persistence.sessions import PostgresSessionStore
from persistence.update_log import PostgresDocumentStore
from tests.helpers.commits import ANA, BEN, commit
from tests.helpers.objects import CREATE, DELETE, OBJECTS, UPDATE, Hands, box, remark

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
HERE, ELSEWHERE = UUID(int=100), UUID(int=200)


@dataclass
class Library:
    """Sessions with texts in them, and the search over all."""

    documents: DocumentStore
    sessions: SessionStore
    search: Search
    hands: Hands = field(default_factory=Hands)
    seqs: dict[UUID, int] = field(default_factory=dict)

    async def open(self, number: int, host: UUID = ANA, workspace: UUID = HERE) -> UUID:
        """A new session."""
        session = Session(
            id=UUID(int=number),
            workspace_id=workspace,
            session_type=SessionType.WHITEBOARD,
            host_user_id=host,
            status=SessionStatus.ACTIVE,
            config={},
            max_participants=50,
            is_recording=False,
            started_at=NOON,
        )
        await self.sessions.create(session)
        return session.id

    async def take_part(self, session: UUID, user: UUID, *, removed: bool = False) -> None:
        row = Participant(session, user, Role.VIEWER, NOON, removed_at=NOON if removed else None)
        await self.sessions.put_participant(row)

    async def write(self, session: UUID, identifier: str, state: State) -> None:
        """Something new, or something else in its place."""
        key = (session, identifier)
        kind = UPDATE if key in self._there else CREATE
        self._there.add(key)
        await self._commit(session, self.hands.change(kind, identifier, state, ANA))

    async def delete(self, session: UUID, identifier: str) -> None:
        gone = self.hands.change_in(OBJECTS, DELETE, identifier, None, ANA)
        await self._commit(session, gone)

    async def _commit(self, session: UUID, change: ObjectChange) -> None:
        seq = self.seqs[session] = self.seqs.get(session, 0) + 1
        entry: Commit = commit(document_name(DocumentKind.OCW, session), seq)
        await self.documents.commit([entry._replace(changes=(change,))])

    _there: set[tuple[UUID, str]] = field(default_factory=set)

    async def hits(self, wanted: SearchFilter | str, *, limit: int = 20) -> list[Hit]:
        """All of them, page by page."""
        asked = SearchFilter(wanted) if isinstance(wanted, str) else wanted
        found: list[Hit] = []
        cursor = None
        while True:
            page = await self.search.find(asked, limit=limit, cursor=cursor)
            assert len(page.items) <= limit
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found

    async def ids(self, wanted: SearchFilter | str) -> set[str]:
        return {hit.id for hit in await self.hits(wanted)}


@pytest.fixture(params=["memory", "postgres"])
def library(request: pytest.FixtureRequest) -> Library:
    if request.param == "memory":
        documents, sessions = MemoryDocumentStore(), MemorySessionStore()
        return Library(documents, sessions, MemorySearch(sessions, documents.objects))
    pool = request.getfixturevalue("pool")
    return Library(PostgresDocumentStore(pool), PostgresSessionStore(pool), PostgresSearch(pool))


async def test_words_are_found_where_they_stand(library: Library) -> None:
    one = await library.open(1)
    await library.write(one, "note", box(3, "the budget of the project"))
    await library.write(one, "remark", remark("a smaller budget?"))
    await library.write(one, "other", box(0, "nothing"))
    found = {hit.id: hit for hit in await library.hits("budget")}
    assert set(found) == {"note", "remark"}
    note, said = found["note"], found["remark"]
    assert (note.root, note.session_id, note.type, note.object_id) == (
        ObjectRoot.OBJECTS,
        one,
        "sticky",
        None,
    )
    assert note.position == {"x": 3, "y": -2.5}
    assert (said.root, said.type, said.object_id) == (ObjectRoot.ANNOTATIONS, "comment", "box")
    for hit in found.values():
        assert [part.text for part in hit.snippet if part.is_match] == ["budget"]
        assert hit.rank > 0
    assert "".join(part.text for part in note.snippet) == "the budget of the project"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("budget", {"a", "b"}),
        ("Budgets", {"a", "b"}),
        ("budget project", {"a"}),
        ('"new project"', {"a"}),
        ('"project new"', set()),
        ("budget -project", {"b"}),
        ("project or zebra", {"a", "c"}),
        ("-budget", set()),
        ("", set()),
        ("...", set()),
        ("giraffe", set()),
    ],
)
async def test_what_people_type(library: Library, text: str, found: set[str]) -> None:
    one = await library.open(1)
    await library.write(one, "a", box(0, "budget of the new project"))
    await library.write(one, "b", box(0, "Budget, revised"))
    await library.write(one, "c", remark("zebra"))
    assert await library.ids(text) == found


async def test_only_what_is_there_now_is_found(library: Library) -> None:
    one, two = await library.open(1), await library.open(2)
    await library.write(one, "kept", box(0, "zebra"))
    await library.write(one, "deleted", box(0, "zebra"))
    await library.write(one, "changed", box(0, "zebra"))
    await library.write(two, "in a deleted session", box(0, "zebra"))
    await library.delete(one, "deleted")
    await library.write(one, "changed", box(0, "giraffe"))
    await library.sessions.delete(two, NOON)
    assert await library.ids("zebra") == {"kept"}
    everywhere = SearchFilter("zebra", readable_by=ANA, granted=(two,))
    assert await library.ids(everywhere) == {"kept"}
    assert await library.ids(SearchFilter("zebra", session_id=two)) == set()


async def test_people_find_what_they_may_read(library: Library) -> None:
    hosted = await library.open(1, host=BEN)
    joined, removed, granted = [await library.open(n) for n in (2, 3, 4)]
    both = await library.open(5)
    await library.open(6)
    await library.take_part(joined, BEN)
    await library.take_part(removed, BEN, removed=True)
    await library.take_part(both, BEN, removed=True)
    for number in range(1, 7):
        await library.write(UUID(int=number), str(number), box(0, "zebra"))
    wanted = SearchFilter("zebra", readable_by=BEN)
    assert await library.ids(wanted) == {"1", "2"}
    wanted = SearchFilter("zebra", readable_by=BEN, granted=(granted, both))
    assert await library.ids(wanted) == {"1", "2", "4"}
    only = SearchFilter("zebra", readable_by=BEN, session_id=removed)
    assert await library.ids(only) == set()
    assert await library.ids(SearchFilter("zebra", readable_by=BEN, session_id=hosted)) == {"1"}
    assert await library.ids(SearchFilter("zebra", readable_by=UUID(int=9))) == set()


async def test_services_find_what_is_in_their_workspaces(library: Library) -> None:
    one, two = await library.open(1), await library.open(2, workspace=ELSEWHERE)
    await library.write(one, "here", box(0, "zebra"))
    await library.write(two, "elsewhere", box(0, "zebra"))
    assert await library.ids("zebra") == {"here", "elsewhere"}
    assert await library.ids(SearchFilter("zebra", workspaces=(HERE,))) == {"here"}
    assert await library.ids(SearchFilter("zebra", workspaces=())) == set()
    for_ana = SearchFilter("zebra", readable_by=ANA, workspaces=(ELSEWHERE,))
    assert await library.ids(for_ana) == {"elsewhere"}


async def test_a_search_can_be_narrowed(library: Library) -> None:
    one, two = await library.open(1), await library.open(2)
    await library.write(one, "object", box(0, "zebra"))
    await library.write(one, "annotation", remark("zebra"))
    await library.write(two, "other", box(0, "zebra"))
    assert await library.ids(SearchFilter("zebra", session_id=one)) == {"object", "annotation"}
    assert await library.ids(SearchFilter("zebra", root=ObjectRoot.ANNOTATIONS)) == {"annotation"}
    assert await library.ids(SearchFilter("zebra", root=ObjectRoot.OBJECTS)) == {"object", "other"}


async def test_what_fits_best_is_first_then_what_is_newest(library: Library) -> None:
    one = await library.open(1)
    await library.write(one, "long", box(0, "zebra " + "and something else entirely " * 9))
    for name in ("old", "new"):
        await library.write(one, name, box(0, "one zebra"))
    await library.write(one, "often", box(0, "zebra zebra zebra"))
    assert [hit.id for hit in await library.hits("zebra")] == ["often", "new", "old", "long"]


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_pages_hold_everything_once(library: Library, limit: int) -> None:
    one, two = await library.open(1), await library.open(2)
    for number in range(4):
        await library.write(one, f"o{number}", box(0, "zebra " * (number % 3 + 1)))
        await library.write(two, f"é{number}", remark("zebra"))
    whole = await library.hits("zebra", limit=50)
    assert len(whole) == 8
    assert await library.hits("zebra", limit=limit) == whole


async def test_a_cursor_is_for_the_words_it_was_given_for(library: Library) -> None:
    one = await library.open(1)
    for number in range(3):
        await library.write(one, str(number), box(0, "zebra giraffe"))
    page = await library.search.find(SearchFilter("zebra"), limit=1)
    assert page.next_cursor is not None
    await library.search.find(SearchFilter("zebra"), cursor=page.next_cursor)
    for text, cursor in [("giraffe", page.next_cursor), ("zebra", "x"), ("zebra", "AAAAAAAAAAAA")]:
        with pytest.raises(InvalidCursor):
            await library.search.find(SearchFilter(text), cursor=cursor)


@pytest.mark.parametrize(
    "nots", ["-" * 200, "-(" * 100, "-<" * 100, "-!&|)(" * 40, "a" + " --" * 80]
)
async def test_many_nots_are_one(library: Library, nots: str) -> None:
    """PostgreSQL fails where it has to stack them up."""
    one = await library.open(1)
    await library.write(one, "1", box(0, "zebra giraffe"))
    await library.write(one, "2", box(0, "zebra"))
    assert await library.ids(nots) == set()
    assert await library.ids(f"zebra {nots.removeprefix('a')}giraffe") == {"2"}
