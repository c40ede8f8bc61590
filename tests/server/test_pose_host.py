"""The pose lane of a room in the event loop, with people who have no sockets."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from pycrdt import Map

from crdt_docs import long_edits, pose_client
from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind, document_name
from crdt_docs.messages import CloseCode, MessageType
from crdt_docs.pose_messages import (
    NOBODY,
    Beat,
    Claim,
    Denial,
    Deny,
    Device,
    Frame,
    FromServer,
    Hello,
    Hold,
    Holds,
    Presence,
    Release,
    Roster,
    Welcome,
)
from crdt_docs.pose_rates import PoseSettings
from crdt_docs.poses import Placed, Pose, Transform, decode_pose, encode_pose, encode_transform
from crdt_docs.room_limits import RoomLimits
from server.leases import Lease
from server.pose_host import MOST_MISSED, TOO_SLOW
from tests.helpers.people import Person
from tests.helpers.waiting import until
from tests.server.rooms import House, Seat

XR = document_name(DocumentKind.XR, UUID(int=78))
AHEAD = (0.0, 0.0, 0.0, 1.0)
IMPATIENT = PoseSettings(quiet_after=0.1, gone_after=0.3, quarantine=0.0)


class Headset:
    """A person in a room of headsets."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        self.sequence = 0

    @property
    def heard(self) -> list[FromServer]:
        """Messages of the pose lane, in order."""
        frames = [each for each in self.seat.channel.sent if each[0] == MessageType.POSE]
        return [pose_client.parse_from_server(frame) for frame in frames]

    @property
    def closed(self) -> tuple[int, str] | None:
        """How its socket was closed."""
        return self.seat.channel.closed

    def send(self, frame: bytes) -> None:
        """Send a frame as it is."""
        self.seat.host.receive(self.seat.member, frame)

    async def come(self, client_id: int | None = None, device: Device = Device.VR_HEADSET) -> None:
        """Say hello, and wait for the welcome."""
        own = self.seat.person.client_id if client_id is None else client_id
        before = len(self.welcomes)
        self.send(pose_client.hello(Hello(1, device, own)))
        await until(lambda: len(self.welcomes) > before or self.closed is not None)

    @property
    def welcomes(self) -> list[Welcome]:
        return [each for each in self.heard if isinstance(each, Welcome)]

    @property
    def acked(self) -> int:
        """The tick of the last frame that came."""
        return max((each.tick for each in self.heard if isinstance(each, Frame)), default=0)

    def move(self, x: float, *transforms: bytes) -> None:
        """Put the head somewhere."""
        welcome = self.welcomes[-1]
        self.sequence += 1
        head = Placed((x, 1.7, 0.0), AHEAD)
        pose = Pose(welcome.slot, welcome.generation, self.sequence, 0, head)
        self.send(pose_client.pose(self.acked, encode_pose(pose), transforms))

    def claim(self, object_id: str, sequence: int = 0) -> None:
        """Ask for an object."""
        self.send(pose_client.claim(Claim(sequence, object_id)))

    def carry(self, hold: Hold, x: float) -> None:
        """Move what one holds."""
        at = Transform(hold.object_slot, hold.sequence & 0xFFFF, (x, 0.0, 0.0), AHEAD)
        self.move(0.0, encode_transform(at))

    async def sees(self, x: float) -> None:
        """Wait until some pose of a head there has come."""
        await until(lambda: x in self.heads)

    @property
    def heads(self) -> list[float]:
        """Where heads were, in the order in which it was told."""
        frames = [each for each in self.heard if isinstance(each, Frame)]
        records = [record for frame in frames for record in frame.records]
        return [decode_pose(record).head.position[0] for record in records]

    @property
    def holds(self) -> dict[str, Hold]:
        """The latest it was told of each object."""
        told = [each for each in self.heard if isinstance(each, Holds)]
        return {hold.object_id: hold for each in told for hold in each.entries}

    @property
    def present(self) -> dict[int, Presence]:
        """Who is there by slot, as it was told."""
        told = [each for each in self.heard if isinstance(each, Roster)]
        entries = [entry for each in told for entry in each.entries]
        return {entry.slot: entry.presence for entry in entries}

    async def holding(self, object_id: str) -> Hold:
        """Wait until it was told of a hold."""
        await until(lambda: object_id in self.holds)
        return self.holds[object_id]


@asynccontextmanager
async def room(**options: Any) -> AsyncIterator[House]:
    """A house whose room has headsets."""
    async with House(name=XR, **options) as house:
        yield house


async def headset(house: House, number: int, role: Role = Role.EDITOR) -> Headset:
    """Let somebody in who has said hello."""
    entered = await enter(house, number, role)
    await entered.come()
    return entered


async def enter(house: House, number: int, role: Role = Role.EDITOR) -> Headset:
    """Let somebody in."""
    seat = await house.sit(Person(number, role))
    await house.settle()
    return Headset(seat)


async def furnish(house: House, who: Headset, object_id: str = "chair") -> None:
    """Put an object into the room."""
    person = who.seat.person
    objects = person.doc.get("objects", type=Map)
    objects[object_id] = Map({"object_type": "furniture"})
    await house.settle()


def transform(house: House, object_id: str = "chair") -> dict[str, Any] | None:
    """Where the document has an object."""
    read = house.host().room.document.objects().read("objects", object_id)
    assert isinstance(read, dict)
    found: dict[str, Any] | None = read.get("transform")
    return found


def held(house: House) -> int:
    """How many objects are in hands."""
    poses = house.host().poses
    assert poses is not None
    return len(poses.holds)


def states(person: Person) -> list[dict[str, Any]]:
    """What presence says, as the person's own client has it."""
    return [state for state in person.present.values() if state is not None]


async def test_headsets_see_one_another() -> None:
    async with room() as house:
        ada, ben = await headset(house, 1), await headset(house, 2)
        ada.move(1.5)
        ben.move(2.5)
        await ada.sees(2.5)
        await ben.sees(1.5)
        slots = {each.welcomes[-1].slot for each in (ada, ben)}
        await until(lambda: set(ada.present) == set(ben.present) == slots)


async def test_a_late_one_is_told_where_everybody_is() -> None:
    async with room() as house:
        ada = await headset(house, 1)
        ada.move(1.5)
        await ada.sees(1.5)
        await furnish(house, ada)
        ada.claim("chair")
        hold = await ada.holding("chair")
        ben = await headset(house, 2)
        await ben.sees(1.5)
        assert await ben.holding("chair") == hold
        assert set(ben.present.values()) == {Presence.THERE}


async def test_others_hear_at_once_that_somebody_is_gone() -> None:
    async with room() as house:
        ada, ben = await headset(house, 1), await headset(house, 2)
        slot = ben.welcomes[-1].slot
        await until(lambda: slot in ada.present)
        house.stand_up(ben.seat)
        await until(lambda: ada.present[slot] is Presence.GONE)


async def test_what_is_put_down_is_in_the_document_once() -> None:
    async with room() as house:
        ada, ben = await headset(house, 1), await headset(house, 2)
        await furnish(house, ada)
        before = house.host().log.last_seq
        ada.claim("chair")
        hold = await ada.holding("chair")
        assert await ben.holding("chair") == hold
        for step in range(30):
            ada.carry(hold, step / 10)
        ada.send(pose_client.release(Release(hold.object_slot, hold.sequence)))
        await until(lambda: ben.holds["chair"].holder_slot == NOBODY)
        await house.settle()
        at = transform(house)
        assert at is not None
        assert at["position"] == {"x": 2.9, "y": 0.0, "z": 0.0}
        assert house.host().log.last_seq == before + 1
        shared = ben.seat.person.doc.get("objects", type=Map)["chair"]["transform"]
        assert shared["position"]["x"] == 2.9


async def test_what_somebody_holds_who_is_gone_stays_where_it_was_seen_last() -> None:
    async with room() as house:
        ada, ben = await headset(house, 1), await headset(house, 2)
        await furnish(house, ada)
        ada.claim("chair")
        ada.carry(await ben.holding("chair"), 4.0)
        house.stand_up(ada.seat)
        await until(lambda: ben.holds["chair"].holder_slot == NOBODY)
        at = transform(house)
        assert at is not None
        assert at["position"]["x"] == 4.0


async def test_what_is_held_when_the_room_is_closed_is_stored() -> None:
    async with room() as house:
        ada = await headset(house, 1)
        await furnish(house, ada)
        ada.claim("chair")
        ada.carry(await ada.holding("chair"), 4.0)
        house.host().close_all(CloseCode.GOING_AWAY, "the server is going away")
        at = transform(house)
        assert at is not None
        assert at["position"]["x"] == 4.0
        house.seats.clear()


@pytest.mark.parametrize("at_once", [True, False])
async def test_pos_35_who_deletes_a_held_object_and_makes_it_again_moves_nothing_held(
    *, at_once: bool
) -> None:
    async with room() as house:
        ada, ben = await headset(house, 1), await headset(house, 2)
        await furnish(house, ada)
        ada.claim("chair")
        ada.carry(await ada.holding("chair"), 1.0)
        objects = ben.seat.person.doc.get("objects", type=Map)
        del objects["chair"]
        if not at_once:
            await house.settle()
        place = {"position": {"x": 6.0, "y": 0.0, "z": 0.0}}
        objects["chair"] = Map({"object_type": "furniture", "transform": place})
        await house.settle()
        assert held(house) == 0
        assert ada.holds["chair"].holder_slot == NOBODY
        assert transform(house) == place


async def test_pos_35_what_is_deleted_by_the_server_is_held_no_longer() -> None:
    async with room() as house:
        ada = await headset(house, 1)
        await furnish(house, ada)
        ada.claim("chair")
        await ada.holding("chair")
        house.host().edit(Person(2).identity, lambda doc: doc.get("objects", type=Map).pop("chair"))
        assert held(house) == 0
        await until(lambda: ada.holds["chair"].holder_slot == NOBODY)


async def test_of_two_who_grab_at_once_one_holds() -> None:
    async with room() as house:
        ada, ben = await headset(house, 1), await headset(house, 2)
        await furnish(house, ada)
        ada.claim("chair")
        ben.claim("chair")
        hold = await ben.holding("chair")
        assert hold.holder_slot == ada.welcomes[-1].slot
        await until(lambda: any(isinstance(each, Deny) for each in ben.heard))
        (denial,) = [each for each in ben.heard if isinstance(each, Deny)]
        assert denial == Deny(Denial.HELD, hold.sequence, "chair")
        ben.carry(hold, 9.0)
        ada.carry(hold, 1.0)
        house.stand_up(ada.seat)
        at = transform(house)
        assert at is not None
        assert at["position"]["x"] == 1.0
        assert house.counters.dropped_transforms == 1


async def test_what_is_wrong_closes_its_own_socket() -> None:
    async with room() as house:
        ada, ben = await headset(house, 1), await headset(house, 2)
        ben.send(b"\x70\x02\x00")
        await house.settle()
        assert ben.closed is not None
        assert ben.closed[0] == CloseCode.MALFORMED
        assert house.counters.refused_poses == 1
        slot = ben.welcomes[-1].slot
        await until(lambda: ada.present.get(slot) is Presence.GONE)
        assert ada.closed is None


async def test_an_unknown_version_is_named() -> None:
    async with room() as house:
        ada = await enter(house, 1)
        ada.send(b"\x70\x01\x09" + bytes(9))
        await house.settle()
        assert ada.closed is not None
        assert "version 9" in ada.closed[1]


async def test_nobody_holds_anything_before_hello() -> None:
    async with room() as house:
        ada = await enter(house, 1)
        ada.claim("chair")
        await house.settle()
        assert ada.closed is not None
        assert "hello" in ada.closed[1]


async def test_pos_42_a_spectator_sees_heads_and_held_objects_and_is_not_seen() -> None:
    async with room() as house:
        ada = await headset(house, 1)
        await furnish(house, ada)
        eva = await headset(house, 2, Role.SPECTATOR)
        assert eva.welcomes[-1].slot == NOBODY
        ada.move(3.0)
        await eva.sees(3.0)
        ada.claim("chair")
        hold = await eva.holding("chair")
        assert hold.holder_slot == ada.welcomes[-1].slot
        ada.carry(hold, 4.0)
        await until(lambda: any(f.transforms for f in eva.heard if isinstance(f, Frame)))
        assert set(ada.present) == {ada.welcomes[-1].slot}


async def test_pos_42_a_spectator_moves_and_holds_nothing() -> None:
    async with room() as house:
        ada = await headset(house, 1)
        await furnish(house, ada)
        eva = await headset(house, 2, Role.SPECTATOR)
        eva.move(5.0)
        eva.claim("chair")
        await until(lambda: any(isinstance(each, Deny) for each in eva.heard))
        denied = [each for each in eva.heard if isinstance(each, Deny)]
        assert [each.reason for each in denied] == [Denial.MAY_NOT_EDIT]
        ada.move(1.0)
        await eva.sees(1.0)
        assert 5.0 not in ada.heads
        assert eva.closed is None


async def test_pos_42_who_becomes_a_spectator_is_gone_and_looks_on() -> None:
    async with room() as house:
        ada, ben = await headset(house, 1), await headset(house, 2)
        slot, who = ben.welcomes[-1].slot, ben.seat.person.identity.user_id
        house.host().set_role(who, Role.SPECTATOR)
        await until(lambda: ada.present.get(slot) is Presence.GONE)
        await until(lambda: len(ben.welcomes) == 2)
        assert ben.welcomes[-1].slot == NOBODY
        house.host().set_role(who, Role.VIEWER)
        await until(lambda: len(ben.welcomes) == 3)
        assert ben.welcomes[-1].slot != NOBODY
        house.host().set_role(who, Role.EDITOR)
        await until(lambda: ada.present.get(ben.welcomes[-1].slot) is Presence.THERE)
        assert len(ben.welcomes) == 3
        assert ben.closed is None


async def test_pos_42_a_new_token_that_makes_somebody_a_spectator_hides_their_avatar() -> None:
    async with room() as house:
        ada, ben = await headset(house, 1), await headset(house, 2)
        slot = ben.welcomes[-1].slot
        house.host().take_lease(ben.seat.member, Lease(None, math.inf), Role.SPECTATOR)
        await until(lambda: ada.present.get(slot) is Presence.GONE)
        await until(lambda: len(ben.welcomes) == 2)
        assert ben.welcomes[-1].slot == NOBODY


async def test_pos_42_whose_long_edit_is_read_is_hidden_when_their_role_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with room(limits=RoomLimits(apply_at_once=4)) as house:
        ada, ben = await headset(house, 1), await headset(house, 2)
        slot = ben.welcomes[-1].slot
        ben.seat.person.set_many({f"k{number}": number for number in range(20)})
        with monkeypatch.context() as patch:
            patch.setattr(long_edits, "APPLYING_SECONDS", 0.0)  # no turn has time for it
            ben.seat.pump()
            house.host().set_role(ben.seat.person.identity.user_id, Role.SPECTATOR)
            assert ben.seat.member.is_busy
        await until(lambda: ada.present.get(slot) is Presence.GONE)
        assert not ben.seat.member.is_busy


async def test_pos_42_of_who_never_said_hello_roles_mean_nothing_here() -> None:
    async with room() as house:
        ada = await headset(house, 1)
        ben = await enter(house, 2, Role.SPECTATOR)
        house.host().set_role(ben.seat.person.identity.user_id, Role.EDITOR)
        ada.move(1.0)
        await ada.sees(1.0)
        assert ben.heard == []


async def test_a_client_id_of_somebody_else_is_refused() -> None:
    async with room() as house:
        ada, ben = await headset(house, 1), await enter(house, 2)
        await ben.come(client_id=ada.seat.person.client_id)
        await house.settle()
        assert ben.closed is not None
        assert "somebody else's" in ben.closed[1]
        assert ada.closed is None


async def test_people_without_poses_see_headsets_in_presence() -> None:
    async with room() as house:
        cleo = await enter(house, 3)
        ada = await enter(house, 1)
        await ada.come(client_id=4711)  # a headset whose client has no presence of its own
        ada.move(1.5)
        seen: list[dict[str, Any]] = []

        async def look() -> None:
            while not seen:
                await house.settle()
                seen.extend(
                    state
                    for state in states(cleo.seat.person)
                    if state.get("xr", {}).get("position", {}).get("x") == 1.5
                )
                await asyncio.sleep(0.01)

        async with asyncio.timeout(10):
            await look()
        assert seen[0]["user"]["name"] == ada.seat.person.identity.name
        assert seen[0]["xr"]["device"] == "vr_headset"
        ada.send(pose_client.BYE)
        await house.settle()


async def test_who_says_hello_again_holds_nothing_any_more() -> None:
    async with room() as house:
        ada, ben = await headset(house, 1), await headset(house, 2)
        await furnish(house, ada)
        ada.claim("chair")
        assert (await ben.holding("chair")).holder_slot == ada.welcomes[-1].slot
        await ada.come()
        await until(lambda: ben.holds["chair"].holder_slot == NOBODY)


async def test_who_missed_what_became_of_holds_is_told_later() -> None:
    async with room() as house:
        ada, ben = await headset(house, 1), await headset(house, 2)
        await furnish(house, ada)
        ben.seat.channel.is_behind = True
        ada.claim("chair")
        await ada.holding("chair")
        assert "chair" not in ben.holds
        ben.seat.channel.is_behind = False
        house.host().writable(ben.seat.member)
        await ben.holding("chair")
        assert len(ben.welcomes) == 1


async def test_pos_43_who_grabs_and_lets_go_without_end_is_told_each_time_and_nobody_else() -> None:
    async with room() as house:
        ada, ben = await headset(house, 1), await headset(house, 2)
        await furnish(house, ada)
        for number in range(1, 200, 2):
            ada.claim("chair")
            assert ada.holds["chair"].sequence == number
            ada.send(pose_client.release(Release(ada.holds["chair"].object_slot, number)))
        ada.move(1.0)
        await ben.sees(1.0)
        assert ben.holds["chair"].holder_slot == NOBODY
        assert ben.holds["chair"].sequence == 200
        assert len([each for each in ben.heard if isinstance(each, Holds)]) == 1


async def test_who_is_told_later_is_told_in_order() -> None:
    async with room() as house:
        ada, ben = await headset(house, 1), await headset(house, 2)
        await furnish(house, ada)
        ben.seat.channel.is_behind = True
        ada.claim("chair")
        hold = await ada.holding("chair")
        ben.seat.channel.is_behind = False
        ada.send(pose_client.release(Release(hold.object_slot, hold.sequence)))
        ada.move(1.0)
        await ben.sees(1.0)
        assert ben.holds["chair"].holder_slot == NOBODY


async def test_pos_32_who_reads_nothing_is_told_later_why_they_were_denied_and_once() -> None:
    async with room() as house:
        ada, ben = await headset(house, 1), await headset(house, 2)
        await furnish(house, ada)
        ben.seat.channel.is_behind = True
        before = len(ben.heard)
        for _ in range(100):
            ben.claim("table")
        assert len(ben.heard) == before
        ada.claim("chair")
        await ada.holding("chair")
        ben.seat.channel.is_behind = False
        await ben.holding("chair")
        (denial,) = [each for each in ben.heard if isinstance(each, Deny)]
        assert denial == Deny(Denial.NO_OBJECT, 0, "table")


async def test_pos_32_who_reads_nothing_and_asks_for_ever_more_is_let_go() -> None:
    async with room() as house:
        ben = await headset(house, 1)
        ben.seat.channel.is_behind = True
        for number in range(MOST_MISSED + 1):
            ben.claim(f"table {number}")
        await until(lambda: ben.closed is not None)
        assert ben.closed == (CloseCode.TRY_LATER, TOO_SLOW)


async def fall_silent(ben: Headset, ada: Headset) -> None:
    """Say nothing until the other hears that one is gone."""
    slot = ben.welcomes[-1].slot
    async with asyncio.timeout(10):
        while ada.present.get(slot) is not Presence.GONE:
            ada.send(pose_client.beat(Beat(ada.acked)))
            await asyncio.sleep(0.01)


async def test_who_was_silent_is_welcomed_anew_and_shown_again() -> None:
    async with room(poses=IMPATIENT) as house:
        ada, ben = await headset(house, 1), await headset(house, 2)
        await fall_silent(ben, ada)
        ben.send(pose_client.beat(Beat(ben.acked)))
        await until(lambda: len(ben.welcomes) == 2)


async def test_pos_14_who_was_silent_and_claims_is_welcomed_anew_and_holds_nothing() -> None:
    async with room(poses=IMPATIENT) as house:
        ada, ben = await headset(house, 1), await headset(house, 2)
        await furnish(house, ada)
        await fall_silent(ben, ada)
        ben.claim("chair")
        await until(lambda: len(ben.welcomes) == 2 or ben.closed is not None)
        assert ben.closed is None
        assert held(house) == 0


async def test_who_is_put_out_before_a_claim_is_read_holds_nothing() -> None:
    async with room() as house:
        ada, ben = await headset(house, 1), await headset(house, 2)
        await furnish(house, ada)
        ben.seat.person.doc.get("objects", type=Map)["lamp"] = Map({"object_type": "furniture"})
        ben.seat.pump()  # the next frame of the document waits for its turn
        ben.send(b"\x00\x07")
        ben.claim("chair")
        assert ben.closed is not None
        assert held(house) == 0


async def test_a_board_has_no_poses() -> None:
    async with House() as house:
        seat = await house.sit(Person(1))
        await house.settle()
        Headset(seat).send(pose_client.hello(Hello(1, Device.DESKTOP, 5)))
        await house.settle()
        assert seat.channel.closed is not None
        assert seat.channel.closed[0] == CloseCode.MALFORMED
