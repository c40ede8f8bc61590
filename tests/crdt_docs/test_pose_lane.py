"""The pose lane of a room: who is told what, and that nobody is a ghost."""

from __future__ import annotations

from itertools import pairwise

import pytest

from crdt_docs import pose_client
from crdt_docs.errors import Malformed
from crdt_docs.pose_lane import PoseLane
from crdt_docs.pose_messages import NOBODY, Presence, RosterEntry
from crdt_docs.pose_rates import PoseSettings
from crdt_docs.poses import HEAD_SIZE, Transform, encode_transform, read_header
from tests.helpers.headsets import UPRIGHT, Hall, Headset, crowd, hall, standing

HERE = (0.0, 1.7, 0.0)
TRANSFORM = bytes(20)


def whereabouts(headset: Headset) -> dict[int, float]:
    """How far to the east it sees everybody, by slot, in metres."""
    return {slot: round(metres_east(record), 3) for slot, record in sorted(headset.poses.items())}


def metres_east(record: bytes) -> float:
    return int.from_bytes(record[8:11], "little", signed=True) / 1000


def presence_of(headset: Headset, slot: int) -> Presence:
    """What it was told of somebody."""
    return headset.roster[slot].presence


def east(metres: float) -> tuple[float, float, float]:
    return (metres, 1.7, 0.0)


# Coming


def test_pos_13_who_comes_is_welcomed_then_told_everybody_then_where_they_are() -> None:
    room, (ana, ben) = hall("ana", "ben")
    room.move(ana, east(1))
    room.move(ben, east(2))
    room.tick()
    (eva,) = room.come("eva")
    turn = room.tick()
    assert [key for key, _ in turn.welcomes] == ["eva"]
    assert eva.welcome is not None
    assert (eva.welcome.slot, eva.welcome.generation) == (2, 1)
    assert eva.present == {0: 1, 1: 2, 2: 3}
    assert whereabouts(eva) == {0: 1.0, 1: 2.0}
    assert eva.ack == eva.welcome.tick == turn.tick
    assert ana.present == ben.present == eva.present
    (news,) = [each for each in turn.rosters if "ana" in each.to]
    assert news.to == ["ana", "ben"]
    assert len(pose_client.parse_from_server(news.data).entries) == 1  # type: ignore[union-attr]


def test_pos_13_the_first_one_is_welcomed_at_once() -> None:
    room = Hall()
    assert room.lane.next_tick_at is None
    room.come("ana")
    assert room.lane.next_tick_at == room.now


def test_pos_13_those_who_come_at_once_are_told_of_one_another() -> None:
    _, headsets = crowd(120)
    assert all(each.present == headsets[0].present for each in headsets)
    assert len(headsets[0].present) == 120


def test_pos_13_the_welcome_says_how_often_frames_come() -> None:
    _, (ana,) = hall("ana")
    assert ana.welcome is not None
    assert ana.welcome.rate == 60
    _, headsets = crowd(9)
    assert headsets[0].welcome is not None
    assert headsets[0].welcome.rate == 30


def test_pos_10_a_second_hello_is_a_bye_and_a_hello() -> None:
    room, (ana, ben) = hall("ana", "ben")
    room.move(ana, HERE)
    room.tick()
    room.hello(ana)
    room.tick()
    assert ana.welcome is not None
    assert (ana.welcome.slot, ana.welcome.generation) == (0, 2)
    assert ben.roster[0].generation == 2
    assert ben.poses == {}


def test_pos_10_a_socket_that_says_hello_all_the_time_uses_one_slot() -> None:
    room, (ana,) = hall("ana")
    for _ in range(500):
        room.hello(ana)
        room.lane.leave("ana", room.now)
    room.hello(ana)
    room.tick()
    assert ana.present == {0: 1}
    room.come("ben")
    room.tick()
    assert ana.present == {0: 1, 1: 2}


# No ghosts


def test_pos_11_no_ghost_of_a_straggler_after_a_leave() -> None:
    room, (ana, ben) = hall("ana", "ben")
    room.move(ben, east(2))
    late = ben.pose(east(3))
    room.go(ben)
    assert not room.lane.take_pose("ben", late, room.now)
    room.run(1.0)
    assert ana.present == {0: 1}
    assert whereabouts(ana) == {}
    assert room.lane.counters.stragglers == 1
    assert len(room.lane) == 1


def test_pos_11_no_ghost_of_one_who_never_said_hello() -> None:
    room, (ana,) = hall("ana")
    stranger = Headset("stranger", "stranger", 9)
    assert not room.lane.take_pose("stranger", stranger.say(standing(7, 1, 1, HERE)), room.now)
    room.lane.beat("stranger", 0, room.now)
    room.run(1.0)
    assert ana.present == {0: 1}
    assert ana.poses == {}
    assert room.lane.counters.stragglers == 1


def test_pos_11_no_ghost_of_one_who_comes_back_within_the_same_second() -> None:
    room, (ana, ben) = hall("ana", "ben")
    room.move(ben, east(2))
    room.tick()
    room.go(ben)
    (again,) = room.come("ben again", user="ben", client_id=ben.client_id)
    room.tick()
    assert again.welcome is not None
    assert again.welcome.slot == 2  # the other one rests
    assert ana.present == again.present == {0: 1, 2: 2}
    assert whereabouts(ana) == {}
    room.move(again, east(5))
    room.tick()
    assert whereabouts(ana) == {2: 5.0}


def test_pos_11_no_ghost_in_a_slot_that_somebody_else_had() -> None:
    room, (ana, ben) = hall("ana", "ben")
    room.move(ben, east(2))
    room.go(ben)
    room.run(10.1)
    (eva,) = room.seated("eva")
    assert eva.welcome is not None
    assert (eva.welcome.slot, eva.welcome.generation) == (1, 2)
    straggler = eva.say(standing(1, 1, 77, east(9)))
    assert not room.lane.take_pose("eva", straggler, room.now)
    room.move(eva, east(5))
    room.run(0.5)
    assert whereabouts(ana) == {1: 5.0}
    assert ana.roster[1].generation == 2


def test_pos_13_no_ghost_of_a_killed_socket() -> None:
    """It came back before the old socket was found dead: no ten seconds of two of them."""
    room, (ana, ben) = hall("ana", "ben")
    room.move(ben, east(2))
    room.tick()
    (again,) = room.come("new socket", user="ben", client_id=ben.client_id)
    turn = room.tick()
    assert turn.gone == ["ben"]
    assert ana.present == {0: 1, 2: ben.client_id}
    assert whereabouts(ana) == {}
    # What the dead socket still brings, and its end, change nothing.
    assert not room.lane.take_pose("ben", ben.pose(east(3)), room.now)
    room.lane.beat("ben", 0, room.now)
    room.go(ben)
    room.move(again, east(4))
    room.run(1.0)
    assert ana.present == {0: 1, 2: ben.client_id}
    assert whereabouts(ana) == {2: 4.0}


def test_pos_13_what_comes_late_from_a_dead_socket_does_not_put_out_the_new_one() -> None:
    room, (ana, ben) = hall("ana", "ben")
    ben.unread = []
    room.run(10.2)
    (again,) = room.come("new socket", user="ben", client_id=ben.client_id)
    room.tick()
    assert not room.lane.take_pose("ben", ben.pose(east(3)), room.now)
    room.run(1.0)
    assert room.lane.seat_of("ben") is None
    assert again.welcome is not None
    assert ana.present == again.present == {0: 1, again.welcome.slot: ben.client_id}


def test_pos_13_somebody_elses_client_id_puts_nobody_out() -> None:
    room, (ana, ben) = hall("ana", "ben")
    room.come("imposter", client_id=ben.client_id)
    turn = room.tick()
    assert turn.gone == []
    assert ana.present == {0: 1, 1: 2, 2: 2}


def test_pos_14_no_ghost_of_a_half_open_socket() -> None:
    room, (ana, ben) = hall("ana", "ben")
    room.move(ben, east(2))
    room.tick()
    ben.unread = []
    since = room.now
    room.run(2.9)
    assert presence_of(ana, 1) is Presence.THERE
    room.run(0.3)
    assert presence_of(ana, 1) is Presence.SILENT
    assert whereabouts(ana) == {1: 2.0}
    room.run(since + 9.9 - room.now)
    assert 1 in ana.present
    room.run(0.2)
    assert ana.present == {0: 1}
    assert whereabouts(ana) == {}
    assert room.lane.counters.silenced == 1
    unread = len(ben.unread)
    room.run(5.0)
    assert len(ben.unread) == unread  # it is sent nothing any more


def test_pos_14_who_is_gone_by_silence_and_heard_of_again_is_welcomed_anew() -> None:
    room, (ana, ben) = hall("ana", "ben")
    room.move(ben, east(2))
    ben.unread = []
    room.run(10.2)
    assert ana.present == {0: 1}
    assert not room.lane.take_pose("ben", ben.pose(east(3)), room.now)
    ben.read_again(room.now)
    room.tick()
    assert ben.welcome is not None
    assert (ben.welcome.slot, ben.welcome.generation) == (1, 2)
    assert ana.present == ben.present == {0: 1, 1: 2}
    assert whereabouts(ana) == {}
    assert room.move(ben, east(4))
    room.tick()
    assert whereabouts(ana) == {1: 4.0}


def test_pos_14_who_has_gone_and_whose_socket_ends_does_not_come_back() -> None:
    room, (ana, ben) = hall("ana", "ben")
    ben.unread = []
    room.run(10.2)
    room.lane.leave("ben", room.now)
    room.lane.beat("ben", 0, room.now)
    room.run(0.1)
    assert ana.present == {0: 1}


def test_pos_14_beats_alone_keep_one_there() -> None:
    room, (ana, ben) = hall("ana", "ben")
    room.run(60.0)
    assert ana.present == ben.present == {0: 1, 1: 2}


def test_pos_15_a_stall_of_the_server_makes_nobody_silent() -> None:
    room, (ana, ben) = hall("ana", "ben")
    room.move(ana, HERE)
    room.now += 30.0
    room.tick()
    assert {entry.presence for entry in ben.roster.values()} == {Presence.THERE}
    room.run(1.0)
    assert [entry.generation for entry in ana.roster.values()] == [1, 1]
    assert room.lane.counters.silenced == 0


def test_pos_12_after_a_restart_a_record_of_a_slot_that_was_never_given_is_dropped() -> None:
    room, (ana, ben) = hall("ana", "ben")
    for slot, generation in ((40_000, 1), (65_534, 9), (5, 1)):
        assert not room.lane.take_pose("ben", ben.say(standing(slot, generation, 1, HERE)), 0.0)
    assert room.lane.counters.stragglers == 3
    room.run(0.5)
    assert ana.poses == {}


def test_pos_12_after_a_restart_a_slot_that_is_somebody_elses_now_is_no_offence_yet() -> None:
    """The client has said hello, and not read its welcome: it still uses its former slot."""
    room, (ana,) = hall("ana")
    (ben,) = room.come("ben")
    early = ben.say(standing(0, 1, 1, east(66)))
    assert not room.lane.take_pose("ben", early, room.now)
    room.tick()
    assert not room.lane.take_pose("ben", early, room.now)
    room.run(0.5)
    assert whereabouts(ana) == {}


def test_pos_12_a_foreign_slot_is_malformed_for_its_sender_alone() -> None:
    room, (ana, ben) = hall("ana", "ben")
    room.move(ana, east(1))
    room.tick()
    with pytest.raises(Malformed, match="slot 0, which is somebody else's"):
        room.lane.take_pose("ben", ben.say(standing(0, 1, 500, east(66))), room.now)
    assert room.lane.counters.foreign == 1
    room.run(0.2)
    assert whereabouts(ana) == whereabouts(ben) == {0: 1.0}
    assert room.move(ana, east(2))


# Poses


def test_pos_11_only_the_newest_counts() -> None:
    room, (ana, ben) = hall("ana", "ben")
    older = ben.pose(east(1))
    newer = ben.pose(east(2))
    assert room.lane.take_pose("ben", newer, room.now)
    assert not room.lane.take_pose("ben", older, room.now)
    assert not room.lane.take_pose("ben", newer, room.now)
    room.tick()
    assert whereabouts(ana) == {1: 2.0}
    assert (room.lane.counters.taken, room.lane.counters.stale) == (1, 2)


def test_pos_11_sequences_wrap() -> None:
    room, (_, ben) = hall("ana", "ben")
    ben.sequence = 0xFFFD
    assert all(room.move(ben, east(number)) for number in range(10))


def test_pos_11_another_generation_of_the_own_slot_is_dropped() -> None:
    room, (_, ben) = hall("ana", "ben")
    for generation in (0, 2, 255):
        assert not room.lane.take_pose("ben", ben.say(standing(1, generation, 9, HERE)), room.now)
    assert room.lane.counters.stragglers == 3


def test_pos_16_ten_thousand_poses_a_second_are_one_record_in_a_frame() -> None:
    room, (ana, ben) = hall("ana", "ben")
    for number in range(333):
        room.move(ben, east(number / 100))
    room.tick()
    assert len(ana.frames[-1].records) == 1
    assert whereabouts(ana) == {1: 3.32}


def test_the_latest_record_of_somebody_can_be_asked_for() -> None:
    room, (_, ben) = hall("ana", "ben")
    assert room.lane.latest("ben") == b""
    pose = ben.pose(east(1))
    room.lane.take_pose("ben", pose, room.now)
    assert room.lane.latest("ben") == pose.record
    seat = room.lane.seat_of("ben")
    assert seat is not None
    assert (seat.slot, seat.generation) == (1, 1)
    room.go(ben)
    assert room.lane.latest("ben") == b""
    assert room.lane.seat_of("ben") is None


# One frame for all


def test_pos_17_fifty_share_one_frame() -> None:
    room, headsets = crowd(50)
    for tick in range(20):
        for number, headset in enumerate(headsets):
            room.move(headset, east(number + tick / 100))
        turn = room.tick()
        assert len(turn.frames) == 1
        assert len(turn.frames[0].to) == 50
        assert len({id(headset.raw[-1]) for headset in headsets}) == 1
        assert len(headsets[7].frames[-1].records) == 50  # its own included
    assert room.lane.counters.records == 20 * 50 * 50


def test_pos_17_fifty_one_have_frames_of_their_own() -> None:
    room, headsets = crowd(51)
    alone = []
    for _ in range(5):
        for number, headset in enumerate(headsets):
            room.move(headset, east(number))
        turn = room.tick()
        alone.append(sum(len(frame.to) == 1 for frame in turn.frames))
    # A first look takes long: at most 16 in a tick, and the others share a frame until then.
    assert alone == [16, 32, 48, 51, 51]
    own = headsets[7].welcome
    assert own is not None
    assert own.slot not in {read_header(record).slot for record in headsets[7].frames[-1].records}


def test_pos_17_who_missed_some_shares_with_those_who_missed_the_same() -> None:
    room, headsets = crowd(20)
    room.behind = {"p3", "p4", "p5"}
    for tick in range(5):
        room.move(headsets[tick], east(tick))
        room.tick()
    room.behind = {"p5"}
    room.move(headsets[9], east(9))
    turn = room.tick()
    assert sorted(len(frame.to) for frame in turn.frames) == [2, 17]
    assert whereabouts(headsets[3]) == whereabouts(headsets[0])


def test_pos_17_when_a_crowd_becomes_small_again_all_hands_come_back() -> None:
    room, headsets = crowd(80)
    for number, headset in enumerate(headsets):
        room.move(headset, east(number))
    room.run(2.0)
    assert {len(record) for record in headsets[0].poses.values()} == {HEAD_SIZE, 47}
    for headset in headsets[20:50]:
        room.go(headset)
    room.run(1.0)
    assert {len(record) for record in headsets[0].poses.values()} == {47}
    assert len(headsets[0].poses) == 50


# When


def test_pos_18_a_frame_is_sent_at_least_once_a_second() -> None:
    for size in (2, 60):
        room, headsets = crowd(size)
        room.run(20.0)
        arrived = headsets[0].arrived
        gaps = [later - earlier for earlier, later in pairwise(arrived)]
        assert len(arrived) >= 20
        assert 0.5 < max(gaps) <= 1.0
        assert headsets[0].frames[-1].records == ()


@pytest.mark.parametrize("size", [3, 60])
def test_pos_18_a_frame_in_which_nothing_is_new_is_not_sent_before_that(size: int) -> None:
    room, headsets = crowd(size)
    room.run(1.0)
    room.go(headsets[2])
    turn = room.tick()
    assert len(turn.rosters) == 1
    assert turn.frames == []
    room.move(headsets[1], HERE)
    assert len(room.tick().frames) > 0


def test_pos_18_a_room_where_nothing_moves_rests() -> None:
    for size in (2, 20, 60):
        room, headsets = crowd(size)
        for number, headset in enumerate(headsets):
            room.move(headset, east(number))
        room.run(5.0)
        assert room.run(20.0) < 120  # of 600 or 1200
        room.now += 0.3
        room.move(headsets[0], east(3))
        due = room.lane.next_tick_at
        assert due is not None
        assert due <= room.now  # whoever moves then does not wait


@pytest.mark.parametrize(("size", "rate"), [(2, 60), (8, 60), (9, 30), (50, 30), (80, 30)])
def test_pos_18_a_room_in_which_people_move_ticks_at_its_rate(size: int, rate: int) -> None:
    room, headsets = crowd(size)
    begun = room.now
    for tick in range(2 * rate):
        room.move(headsets[0], east(tick / 100))
        room.beat(*headsets)
        room.tick()
    assert room.now - begun == pytest.approx(2.0, abs=0.1)
    assert len(headsets[1].frames) == pytest.approx(2 * rate, abs=3)


def test_pos_18_when_everybody_has_left_no_tick_is_wanted() -> None:
    room, (ana,) = hall("ana")
    room.move(ana, HERE)
    room.go(ana)
    assert room.lane.next_tick_at is None
    room.now += 3600.0
    (ben,) = room.come("ben")
    assert room.lane.next_tick_at == room.now  # an hour without anybody is no late tick
    room.tick()
    assert ben.present == {0: 2}


def test_ticks_and_times_are_written_modulo_2_to_the_32() -> None:
    room, (ana, ben) = hall("ana", "ben")
    room.lane._clock.tick = 2**32 - 3
    for headset in (ana, ben):
        headset.ack = 0
    room.move(ben, HERE)
    for receiver in room.lane._receivers.values():
        receiver.since = receiver.sent_in = 2**32 - 4
    room.tick()
    assert ana.ack == 2**32 - 2
    assert room.lane._tick_of(2**32 - 2) == 2**32 - 2
    room.lane._clock.tick = 2**32 + 5
    assert room.lane._tick_of(3) == 2**32 + 3
    assert room.lane._tick_of(2**32 - 2) == 2**32 - 2
    assert room.lane._tick_of(0) == 0


# Held objects


def test_pos_37_transforms_are_in_frames_as_they_changed_since_each_ones_last() -> None:
    asked: list[int] = []

    def changed_since(tick: int) -> list[bytes]:
        asked.append(tick)
        return [TRANSFORM] if tick < 3 else []

    room, (ana, ben) = hall("ana", "ben")
    for tick in range(2, 7):
        room.move(ana, HERE)
        room.behind = {"ben"} if tick in (3, 4) else set()
        room.tick(changed_since)
    # What is new since the last frame of both, while that is the same, is asked for once.
    assert asked == [1, 2, 3, 4, 2, 5]
    assert [len(frame.transforms) for frame in ana.frames] == [0, 1, 1, 0, 0, 0]
    assert [len(frame.transforms) for frame in ben.frames] == [0, 1, 1, 0]


def test_pos_18_a_frame_with_transforms_alone_is_not_empty() -> None:
    room, headsets = crowd(60)
    for headset in headsets[:2]:
        room.move(headset, HERE)
    room.tick(lambda _: [TRANSFORM])
    assert all(headset.frames[-1].transforms == (TRANSFORM,) for headset in headsets)


class Juggling:
    """Held objects that move all the time."""

    def __init__(self, objects: int) -> None:
        self.objects = objects
        self.moved_in = 0
        self.heights = dict.fromkeys(range(objects), 0.0)

    def move(self, tick: int) -> None:
        self.moved_in = tick
        for slot in self.heights:
            self.heights[slot] = tick / 1000

    def changed_since(self, tick: int) -> list[bytes]:
        return [self.record(slot) for slot in self.heights] if self.moved_in > tick else []

    def record(self, slot: int) -> bytes:
        place = (0.0, self.heights[slot], 0.0)
        return encode_transform(Transform(slot, 1, place, UPRIGHT))


@pytest.mark.parametrize(("objects", "every"), [(12, 1), (13, 2), (100, 9), (600, 50)])
def test_pos_29_in_a_crowd_of_many_held_objects_all_are_told_of_less_often(
    objects: int, every: int
) -> None:
    room, headsets = crowd(60)
    for headset in headsets:
        room.move(headset, HERE)
    room.run(1.0)
    held = Juggling(objects)
    before = len(headsets[5].frames)
    for number in range(120):
        held.move(room.lane.coming)
        room.move(headsets[number % 12], HERE)
        room.beat(*headsets)
        room.tick(held.changed_since)
    frames = headsets[5].frames[before:]
    told = [len(frame.transforms) for frame in frames if frame.transforms]
    assert set(told) == {objects}
    assert len(told) == pytest.approx(120 / every, abs=1.1)
    # When they rest, everybody is told where, soon.
    for _ in range(every + 1):
        due = room.lane.next_tick_at
        assert due is not None
        if due > room.now + 0.1:
            break
        room.tick(held.changed_since)
    for headset in headsets:
        last = next(frame for frame in reversed(headset.frames) if frame.transforms)
        assert set(last.transforms) == {held.record(slot) for slot in range(objects)}


# Who cannot keep up


@pytest.mark.parametrize("size", [12, 60])
def test_pos_19_whose_transport_is_behind_is_sent_the_newest_of_everything_later(
    size: int,
) -> None:
    room, headsets = crowd(size)
    slow, other = headsets[0], headsets[1]
    room.behind = {"p0"}
    frames = len(slow.frames)
    for tick in range(60):
        for number, headset in enumerate(headsets[2:12]):
            room.move(headset, east(number + tick / 100))
        room.beat(other)
        room.tick()
    room.go(headsets[11])
    room.come("new")
    room.tick()
    assert len(slow.frames) == frames
    assert room.lane.counters.skipped >= 60
    room.behind = set()
    room.tick()
    assert len(slow.frames) == frames + 1
    assert whereabouts(slow) == whereabouts(other)
    assert slow.present == other.present


def test_pos_19_who_is_behind_from_the_beginning_is_welcomed_later() -> None:
    room, (ana,) = hall("ana")
    room.behind = {"ben"}
    (ben,) = room.come("ben")
    room.move(ana, east(1))
    room.run(1.0)
    assert ben.welcome is None
    assert ana.present == {0: 1, 1: 2}
    room.behind = set()
    room.run(0.1)
    assert ben.present == ana.present
    assert whereabouts(ben) == {0: 1.0}


def test_pos_13_whoever_came_and_went_while_one_was_behind_is_no_ghost_to_it() -> None:
    room, (ana, ben) = hall("ana", "ben")
    room.behind = {"ana"}
    for _ in range(3):
        room.hello(ben)
        room.move(ben, east(1)) if ben.welcome else None
        room.tick()
    room.go(ben)
    room.seated("eva")
    room.behind = set()
    room.run(0.1)
    assert ana.present == {0: 1, 2: 3}
    assert ana.poses == {}


@pytest.mark.parametrize("size", [20, 60])
def test_pos_22_one_client_that_acknowledges_nothing_costs_others_nothing(size: int) -> None:
    room, headsets = crowd(size)
    stuck, other = headsets[0], headsets[1]
    stuck.unread = []

    def run(ticks: int) -> None:
        for _ in range(ticks):
            for number, headset in enumerate(headsets[1:12]):
                place = east(number + room.lane.coming / 1000)
                room.move(headset, place, hands=False)
            room.beat(*headsets[12:])
            room.lane.beat("p0", stuck.ack, room.now)  # it lives, and does not read
            room.tick()

    run(30)
    before, sent = len(other.frames), len(stuck.unread)
    run(300)
    assert len(other.frames) == before + 300
    assert len(stuck.unread) - sent <= 21  # ten seconds, a frame each half of one
    assert len(stuck.unread) <= 30 + 3 + 21
    # It returns: what lay on the way is read, then everything is fresh at once.
    stuck.read_again(room.now)
    run(1)
    for slot in range(2, 12):
        assert stuck.poses[slot] == other.poses[slot]
    frames = len(stuck.frames)
    run(3)
    assert len(stuck.frames) >= frames + 1
    run(200)
    assert room.lane.level_of("p0") == 1
    frames = len(stuck.frames)
    run(30)
    assert len(stuck.frames) == frames + 30


def test_pos_21_who_acknowledges_late_is_sent_less_and_the_others_are_not() -> None:
    room, headsets = crowd(20)
    late = headsets[0]

    def run(ticks: int, lag: int) -> None:
        for _ in range(ticks):
            room.move(headsets[2], east(room.lane.coming / 1000))
            room.beat(*headsets[1:])
            room.lane.beat("p0", max(1, late.ack - lag), room.now)
            room.tick()

    run(90, lag=3)
    assert room.lane.level_of("p0") == 1
    run(150, lag=45)
    assert room.lane.level_of("p0") >= 4
    assert room.lane.level_of("p1") == 1
    late_frames, frames = len(late.frames), len(headsets[1].frames)
    run(90, lag=45)
    assert len(headsets[1].frames) == frames + 90
    assert len(late.frames) < late_frames + 45
    run(900, lag=0)
    assert room.lane.level_of("p0") == 1
    assert whereabouts(late) == whereabouts(headsets[1])


def test_pos_22_a_lie_about_a_tick_to_come_counts_for_nothing() -> None:
    room, (ana, ben) = hall("ana", "ben")
    for _ in range(200):
        room.move(ben, HERE)
        room.lane.beat("ana", 4_000_000_000, room.now)
        room.lane.beat("ana", room.lane.coming, room.now)
        room.tick()
    sent = len(ana.frames)
    assert sent < 90  # of 200: it is stuck
    for _ in range(60):
        room.move(ben, HERE)
        if room.lane.coming - 1 > ana.ack:
            room.lane.beat("ana", room.lane.coming - 1, room.now)  # a tick that it was not sent
        room.tick()
    assert len(ana.frames) <= sent + 3


@pytest.mark.parametrize("size", [6, 20])
def test_pos_23_a_server_that_is_late_ticks_less_and_recovers(size: int) -> None:
    room, headsets = crowd(size)

    def run(ticks: int, took: float) -> float:
        """Frames a second."""
        begun, frames = room.now, len(headsets[1].frames)
        for _ in range(ticks):
            room.move(headsets[0], east(room.lane.coming / 1000))
            room.beat(*headsets[1:])
            room.tick()
            room.lane.took(took)
        return (len(headsets[1].frames) - frames) / (room.now - begun)

    full = run(30, took=0.002)
    run(200, took=0.2)
    assert run(60, took=0.2) < 2
    run(1800, took=0.002)
    assert run(60, took=0.002) == pytest.approx(full, rel=0.1)


# A crowd


def test_pos_28_two_hundred_who_all_move_are_sent_less_than_80_kb_a_second() -> None:
    room, headsets = crowd(200)

    def run(ticks: int) -> None:
        for tick in range(ticks):
            for number, headset in enumerate(headsets):
                room.move(headset, (number % 15 + tick / 50, 1.7, number // 15))
            room.tick()

    run(11)
    before = [headset.size for headset in headsets]
    begun = room.now
    run(30)
    seconds = room.now - begun
    assert seconds == pytest.approx(1.0, abs=0.05)
    rates = [
        (headset.size - size) / seconds for headset, size in zip(headsets, before, strict=True)
    ]
    assert max(rates) < 80_000
    assert min(rates) > 50_000
    assert len(headsets[0].poses) == 199


def test_pos_28_who_stands_still_in_a_crowd_is_seen_all_the_same() -> None:
    room, headsets = crowd(120)
    for number, headset in enumerate(headsets):
        room.move(headset, east(number))
    room.run(1.5)
    for number, headset in enumerate(headsets):
        everybody = {slot: float(slot) for slot in range(120)}
        assert {**whereabouts(headset), number: float(number)} == everybody
        assert len(headset.poses) == 119 + (number in headset.poses)


def test_pos_27_who_comes_near_and_stands_still_has_hands_within_a_second() -> None:
    room, headsets = crowd(100)
    for number, headset in enumerate(headsets):
        room.move(headset, east(number))
    room.run(5.0)
    assert len(headsets[0].poses[99]) == HEAD_SIZE
    room.move(headsets[99], east(0.5))
    room.run(1.0)
    assert len(headsets[0].poses[99]) == 47


def test_a_roster_entry_says_what_the_hello_said() -> None:
    room, (ana,) = hall("ana")
    seat = room.lane.seat_of("ana")
    assert seat is not None
    assert seat.entry() == RosterEntry(0, 1, Presence.THERE, seat.device, ana.client_id)


def test_settings_are_those_of_the_page() -> None:
    assert PoseLane().settings == PoseSettings(30, 60, 8, 50, 24, 32, 3.0, 10.0, 10.0)


# Looking on


def test_pos_42_who_looks_on_is_told_everything_and_seen_by_nobody() -> None:
    room, (ana, ben) = hall("ana", "ben")
    room.move(ana, east(1))
    room.tick()
    eva = room.watch("eva")
    room.tick()
    assert eva.welcome is not None
    assert (eva.welcome.slot, eva.welcome.generation) == (NOBODY, 0)
    assert eva.present == ana.present == {0: 1, 1: 2}
    assert whereabouts(eva) == {0: 1.0}
    room.move(ana, east(2))
    room.tick()
    assert whereabouts(eva) == whereabouts(ben) == {0: 2.0}
    assert room.lane.is_onlooker("eva")
    assert not room.lane.is_onlooker("ana")
    room.go(eva)
    room.move(ana, east(3))
    room.tick()
    assert whereabouts(eva) == {0: 2.0}
    assert room.lane.seat_of("eva") is None


@pytest.mark.parametrize("slot", [0, 1, 7, NOBODY])
def test_pos_42_poses_of_who_looks_on_are_dropped_and_counted(slot: int) -> None:
    """Of whatever slot, its own as well."""
    room, (ana, _) = hall("ana", "ben")
    room.move(ana, east(1))
    eva = room.watch("eva")
    room.run(1)
    before = room.lane.counters.stragglers
    pose = eva.say(standing(slot, 0, 1, HERE))
    assert not room.lane.take_pose("eva", pose, room.now)
    assert room.lane.counters.stragglers == before + 1
    assert room.lane.latest("eva") == b""
    room.run(1)
    assert whereabouts(ana) == {0: 1.0}


def test_pos_42_who_looks_on_alone_is_sent_an_empty_frame_now_and_then() -> None:
    room = Hall()
    eva = room.watch("eva")
    room.run(5)
    assert 4 <= len(eva.frames) <= 7
    assert not any(frame.records for frame in eva.frames)
    room.go(eva)
    assert room.lane.next_tick_at is None


def test_pos_42_in_a_crowd_those_who_look_on_stand_at_the_origin() -> None:
    room, headsets = crowd(120)
    watchers = [room.watch(f"eva {number}") for number in range(20)]
    for number, each in enumerate(headsets):
        room.move(each, east(number))
    room.run(1)
    for each in watchers:
        assert len(each.poses) == 120
        each.poses.clear()
    for number, each in enumerate(headsets):
        room.move(each, east(number + 0.5))
    room.tick()
    near = set(range(room.lane.settings.near))
    for each in watchers:
        assert near <= set(each.poses)
        assert len(each.poses) < 60


def test_pos_42_who_is_seen_again_has_a_slot() -> None:
    room, (ana,) = hall("ana")
    eva = room.watch("eva")
    room.tick()
    room.hello(eva)
    room.tick()
    assert eva.welcome is not None
    assert eva.welcome.slot == 1
    assert set(ana.present) == {0, 1}
    room.lane.watch("eva", room.now)
    room.tick()
    assert eva.welcome.slot == NOBODY
    assert set(ana.present) == {0}
