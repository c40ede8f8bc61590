"""What every `privacy_ports.PrivacyStore` keeps, in memory and in PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from crdt_docs.access import Role
from crdt_docs.gestures import Author, ChangeKind, Step
from crdt_docs.identifiers import ActorKind, DocumentKind, document_name
from crdt_docs.object_changes import ObjectChange
from crdt_docs.object_fields import project
from crdt_docs.object_kinds import ObjectKind
from persistence.answer_ports import AnswerStore, KeptAnswer, RequestName, Reservation, Reserved
from persistence.archive import PostgresArchive
from persistence.archive_ports import Archive
from persistence.audit_log import PostgresAuditStore
from persistence.audit_ports import AuditEntry, AuditEvent, AuditFilter, AuditStore
from persistence.kept_answers import PostgresAnswerStore
from persistence.lookup_ports import ObjectLookup
from persistence.memory_answers import MemoryAnswerStore
from persistence.memory_audit import MemoryAuditStore
from persistence.memory_privacy import MemoryPrivacyStore
from persistence.memory_sessions import MemorySessionStore
from persistence.memory_store import MemoryDocumentStore
from persistence.memory_tokens import MemoryTokenStore
from persistence.memory_visits import MemoryVisitStore
from persistence.memory_xr_stores import xr_in_memory
from persistence.memory_xr_tables import MemoryXrTables
from persistence.object_lookup import PostgresObjectLookup
from persistence.object_ports import HistoryFilter
from persistence.pool import DatabasePool
from persistence.ports import (
    Commit,
    DocumentStore,
    Session,
    SessionStatus,
    SessionStore,
    SessionType,
)
from persistence.privacy import PostgresPrivacyStore
from persistence.privacy_ports import PrivacyStore
from persistence.sessions import PostgresSessionStore
from persistence.token_ports import NextToken, Refused, TokenFamily, TokenStore
from persistence.tokens import PostgresTokenStore
from persistence.update_log import PostgresDocumentStore
from persistence.visit_ports import Visit, VisitStore
from persistence.visits import PostgresVisitStore
from persistence.xr_people_ports import Avatar
from persistence.xr_stores import xr_in_postgres
from tests.helpers.commits import ANA, BEN
from tests.helpers.xr import a_room, a_session, somebody_there

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
BOARD, OTHER = UUID(int=1), UUID(int=2)
DOCUMENT = document_name(DocumentKind.OCW, BOARD)
DIGEST = b"d" * 32
FORGOTTEN = AuditEvent("privacy.forgotten", None, None, target=f"user/{ANA}")


@dataclass
class Memories:
    """Everything that is kept, in memory."""

    documents: MemoryDocumentStore = field(default_factory=MemoryDocumentStore)
    sessions: MemorySessionStore = field(default_factory=MemorySessionStore)

    def __post_init__(self) -> None:
        self.objects: ObjectLookup = self.documents.objects
        self.archive: Archive = self.documents.archive
        self.answers = MemoryAnswerStore()
        self.audit = MemoryAuditStore(self.sessions.workspace_of)
        self.visits = MemoryVisitStore(self.sessions.note_seen)
        self.tokens = MemoryTokenStore()
        xr = MemoryXrTables()
        self.privacy: PrivacyStore = MemoryPrivacyStore(
            self.documents,
            self.sessions,
            answers=self.answers,
            audit=self.audit,
            visits=self.visits,
            tokens=self.tokens,
            xr=xr,
        )
        self.xr = xr_in_memory(xr)


class Tables:
    """The same in PostgreSQL."""

    def __init__(self, pool: DatabasePool) -> None:
        self.documents: DocumentStore = PostgresDocumentStore(pool)
        self.sessions: SessionStore = PostgresSessionStore(pool)
        self.objects: ObjectLookup = PostgresObjectLookup(pool)
        self.archive: Archive = PostgresArchive(pool)
        self.answers: AnswerStore = PostgresAnswerStore(pool)
        self.audit: AuditStore = PostgresAuditStore(pool)
        self.visits: VisitStore = PostgresVisitStore(pool)
        self.tokens: TokenStore = PostgresTokenStore(pool)
        self.xr = xr_in_postgres(pool)
        self.privacy: PrivacyStore = PostgresPrivacyStore(pool)


Kept = Memories | Tables


@pytest.fixture(params=["memory", "postgres"])
def kept(request: pytest.FixtureRequest) -> Kept:
    if request.param == "memory":
        return Memories()
    return Tables(request.getfixturevalue("pool"))


async def fill(kept: Kept) -> None:
    """A board of Ana's, on which she and Ben draw, and what else is held about her."""
    for session_id, host in ((BOARD, ANA), (OTHER, BEN)):
        await kept.sessions.create(
            Session(
                id=session_id,
                workspace_id=uuid4(),
                session_type=SessionType.WHITEBOARD,
                host_user_id=host,
                status=SessionStatus.ACTIVE,
                config={"moderators": [str(host)]},
                max_participants=5,
                is_recording=False,
                started_at=NOON,
            )
        )
    await kept.documents.commit(
        [
            Commit(DOCUMENT, 1, b"first", ANA, introduced=(7,), changes=(_drawn(ANA, ANA),)),
            Commit(DOCUMENT, 2, b"then", BEN, introduced=(8,), changes=(_drawn(ANA, ANA, BEN),)),
        ]
    )
    await kept.visits.put([Visit(uuid4(), BOARD, ANA, ActorKind.USER, "firefox", NOON)])
    for caller, body in ((ANA, b"{}"), (BEN, f'{{"to":"{ANA}"}}'.encode()), (BEN, b"{}")):
        held = Reservation(
            RequestName(caller, body.ljust(32)[:32]), b"", datetime.now(UTC), NOON + HOUR
        )
        await kept.answers.claim(held, kept_since=NOON - HOUR)
        await kept.answers.keep(held, KeptAnswer(200, (), body))
    family = TokenFamily(uuid4(), ANA, uuid4(), {}, NOON)
    await kept.tokens.begin(family, NextToken(DIGEST, NOON + HOUR, NOON + HOUR))
    await kept.audit.add([AuditEntry(NOON, AuditEvent("a.a", ANA, ActorKind.USER))])


def _drawn(
    author: UUID, *contributors: UUID, of: ObjectKind = ObjectKind.OCW_OBJECT
) -> ObjectChange:
    """Somebody draws the box, which says whose it is."""
    starts = len(contributors) == 1
    kind = ChangeKind.CREATE if starts else ChangeKind.UPDATE
    step = Step(starts, kind, Author(author), contributors, None)
    state = project(of, {"object_type": "sticky", "created_by": str(ANA)})
    return ObjectChange(of, "box", state, Author(contributors[-1]), step, 10)


async def test_prv_2_an_alias_stands_in_a_document_and_its_rows(kept: Kept) -> None:
    await fill(kept)
    assert await kept.privacy.documents_of(ANA) == [DOCUMENT]
    assert await kept.privacy.forget_in(DOCUMENT, ANA)
    assert await kept.privacy.documents_of(ANA) == []
    session = await kept.sessions.get(BOARD)
    assert session is not None
    alias = session.host_user_id
    assert alias not in {ANA, BEN}
    assert session.config == {"moderators": [str(alias)]}
    log = await kept.documents.read_log(DOCUMENT)
    assert [entry.user_id for entry in log] == [alias, BEN]
    assert [entry.update for entry in log] == [b"first", b"then"]
    assert (await kept.documents.load(DOCUMENT)).authors == {7: alias, 8: BEN}
    page = await kept.objects.history(BOARD, ObjectKind.OCW_OBJECT, HistoryFilter(), limit=9)
    (row,) = page.items
    assert (row.changed_by.user_id, row.contributors) == (alias, (alias, BEN))
    assert await kept.privacy.forget_in(DOCUMENT, ANA) == {}
    other = await kept.sessions.get(OTHER)
    assert other is not None
    assert other.host_user_id == BEN


async def test_prv_4_all_else_goes_with_the_pseudonym(kept: Kept) -> None:
    await fill(kept)
    (before,) = (await kept.audit.find(AuditFilter(), limit=9)).items
    counts = await kept.privacy.forget(ANA, AuditEntry(NOON + HOUR, FORGOTTEN))
    assert counts == {
        "audit_subjects": 1,
        "kept_answers": 2,
        "ocw_participants": 1,
        "token_families": 1,
        "user_sessions": 1,
    }
    assert await kept.sessions.participant(BOARD, ANA) is None
    assert await kept.sessions.participant(OTHER, BEN) is not None
    assert await kept.visits.of_user(ANA) == []
    following = NextToken(b"e" * 32, NOON + HOUR, NOON + HOUR)
    assert await kept.tokens.rotate(DIGEST, following, NOON) == Refused()
    later, first = (await kept.audit.find(AuditFilter(), limit=9)).items
    assert (later.action, later.target) == ("privacy.forgotten", f"user/{before.actor}")
    assert (first.actor, first.persons) == (before.actor, {})
    again = await kept.privacy.forget(ANA, AuditEntry(NOON + 2 * HOUR, FORGOTTEN))
    assert set(again) <= {"audit_subjects"}
    wanted = Reservation(RequestName(ANA, b"{}".ljust(32)), b"", NOON, NOON + HOUR)
    assert await kept.answers.claim(wanted, kept_since=NOON - HOUR) == Reserved()


async def test_prv_5_what_is_held_is_told_and_nothing_that_was_written(kept: Kept) -> None:
    await fill(kept)
    held = [row async for row in kept.privacy.held(ANA)]
    tables = {row.table for row in held}
    assert tables >= {
        "audit_log",
        "audit_subjects",
        "document_updates",
        "ocw_participants",
        "ocw_sessions",
        "token_families",
        "user_sessions",
    }
    answers = [row.row["caller_id"] for row in held if row.table == "kept_answers"]
    assert sorted(map(str, answers)) == sorted(map(str, (ANA, BEN))), "one only names her"
    assert "sticky" not in str(held)
    assert [row async for row in kept.privacy.held(uuid4())] == []


async def test_prv_5_a_session_that_only_names_somebody_is_told_as_it_is_forgotten(
    kept: Kept,
) -> None:
    session_id, named = uuid4(), uuid4()
    await kept.sessions.create(
        Session(
            id=session_id,
            workspace_id=uuid4(),
            session_type=SessionType.WHITEBOARD,
            host_user_id=BEN,
            status=SessionStatus.ACTIVE,
            config={"moderators": [str(named)]},
            max_participants=5,
            is_recording=False,
            started_at=NOON,
        )
    )
    (held,) = [row async for row in kept.privacy.held(named)]
    assert (held.table, str(held.row["id"])) == ("ocw_sessions", str(session_id))
    await kept.privacy.forget_in(document_name(DocumentKind.OCW, session_id), named)
    assert [row async for row in kept.privacy.held(named)] == []


async def test_sessions_whose_contents_name_somebody_are_told(kept: Kept) -> None:
    await fill(kept)
    assert await kept.privacy.mentions(ANA) == [DOCUMENT]
    await kept.privacy.forget_in(DOCUMENT, ANA)
    assert await kept.privacy.mentions(ANA) == [DOCUMENT]
    assert await kept.privacy.mentions(BEN) == []


async def test_prv_1_an_id_in_capitals_is_the_same(kept: Kept) -> None:
    await fill(kept)
    named, session_id, room_id = uuid4(), UUID(int=3), UUID(int=4)
    config = {"moderators": [str(named).upper()]}
    session = await kept.sessions.get(OTHER)
    assert session is not None
    await kept.sessions.create(replace(session, id=session_id, config=config))
    await kept.xr.rooms.create(replace(a_room(4), config=config))
    answer = f'{{"to":"{str(named).upper()}"}}'.encode()
    held = Reservation(RequestName(BEN, b"x" * 32), b"", datetime.now(UTC), NOON + HOUR)
    await kept.answers.claim(held, kept_since=NOON - HOUR)
    await kept.answers.keep(held, KeptAnswer(200, (), answer + "\u00e9".encode()))
    documents = [
        document_name(DocumentKind.OCW, session_id),
        document_name(DocumentKind.XR, room_id),
    ]
    assert await kept.privacy.documents_of(named) == documents
    for document in documents:
        await kept.privacy.forget_in(document, named)
    assert await kept.privacy.documents_of(named) == []
    changed = await kept.sessions.get(session_id)
    assert changed is not None
    assert changed.config["moderators"][0].lower() != str(named)
    counts = await kept.privacy.forget(named, AuditEntry(NOON, FORGOTTEN))
    assert counts["kept_answers"] == 1


async def test_what_rooms_and_labels_say_of_somebody_is_told(kept: Kept) -> None:
    await fill(kept)
    named = uuid4()
    says = f"that of {str(named).upper()}"
    await kept.archive.name(DOCUMENT, 1, says, None)
    rooms = [
        replace(a_room(4), name=says),
        replace(a_room(5), dimensions={"by": says}),
        replace(a_room(6), environment_config={"sky": [says]}),
        a_room(7),
    ]
    for room in rooms:
        await kept.xr.rooms.create(room)
    expected = [document_name(DocumentKind.XR, room.id) for room in rooms[:3]]
    assert await kept.privacy.mentions(named) == [DOCUMENT, *expected]


async def test_a_document_that_is_not_there_is_no_matter(kept: Kept) -> None:
    assert await kept.privacy.forget_in(DOCUMENT, ANA) == {}
    assert await kept.privacy.documents_of(ANA) == []


async def fill_rooms(kept: Kept) -> None:
    """A room of Ana's, in which she and Ben are, and one of Ben's, whose config names her."""
    await kept.xr.rooms.create(a_room(1))
    await kept.xr.rooms.create(replace(a_room(2, by=BEN), config={"moderators": [str(ANA)]}))
    for person in (ANA, BEN):
        await kept.xr.members.put(UUID(int=1), person, Role.HOST, NOON)
        await kept.xr.avatars.create(
            Avatar(uuid4(), person, "Owl", {}, is_default=True, created_at=NOON)
        )
    await kept.xr.sessions.start(a_session())
    await kept.xr.participants.join(somebody_there(1000, by=ANA))
    await kept.xr.participants.join(somebody_there(1001, by=BEN))


async def test_prv_2_an_alias_stands_in_rooms_and_another_in_each(kept: Kept) -> None:
    await fill_rooms(kept)
    documents = [document_name(DocumentKind.XR, UUID(int=number)) for number in (1, 2)]
    assert await kept.privacy.documents_of(ANA) == documents
    for document in documents:
        assert await kept.privacy.forget_in(document, ANA) == {"xr_rooms": 1}
        assert await kept.privacy.forget_in(document, ANA) == {}
    assert await kept.privacy.documents_of(ANA) == []
    assert await kept.privacy.documents_of(BEN) == documents[1:]
    first, second = [await kept.xr.rooms.get(UUID(int=number)) for number in (1, 2)]
    assert first is not None
    assert second is not None
    (named,) = second.config["moderators"]
    assert len({str(first.created_by), named, str(ANA), str(BEN)}) == 4
    assert second.created_by == BEN


async def test_prv_2_an_alias_stands_in_the_rows_of_a_room(kept: Kept) -> None:
    room, kind = document_name(DocumentKind.XR, UUID(int=1)), ObjectKind.XR_OBJECT
    await kept.documents.commit(
        [
            Commit(room, 1, b"first", ANA, introduced=(7,), changes=(_drawn(ANA, ANA, of=kind),)),
            Commit(room, 2, b"then", BEN, changes=(_drawn(ANA, ANA, BEN, of=kind),)),
        ]
    )
    assert await kept.privacy.documents_of(ANA) == await kept.privacy.mentions(ANA) == [room]
    held = {row.table async for row in kept.privacy.held(BEN)}
    assert held >= {"document_updates", "xr_objects"}
    assert await kept.privacy.forget_in(room, ANA)
    assert await kept.privacy.documents_of(ANA) == []
    assert await kept.privacy.mentions(ANA) == [room], "what she wrote is the room's"
    (entry, _) = await kept.documents.read_log(room)
    (row,) = (await kept.objects.history(UUID(int=1), kind, HistoryFilter())).items
    assert row.changed_by.user_id == entry.user_id != ANA
    assert row.contributors == (entry.user_id, BEN)


async def test_prv_4_what_is_about_them_goes_from_rooms(kept: Kept) -> None:
    await fill_rooms(kept)
    counts = await kept.privacy.forget(ANA, AuditEntry(NOON, FORGOTTEN))
    assert counts.items() >= {"xr_avatars": 1, "xr_participants": 1, "xr_room_members": 1}.items()
    assert await kept.xr.members.member(UUID(int=1), ANA) is None
    assert await kept.xr.avatars.default_of(ANA) is None
    people = (await kept.xr.participants.participants(UUID(int=10))).items
    assert [person.user_id for person in people] == [BEN]
    assert await kept.xr.avatars.default_of(BEN) is not None
    again = await kept.privacy.forget(ANA, AuditEntry(NOON, FORGOTTEN))
    assert set(again) <= {"audit_subjects"}


async def test_prv_5_what_is_held_of_rooms_is_told(kept: Kept) -> None:
    await fill_rooms(kept)
    held = [row.table async for row in kept.privacy.held(ANA)]
    xr = sorted(table for table in held if table.startswith("xr_"))
    expected = ["xr_avatars", "xr_participants", "xr_room_members", "xr_rooms", "xr_rooms"]
    assert xr == expected
