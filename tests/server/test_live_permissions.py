"""ACC-10 to ACC-15 in a room: roles, removals, pauses and tokens of people who are connected."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from crdt_docs.access import Role
from crdt_docs.identifiers import ActorKind, DocumentKind, DocumentName, Identity
from crdt_docs.messages import CloseCode
from crdt_docs.varint import var_string
from persistence.memory_sessions import MemorySessionStore
from persistence.memory_store import MemoryDocumentStore
from persistence.memory_xr_rooms import MemoryXrRoomStore
from persistence.memory_xr_tables import MemoryXrTables
from persistence.ports import (
    Participant,
    Session,
    SessionStatus,
    SessionType,
    StorageUnavailable,
)
from persistence.token_ports import Revocation, RevokedKind
from server.authentication import Credentials
from server.document_standings import DocumentStandings
from server.live_permissions import LiveRoomPermissions
from server.permission_watch import PermissionWatch
from server.renewals import Renewals
from server.revocations import Revocations
from server.room_host import RoomHost
from server.room_rules import StoredRules
from server.signing_keys import KeysUnavailable
from server.sockets.admission import Admitted, TurnedAway, open_room
from tests.helpers.people import Person
from tests.helpers.waiting import until
from tests.server.rooms import NAME, House, Seat
from tests.server.token_forge import Forge

SESSION = UUID(int=77)
NOW = datetime.now(UTC)
SOON = NOW + timedelta(hours=1)


class Place:
    """A session that everybody edits, its room, and what REST does to both."""

    def __init__(self) -> None:
        self.sessions = MemorySessionStore()
        self.forge = Forge()
        self.forge.clock.now = NOW
        self.authenticator = self.forge.authenticator()
        rooms = MemoryXrRoomStore(MemoryXrTables())
        self.standings = DocumentStandings(self.sessions, rooms)
        self.renewals = Renewals(
            self.authenticator,
            self.standings,
            rulings=lambda: self.house.directory.rulings,
            clock=self.forge.clock,
        )
        self.documents = MemoryDocumentStore()
        self.house = House(
            store=self.documents,
            rules=StoredRules(self.sessions, rooms, self.documents.objects),
            renewing=self.renewals,
            revocations=self.authenticator.revocations,
        )
        self.watch = PermissionWatch(self.house.directory, self.standings, every=3600, soon=0)
        self.permissions = LiveRoomPermissions(self.house.directory, self.standings, self.watch)

    async def open(self) -> None:
        await self.sessions.create(
            Session(
                id=SESSION,
                workspace_id=UUID(int=1),
                session_type=SessionType.WHITEBOARD,
                host_user_id=UUID(int=500),
                status=SessionStatus.ACTIVE,
                config={"default_role": "editor"},
                max_participants=50,
                is_recording=False,
                started_at=NOW,
            )
        )

    def credentials(self, person: Person, **changes: Any) -> Credentials:
        return replace(
            Credentials(
                identity=person.identity,
                is_service=False,
                workspaces=None,
                grants={},
                expires_at=SOON,
                jti=f"token of {person.identity.user_id}",
                issued_at=NOW,
            ),
            **changes,
        )

    async def sit(self, person: Person, **claims: Any) -> Seat:
        """Let somebody in, with a token."""
        seat = await self.house.sit(person, credentials=self.credentials(person, **claims))
        await self.house.settle()
        return seat

    async def admitted(self, person: Person, *, since: float) -> RoomHost:
        """Let somebody come in who was asked about at a moment."""
        admission = self.admission(person)
        return await open_room(admission, self.house.directory, since=since)

    def admission(self, person: Person, *, is_paused: bool = False) -> Admitted:
        return Admitted(NAME, self.credentials(person), Role.EDITOR, 50, is_paused)

    def token(self, person: Person, **claims: Any) -> bytes:
        """The frame with a new token of somebody."""
        claims = {"exp": int((NOW + timedelta(hours=9)).timestamp()), **claims}
        return b"\x02\x00" + var_string(self.forge.token(person.identity.user_id, **claims))

    async def row(self, person: Person, role: Role) -> None:
        await self.sessions.join(SESSION, person.identity.user_id, role, NOW)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    place = Place()
    await place.open()
    async with place.house:
        yield place


# Roles


async def test_acc_10_the_edit_before_is_kept_and_the_edit_after_refused(place: Place) -> None:
    """Also what waits in the inbox of the room, for its interval, came before."""
    ada, ben = Person(1), Person(2)
    await place.sit(ada)
    seat = await place.sit(ben)
    host = place.house.host()
    host._inbox.append((seat.member, ben.set("before", 1)))
    ben.outbox.clear()
    place.permissions.set_role(NAME, ben.identity.user_id, Role.VIEWER)
    ben.set("after", 2)
    await place.house.settle()
    assert ada.json() == {"before": 1}
    assert len(ben.denials) == 1
    assert seat.channel.closed is None
    assert ada.present[ben.client_id]["user"]["role"] == "viewer"


async def test_acc_11_a_role_counts_on_every_socket_of_a_person(place: Place) -> None:
    ada, first, second = Person(1), Person(2), Person(2)
    seats = [await place.sit(person) for person in (ada, first, second)]
    place.permissions.set_role(NAME, first.identity.user_id, Role.SPECTATOR)
    await place.house.settle()
    assert [seat.member.role for seat in seats] == [Role.EDITOR, Role.SPECTATOR, Role.SPECTATOR]
    assert list(ada.present) == [ada.client_id]


async def test_acc_11_a_service_is_no_participant(place: Place) -> None:
    """Its id may be somebody's: its rights are not."""
    backend = Person(2)
    backend.identity = Identity(backend.identity.user_id, "Backend", ActorKind.SERVICE)
    seat = await place.sit(backend, is_service=True)
    place.permissions.set_role(NAME, backend.identity.user_id, Role.SPECTATOR)
    place.permissions.send_away(NAME, backend.identity.user_id, "removed")
    await place.house.settle()
    assert seat.member.role is Role.EDITOR
    assert seat.channel.closed is None


async def test_acc_11_who_was_removed_is_closed_and_the_others_stay(place: Place) -> None:
    ada, ben = Person(1), Person(2)
    one, other = await place.sit(ada), await place.sit(ben)
    place.house.host().receive(other.member, ben.set("before", 1))
    place.permissions.send_away(NAME, ben.identity.user_id, "you were removed")
    await asyncio.sleep(0)
    assert other.channel.closed == (CloseCode.FORBIDDEN, "you were removed")
    assert one.channel.closed is None
    place.house.seats.remove(other)
    await place.house.settle()
    assert ada.json() == {"before": 1}
    assert ben.client_id not in ada.present


async def test_acc_11_a_paused_room_goes_on_reading(place: Place) -> None:
    ada = Person(1)
    await place.sit(ada)
    host = place.house.host()
    host.receive(place.house.seats[0].member, ada.set("before", 1))
    ada.outbox.clear()
    place.permissions.set_paused(NAME, is_paused=True)
    assert host.room.is_paused
    ada.set("during", 2)
    await place.house.settle()
    assert "during" not in host.room.document.to_json(DocumentKind.OCW)["objects"]
    place.permissions.set_paused(NAME, is_paused=False)
    assert not host.room.is_paused


# Coming in meanwhile


async def test_acc_11_what_changes_while_somebody_comes_in_counts(place: Place) -> None:
    ben = Person(2)
    since = time.monotonic()
    place.permissions.set_role(NAME, ben.identity.user_id, Role.VIEWER)
    place.permissions.set_paused(NAME, is_paused=True)
    admission = place.admission(ben)
    host = await open_room(admission, place.house.directory, since=since)
    assert admission.role is Role.VIEWER
    assert host.room.is_paused
    later = place.admission(ben)
    await open_room(later, place.house.directory, since=time.monotonic())
    assert later.role is Role.EDITOR, "asked afterwards: the row says it"
    assert not host.room.is_paused


async def test_acc_11_who_is_removed_while_coming_in_stays_out(place: Place) -> None:
    ben = Person(2)
    since = time.monotonic()
    place.permissions.send_away(NAME, ben.identity.user_id, "you were removed")
    with pytest.raises(TurnedAway, match="you were removed") as turned:
        await place.admitted(ben, since=since)
    assert turned.value.code == CloseCode.FORBIDDEN
    assert await place.admitted(Person(3), since=since) is place.house.host()
    assert await place.admitted(ben, since=time.monotonic()) is place.house.host()


async def test_acc_15_a_token_revoked_while_coming_in_opens_nothing(place: Place) -> None:
    ben = Person(2)
    revoke(place.authenticator.revocations, jti=place.credentials(ben).jti)
    with pytest.raises(TurnedAway) as turned:
        await place.admitted(ben, since=time.monotonic())
    assert turned.value.code == CloseCode.UNAUTHENTICATED


async def test_acc_11_a_room_that_opens_while_paused_is_paused(place: Place) -> None:
    admission = place.admission(Person(2), is_paused=True)
    host = await open_room(admission, place.house.directory, since=time.monotonic())
    assert host.room.is_paused


async def test_acc_11_an_outage_lets_nobody_back_in_who_was_removed(place: Place) -> None:
    """While the database is away, what it said last counts: not what was changed since."""
    ben = Person(2)
    assert await place.standings.read(NAME, ben.identity.user_id)
    await place.standings.read(NAME, UUID(int=3))
    place.permissions.send_away(NAME, ben.identity.user_id, "you were removed")
    place.sessions.fail_with = StorageUnavailable("gone")
    with pytest.raises(StorageUnavailable):
        await place.standings.read(NAME, ben.identity.user_id)
    assert await place.standings.read(NAME, UUID(int=3))
    place.permissions.forget(NAME)
    with pytest.raises(StorageUnavailable):
        await place.standings.read(NAME, UUID(int=3))


# Rows that others change


async def test_acc_12_a_role_changed_by_sql_is_found(place: Place) -> None:
    ada, ben = Person(1), Person(2)
    await place.sit(ada)
    seat = await place.sit(ben)
    await place.row(ben, Role.VIEWER)
    await place.watch.look(None)
    await place.house.settle()
    assert seat.member.role is Role.VIEWER
    assert ada.present[ben.client_id]["user"]["role"] == "viewer"


async def test_acc_12_pauses_and_ends_by_sql_are_found(place: Place) -> None:
    seat = await place.sit(Person(1))
    host = place.house.host()
    await place.sessions.set_paused(SESSION, is_paused=True)
    await place.watch.look(None)
    assert host.room.is_paused
    await place.sessions.set_paused(SESSION, is_paused=False)
    await place.watch.look([NAME])
    assert not host.room.is_paused
    await place.sessions.end(SESSION, NOW)
    await place.watch.look([])
    assert seat.channel.closed is None
    await place.watch.look(None)
    await asyncio.sleep(0)
    assert seat.channel.closed == (CloseCode.ENDED, "the session has ended")
    place.house.seats.clear()


async def test_acc_12_what_changed_about_a_document_is_looked_at_soon(place: Place) -> None:
    """A room that is public no more, a default role that is another: it is not known of whom."""
    ben = Person(2)
    seat = await place.sit(ben)
    await place.row(ben, Role.VIEWER)
    watching = asyncio.create_task(place.watch.run())
    place.permissions.forget(NAME)
    await until(lambda: seat.member.role is Role.VIEWER)
    watching.cancel()


async def test_acc_12_what_a_config_asks_for_by_sql_is_found(place: Place) -> None:
    """And it is not read again where it is what it was."""
    ada, ben = Person(1), Person(2)
    await place.sit(ada)
    await place.sit(ben)
    ada.set("a", 1)
    await place.house.settle()
    renew = place.house.directory.renew_rules
    renewed: list[str] = []

    async def counted(name: DocumentName) -> None:
        renewed.append(name)
        await renew(name)

    place.house.directory.renew_rules = counted  # type: ignore[method-assign] # it is counted
    await place.watch.look(None)
    assert renewed == []
    session = await place.sessions.get(SESSION)
    assert session is not None
    config = {**session.config, "own_objects_only": True}
    place.sessions._sessions[SESSION] = replace(session, config=config)
    await place.watch.look(None)
    await place.watch.look(None)
    assert renewed == [NAME]
    ben.set("a", 2)
    await place.house.settle()
    assert "a" in ben.objects.keys()  # noqa: SIM118 - a shared map
    assert ben.objects["a"] == ada.objects["a"] == 1


async def test_acc_12_removals_by_sql_are_found(place: Place) -> None:
    ada, ben = Person(1), Person(2)
    stays, goes = await place.sit(ada), await place.sit(ben)
    await place.sessions.put_participant(
        Participant(SESSION, ben.identity.user_id, Role.EDITOR, NOW, removed_at=NOW)
    )
    await place.watch.look(None)
    await asyncio.sleep(0)
    assert goes.channel.closed == (CloseCode.FORBIDDEN, "you were removed from this session")
    assert stays.channel.closed is None
    place.house.seats.remove(goes)
    await place.sessions.delete(SESSION, NOW)
    await place.watch.look(None)
    await asyncio.sleep(0)
    assert stays.channel.closed is not None
    assert stays.channel.closed[0] == CloseCode.NOT_FOUND
    place.house.seats.clear()


async def test_acc_12_what_was_changed_while_it_looked_is_newer(place: Place) -> None:
    """It read that they edit; before it acts on that, a host makes them a spectator."""
    ben = Person(2)
    seat = await place.sit(ben)
    await place.row(ben, Role.EDITOR)
    place.sessions.pause()
    looking = asyncio.create_task(place.watch.look(None))
    await place.sessions.until_called()
    place.permissions.set_role(NAME, ben.identity.user_id, Role.SPECTATOR)
    place.permissions.set_paused(NAME, is_paused=True)
    place.sessions.resume()
    await looking
    assert seat.member.role is Role.SPECTATOR
    assert place.house.host().room.is_paused


async def test_acc_12_while_storage_is_away_everything_stays(place: Place) -> None:
    seat = await place.sit(Person(1))
    place.sessions.fail_with = StorageUnavailable("gone")
    with pytest.raises(StorageUnavailable):
        await place.watch.look(None)
    assert seat.channel.closed is None


async def test_acc_12_after_a_change_by_rest_the_rows_are_read_again(place: Place) -> None:
    """Two hosts change one role together, and are heard in the wrong order."""
    ben = Person(2)
    seat = await place.sit(ben)
    await place.row(ben, Role.VIEWER)
    watching = asyncio.create_task(place.watch.run())
    place.permissions.set_role(NAME, ben.identity.user_id, Role.HOST)
    assert seat.member.role is Role.HOST
    await until(lambda: seat.member.role is Role.VIEWER)
    watching.cancel()


async def test_acc_12_it_looks_again_and_again_also_after_an_outage(place: Place) -> None:
    reloaded: list[int] = []

    async def reload() -> None:
        reloaded.append(1)
        if len(reloaded) == 1:
            raise StorageUnavailable("gone")
        if len(reloaded) == 2:
            raise ValueError("a row that says nonsense")

    watch = PermissionWatch(
        place.house.directory, place.standings, every=0.001, soon=0, reload=reload
    )
    seat = await place.sit(Person(2))
    await place.row(Person(2), Role.VIEWER)
    watching = asyncio.create_task(watch.run())
    await until(lambda: seat.member.role is Role.VIEWER)
    await until(lambda: len(reloaded) > 2)
    assert place.house.counters.failed_permission_checks == 2
    watching.cancel()


# Tokens that end, are renewed, or revoked


async def test_acc_13_a_token_ends_on_the_second(place: Place) -> None:
    """Not with the next round of the rooms, which comes every few seconds."""
    person = Person(1)
    seat = await place.house.sit(person, expires_in=0.05)
    stays = await place.house.sit(Person(2), expires_in=3600)
    await until(lambda: seat.channel.closed is not None)
    assert seat.channel.closed is not None
    assert seat.channel.closed[0] == CloseCode.TOKEN_EXPIRED
    assert stays.channel.closed is None
    place.house.seats.remove(seat)


async def test_acc_14_a_new_token_keeps_the_socket_open(place: Place) -> None:
    ben = Person(2)
    seat = await place.house.sit(ben, credentials=place.credentials(ben), expires_in=0.1)
    await place.house.settle()
    heard = len(seat.channel.sent)
    host = place.house.host()
    host.receive(seat.member, place.token(ben, name="Benjamin"))
    await until(lambda: host.tokens()[seat.member].identity.name == "Benjamin")
    assert seat.member.identity.name == "Benjamin"
    await asyncio.sleep(0.15)
    assert seat.channel.closed is None
    assert not [frame for frame in seat.channel.sent[heard:] if frame[0] == 2], "nothing is said"


async def test_acc_14_frames_meanwhile_count_with_the_old_token(place: Place) -> None:
    ada, ben = Person(1), Person(2)
    await place.sit(ada)
    seat = await place.sit(ben)
    place.sessions.pause()
    place.house.host().receive(seat.member, place.token(ben))
    await place.sessions.until_called()
    ben.set("meanwhile", 1)
    await place.house.settle()
    assert ada.json() == {"meanwhile": 1}
    place.sessions.resume()


async def test_acc_14_the_role_is_decided_anew(place: Place) -> None:
    """A grant of the new token is as good as that of another one that opens a socket; where a row
    decides, it gives nothing."""
    cleo, dan = Person(3), Person(4)
    with_row, without = await place.sit(cleo), await place.sit(dan)
    await place.row(cleo, Role.VIEWER)
    host = place.house.host()
    for seat, person in ((with_row, cleo), (without, dan)):
        grant = {f"ocw/{SESSION}": "host" if person is cleo else "spectator"}
        host.receive(seat.member, place.token(person, grants=grant))
    await until(lambda: with_row.member.role is Role.VIEWER)
    await until(lambda: without.member.role is Role.SPECTATOR)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"\x02\x00" + var_string("nonsense"), "not a JWT"),
        (b"\x02\x00\x00", "not a JWT"),
        (None, "somebody else's"),
    ],
)
async def test_acc_14_a_bad_token_closes_the_socket(
    place: Place, frame: bytes | None, reason: str
) -> None:
    ben = Person(2)
    seat = await place.sit(ben)
    place.house.host().receive(seat.member, frame or place.token(Person(3)))
    await until(lambda: seat.channel.closed is not None)
    assert seat.channel.closed is not None
    assert seat.channel.closed[0] == CloseCode.UNAUTHENTICATED
    assert reason in seat.channel.closed[1]
    place.house.seats.clear()


async def test_acc_14_a_service_token_of_the_same_id_is_somebody_elses(place: Place) -> None:
    ben = Person(2)
    seat = await place.sit(ben)
    place.house.host().receive(seat.member, place.token(ben, scope="service"))
    await until(lambda: seat.channel.closed is not None)
    place.house.seats.clear()


async def test_acc_14_an_expired_or_revoked_token_renews_nothing(place: Place) -> None:
    ben, cleo = Person(2), Person(3)
    late, revoked = await place.sit(ben), await place.sit(cleo)
    host = place.house.host()
    host.receive(late.member, place.token(ben, exp=int(NOW.timestamp()) - 1))
    revoke(place.authenticator.revocations, jti="stolen")
    host.receive(revoked.member, place.token(cleo, jti="stolen"))
    for seat in (late, revoked):
        await until(lambda seat=seat: seat.channel.closed is not None)  # type: ignore[misc]  # bound now
        assert seat.channel.closed is not None
        assert seat.channel.closed[0] == CloseCode.UNAUTHENTICATED
    place.house.seats.clear()


async def test_acc_14_while_nobody_can_tell_the_old_token_counts(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ben = Person(2)
    seat = await place.sit(ben)
    asked: list[str] = []

    async def away(token: str) -> Credentials:
        asked.append(token)
        raise KeysUnavailable

    monkeypatch.setattr(place.authenticator, "authenticate", away)
    place.house.host().receive(seat.member, place.token(ben))
    await until(lambda: len(asked) == 1 and not place.renewals._tasks)
    assert seat.channel.closed is None
    assert place.house.host().tokens()[seat.member].jti == place.credentials(ben).jti


async def test_acc_14_of_a_flood_of_tokens_few_are_looked_at(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ben = Person(2)
    seat = await place.sit(ben)
    looked_at = 0
    authenticate = place.authenticator.authenticate

    async def count(token: str) -> Credentials:
        nonlocal looked_at
        looked_at += 1
        await asyncio.sleep(0)
        return await authenticate(token)

    monkeypatch.setattr(place.authenticator, "authenticate", count)
    host = place.house.host()
    for number in range(300):
        host.receive(seat.member, place.token(ben, jti=f"t{number}"))
        host.run_turn()
    await until(lambda: host.tokens()[seat.member].jti == "t299")
    assert looked_at <= 3


async def test_acc_14_who_leaves_meanwhile_is_gone(place: Place) -> None:
    ben = Person(2)
    seat = await place.sit(ben)
    place.sessions.pause()
    place.house.host().receive(seat.member, place.token(ben))
    await place.sessions.until_called()
    place.house.stand_up(seat)
    place.sessions.resume()
    await until(lambda: not place.renewals._tasks)
    assert not place.house.host().tokens()


async def test_acc_15_revocation_closes_the_sockets_of_a_token(place: Place) -> None:
    family = UUID(int=9)
    ada, ben, cleo = Person(1), Person(2), Person(3)
    by_token = await place.sit(ada, jti="one")
    by_family = await place.sit(ben, family=family)
    stays = await place.sit(cleo, jti="another")
    revoke(place.authenticator.revocations, jti="one")
    revoke(place.authenticator.revocations, family=family)
    place.permissions.close_revoked()
    await asyncio.sleep(0)
    for seat in (by_token, by_family):
        assert seat.channel.closed == (
            CloseCode.UNAUTHENTICATED,
            "the token was revoked: sign in again",
        )
        place.house.seats.remove(seat)
    assert stays.channel.closed is None


def revoke(revocations: Revocations, *, jti: str | None = None, family: UUID | None = None) -> None:
    kind = RevokedKind.TOKEN if jti else RevokedKind.FAMILY
    revocations.add([Revocation(kind, jti or str(family), NOW, SOON)])
