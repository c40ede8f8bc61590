"""AWR: who is present, and who may say so."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_docs.access import Role
from crdt_docs.awareness import (
    CLOCK_LIMIT,
    EXPIRY_SECONDS,
    REMEMBERED_DEPARTURES,
    REMEMBERED_TELLINGS,
    AwarenessLimits,
    AwarenessTable,
)
from crdt_docs.errors import LimitExceeded, Malformed
from crdt_docs.identifiers import ActorKind, Identity
from crdt_docs.messages import GONE, AwarenessEntry, awareness_payload, read_awareness

ADA = Identity(UUID(int=1), "Ada")
BEN = Identity(UUID(int=2), "Ben")


class Speakers:
    """A table and the people who speak to it."""

    def __init__(self, limits: AwarenessLimits | None = None) -> None:
        self.table: AwarenessTable[str] = AwarenessTable(limits or AwarenessLimits())
        self.first: set[str] = set()
        self.now = 0.0

    def say(
        self,
        socket: str,
        identity: Identity,
        *entries: tuple[int, int, object],
        role: Role = Role.EDITOR,
    ) -> None:
        """Send entries (client id, clock, state) from a socket; None says gone."""
        encoded = [
            AwarenessEntry(client, clock, json.dumps(state).encode())
            for client, clock, state in entries
        ]
        is_first = socket not in self.first
        self.first.add(socket)
        self.table.hear(socket, identity, role, encoded, now=self.now, is_first=is_first)

    def shown(
        self,
        socket: str,
        identity: Identity,
        client_id: int,
        place: bytes,
        role: Role = Role.EDITOR,
    ) -> bool:
        """Show where a headset is; whether it is."""
        return self.table.show_place(
            socket, identity, role, client_id=client_id, place=place, now=self.now
        )

    def told(self) -> dict[int, tuple[int, object]]:
        """What everybody is told now: client id -> (clock, state)."""
        entries, _ = self.table.take_changed()
        return {client: (clock, json.loads(state)) for client, clock, state in entries}

    def users(self) -> dict[int, str]:
        """Names of those present, by client id."""
        return {
            client: json.loads(state)["user"]["name"] for client, _, state in self.table.everyone()
        }


@pytest.fixture
def room() -> Speakers:
    return Speakers()


def test_awr_4_the_token_says_who_somebody_is(room: Speakers) -> None:
    agent = Identity(UUID(int=3), None, ActorKind.AGENT)
    room.say("a", agent, (7, 1, {"user": {"name": "Ada", "id": "x", "color": "#f00"}, "x": 1}))
    state = room.told()[7][1]
    assert state == {
        "user": {
            "name": "Guest 0000",
            "id": str(agent.user_id),
            "color": "#f00",
            "role": "editor",
            "kind": "agent",
        },
        "x": 1,
    }


def test_awr_4_a_user_that_is_no_object_is_replaced(room: Speakers) -> None:
    room.say("a", ADA, (7, 1, {"user": ["Ada"]}))
    assert room.users() == {7: "Ada"}


def test_awr_1_an_old_clock_is_dropped_before_it_is_parsed(room: Speakers) -> None:
    room.say("a", ADA, (7, 5, {}))
    room.told()
    room.table.hear(
        "a", ADA, Role.EDITOR, [AwarenessEntry(7, 5, b"{broken")], now=0, is_first=False
    )
    assert not room.table.has_changed


def test_awr_1_the_latest_state_wins_and_is_told_once(room: Speakers) -> None:
    for clock in range(1, 6):
        room.say("a", ADA, (7, clock, {"x": clock}))
    told = room.told()
    assert told[7][0] == 5
    assert not room.table.has_changed


def test_awr_2_nobody_speaks_for_somebody_else(room: Speakers) -> None:
    room.say("a", ADA, (7, 1, {"x": 1}))
    room.say("b", BEN, (8, 1, {}))
    room.told()
    room.say("b", BEN, (7, 2, {"x": "forged"}))
    room.say("b", BEN, (7, 9, None))
    assert room.told() == {}
    assert room.users() == {7: "Ada", 8: "Ben"}


def test_awr_2_even_the_first_message_of_another_user_takes_nothing(room: Speakers) -> None:
    room.say("a", ADA, (7, 1, {}))
    room.say("b", BEN, (7, 2, {}))
    assert room.users() == {7: "Ada"}


def test_awr_2_departed_people_are_not_brought_back_by_others(room: Speakers) -> None:
    """Complaint *ghosts*: late messages that bring departed avatars back."""
    room.say("a", ADA, (7, 5, {}))
    room.say("b", BEN, (8, 1, {}))
    room.say("a2", ADA, (9, 1, {}))
    room.table.leave("a")
    room.told()
    room.say("b", BEN, (7, 5, {}))
    room.say("b", BEN, (7, 9, {}))
    room.say("a2", ADA, (7, 5, {}))
    assert room.told() == {}
    assert 7 not in room.users()
    room.say("a2", ADA, (7, 9, {}))
    assert room.told()[7][0] == 9, "the same person, and something new"


def test_awr_3_a_reconnect_takes_its_id_over(room: Speakers) -> None:
    room.say("a1", ADA, (7, 4, {"x": 1}))
    room.told()
    room.say("a2", ADA, (7, 4, {"x": 1}))
    room.table.leave("a1")
    assert room.told() == {}, "the dead socket must not take the person with it"
    room.say("a2", ADA, (7, 5, {"x": 2}))
    assert room.told()[7][0] == 5
    room.table.leave("a2")
    assert room.told() == {7: (6, None)}


def test_awr_3_a_second_tab_that_repeats_the_first_takes_nothing_over(room: Speakers) -> None:
    room.say("tab1", ADA, (7, 4, {}))
    room.say("tab2", ADA, (8, 1, {}))
    room.say("tab2", ADA, (7, 4, {}))
    room.table.leave("tab2")
    assert room.users() == {7: "Ada"}


def test_awr_5_leaving_removes_a_person_at_once(room: Speakers) -> None:
    room.say("a", ADA, (7, 3, {}))
    room.told()
    room.table.leave("a")
    assert room.told() == {7: (4, None)}
    assert len(room.table) == 0


def test_awr_5_saying_goodbye_removes_a_person(room: Speakers) -> None:
    room.say("a", ADA, (7, 3, {}))
    room.say("a", ADA, (7, 3, None))
    assert room.told() == {7: (3, None)}
    room.table.leave("a")
    assert room.told() == {}


def test_awr_6_a_returning_person_is_visible_at_once_and_is_told_its_clock(
    room: Speakers,
) -> None:
    room.say("a1", ADA, (7, 10, {}))
    room.table.leave("a1")
    room.told()
    room.say("a2", ADA, (7, 10, {}))
    _, but = room.table.take_changed()
    assert but is None, "the owner must hear its new clock"
    assert room.table.everyone()[0].clock == 12


def test_awr_6_what_a_returning_person_does_before_it_hears_its_clock_counts(
    room: Speakers,
) -> None:
    room.say("a1", ADA, (7, 10, {}))
    room.table.leave("a1")
    room.say("a2", ADA, (7, 10, {"x": 1}))
    room.told()
    room.say("a2", ADA, (7, 11, {"x": 2}))
    clock, state = room.told()[7]
    assert clock == 13
    assert isinstance(state, dict)
    assert state["x"] == 2


def test_awr_6_the_owner_may_repeat_what_it_was_told(room: Speakers) -> None:
    room.say("a1", ADA, (7, 10, {}))
    room.table.leave("a1")
    room.say("a2", ADA, (7, 10, {}))
    room.told()
    room.say("a2", ADA, (7, 12, {}))
    assert room.told() == {}
    room.say("a2", ADA, (7, 13, {}))
    assert room.told()[7][0] == 13


def test_awr_6_a_newcomer_that_begins_with_clock_zero_is_visible(room: Speakers) -> None:
    room.say("a", ADA, (7, 0, {}))
    _, but = room.table.take_changed()
    assert but is None
    assert room.table.everyone()[0].clock == 1
    room.say("a", ADA, (7, 1, {}))
    assert room.told() == {}, "its own repetition"
    room.say("a", ADA, (7, 2, {"x": 1}))
    assert room.told()[7][0] == 2


def test_awr_6_what_a_newcomer_says_while_it_is_told_its_clock_counts(room: Speakers) -> None:
    room.say("a", ADA, (7, 0, {}))
    room.told()  # clock 1, on its way to the owner, who goes on counting from 0
    room.say("a", ADA, (7, 1, {"selected": "note"}))
    clock, state = room.told()[7]
    assert clock == 2
    assert isinstance(state, dict)
    assert state["selected"] == "note"


def test_awr_7_a_state_that_is_not_renewed_expires(room: Speakers) -> None:
    room.say("a", ADA, (7, 1, {}))
    room.say("b", BEN, (8, 1, {}))
    room.told()
    room.now = 20.0
    room.say("b", BEN, (8, 2, {}))
    room.told()
    room.table.expire(EXPIRY_SECONDS + 1)
    assert room.told() == {7: (2, None)}
    assert room.users() == {8: "Ben"}


def test_awr_8_a_spectator_is_not_seen(room: Speakers) -> None:
    room.say("a", ADA, (7, 1, {}), role=Role.SPECTATOR)
    assert room.told() == {}
    room.table.leave("a")
    assert room.told() == {}


@pytest.mark.parametrize(
    "state",
    [b"", b"{", b"[]", b"1", b'"x"', b"{\"a\":NaN}", b"\xff", b"[" * 5000,
     b'{"a":' * 2500, b'{"n":' + b"9" * 5000 + b"}"],
)  # fmt: skip
def test_awr_9_a_state_must_be_a_json_object(room: Speakers, state: bytes) -> None:
    with pytest.raises(Malformed):
        room.table.hear("a", ADA, Role.EDITOR, [AwarenessEntry(7, 1, state)], now=0, is_first=True)
    assert len(room.table) == 0


def test_awr_9_a_number_beyond_doubles_is_what_javascript_makes_of_it(room: Speakers) -> None:
    """`JSON.stringify(JSON.parse("1e999"))` is "null"."""
    room.say("a", ADA, (7, 1, {}))
    entry = AwarenessEntry(7, 2, b'{"n":1e999}')
    room.table.hear("a", ADA, Role.EDITOR, [entry], now=0, is_first=False)
    _, told = room.told()[7]
    assert isinstance(told, dict)
    assert told["n"] is None


def test_awr_9_a_giant_state_is_refused() -> None:
    room = Speakers(AwarenessLimits(state_bytes=100))
    with pytest.raises(LimitExceeded):
        room.say("a", ADA, (7, 1, {"x": "y" * 100}))


def test_awr_9_a_clock_without_successors_is_refused(room: Speakers) -> None:
    with pytest.raises(Malformed):
        room.say("a", ADA, (7, CLOCK_LIMIT + 1, {}))
    room.say("a", ADA, (7, 1, {}))
    with pytest.raises(Malformed):
        room.say("a", ADA, (7, CLOCK_LIMIT + 1, {}))
    with pytest.raises(Malformed):
        room.say("a", ADA, (7, CLOCK_LIMIT + 1, None))


def test_strange_strings_survive_as_json(room: Speakers) -> None:
    room.table.hear(
        "a", ADA, Role.EDITOR, [AwarenessEntry(7, 1, b'{"x":"\\ud800\\u0000\xc3\xa9"}')],
        now=0, is_first=True,
    )  # fmt: skip
    state = room.table.everyone()[0].state
    assert json.loads(state)["x"] == "\ud800\x00é"
    room.say("a", ADA, (7, 2, {"x": "é"}))
    assert "é".encode() in room.table.everyone()[0].state


def test_one_connection_introduces_only_so_many_ids() -> None:
    room = Speakers(AwarenessLimits(ids_per_speaker=2))
    room.say("a", ADA, *((client, 1, {}) for client in range(5)))
    assert len(room.table) == 2


def test_awr_9_what_one_connection_may_not_introduce_is_not_looked_at() -> None:
    """The complaint *80 KB of presence stalls every room for 60 ms*."""
    room = Speakers(AwarenessLimits(ids_per_speaker=2, state_bytes=100))
    room.say("ada", ADA, (1, 1, {}), (2, 1, {}))
    for state in (b"no JSON", b"{}" * 100):
        room.table.hear(
            "ada",
            ADA,
            Role.EDITOR,
            [AwarenessEntry(3, 1, state)],
            now=room.now,
            is_first=False,
        )
    assert len(room.table) == 2
    with pytest.raises(Malformed):
        room.table.hear(
            "ada",
            ADA,
            Role.EDITOR,
            [AwarenessEntry(2, 2, b"no JSON")],
            now=room.now,
            is_first=False,
        )


def test_departures_are_remembered_up_to_a_limit(room: Speakers) -> None:
    for client in range(REMEMBERED_DEPARTURES + 5):
        room.say(f"s{client}", ADA, (client, 1, {}))
        room.table.leave(f"s{client}")
    departed = room.table.everyone_and_departed()
    assert len(departed) == REMEMBERED_DEPARTURES
    assert all(entry.state == GONE for entry in departed)


def test_the_only_speaker_need_not_be_told(room: Speakers) -> None:
    room.say("a", ADA, (7, 1, {}))
    assert room.table.take_changed()[1] == "a"
    room.say("a", ADA, (7, 2, {}))
    room.say("b", BEN, (8, 1, {}))
    assert room.table.take_changed()[1] is None


def test_a_removal_of_somebody_unknown_is_nothing(room: Speakers) -> None:
    room.say("a", ADA, (7, 1, None))
    assert room.told() == {}


def test_a_new_state_lists_its_holder(room: Speakers) -> None:
    room.say("a", ADA, (7, 1, {}))
    assert room.table.holder(7) == ADA
    assert room.table.holder(8) is None


def test_awr_1_repetitions_are_told_from_news_without_opening_them(room: Speakers) -> None:
    room.say("a", ADA, (7, 3, {"x": 1}))
    room.say("b", BEN, (8, 1, {}))
    told = awareness_payload(room.table.everyone())
    assert room.table.is_echo(told, "b")
    assert room.table.is_echo(told, "c")
    older = awareness_payload([AwarenessEntry(7, 2, b"{}")])
    assert room.table.is_echo(older, "b")

    def payload(client: int, clock: int, state: bytes) -> bytes:
        return awareness_payload([AwarenessEntry(client, clock, state)])

    assert not room.table.is_echo(payload(7, 4, b"{}"), "a")
    assert not room.table.is_echo(payload(7, 3, GONE), "a")
    assert not room.table.is_echo(payload(9, 1, b"{}"), "c")
    assert not room.table.is_echo(told[:-1], "b")
    assert not room.table.is_echo(told + b"x", "b")
    assert not room.table.is_echo(b"", "b")


def test_awr_6_what_the_owner_says_before_it_heard_its_clock_is_no_echo(room: Speakers) -> None:
    room.say("a1", ADA, (7, 10, {}))
    room.table.leave("a1")
    room.say("a2", ADA, (7, 10, {}))
    payload = awareness_payload([AwarenessEntry(7, 11, b"{}")])
    assert not room.table.is_echo(payload, "a2")
    assert room.table.is_echo(payload, "b")


def test_awr_6_a_late_echo_does_not_bring_an_older_state_back(room: Speakers) -> None:
    """A stock client that is told a later clock takes the state that comes with it, and says it
    once more, although it has said something newer in between."""
    room.say("a", ADA, (7, 1, {"x": 0}))
    room.told()
    for _ in range(5):
        room.table.everyone_anew()
    told = []
    for clock in (2, 3, 4):
        room.say("a", ADA, (7, clock, {"x": clock}))
        told.append(room.told()[7])
    assert [clock for clock, _ in told] == [7, 8, 9]
    for clock, state in told:
        room.say("a", ADA, (7, clock, state))
        assert room.told() == {}
    room.say("a", ADA, (7, 10, {"x": 5}))
    clock, state = room.told()[7]
    assert isinstance(state, dict)
    assert (clock, state["x"]) == (10, 5)


@pytest.mark.parametrize("way", ["everyone", "everyone_and_departed"])
def test_awr_6_what_the_owner_is_told_when_it_asks_is_no_news(room: Speakers, way: str) -> None:
    room.say("a", ADA, (7, 1, {"x": 0}))
    room.told()
    room.table.everyone_anew()
    room.table.everyone_anew()
    [(_, clock, state)] = getattr(room.table, way)()
    room.say("a", ADA, (7, 2, {"x": 1}))
    assert (clock, room.told()[7][0]) == (3, 4)
    room.say("a", ADA, (7, clock, json.loads(state)))
    assert room.told() == {}


def test_awr_6_only_so_many_tellings_are_remembered(room: Speakers) -> None:
    """One who says much and hears nothing costs no more memory for that."""
    room.say("a", ADA, (7, 1, {"x": 0}))
    for _ in range(200):
        room.table.everyone_anew()
    for clock in range(2, 200):
        room.say("a", ADA, (7, clock, {"x": clock}))
        room.told()
    assert len(room.table._present[7].told_ahead) == REMEMBERED_TELLINGS


def test_awr_12_one_who_comes_back_believes_what_it_is_told_of_the_others(
    room: Speakers,
) -> None:
    room.say("a", ADA, (7, 5, {"x": 1}))
    room.told()
    assert [entry.clock for entry in room.table.everyone_anew()] == [6]
    room.say("a", ADA, (7, 6, {"x": 2}))
    clock, state = room.told()[7]
    assert clock == 7, "later than what the joiner was told"
    assert isinstance(state, dict)
    assert state["x"] == 2
    room.say("a", ADA, (7, 7, {"x": 2}))
    assert room.told() == {}, "its own repetition of what it was told"
    room.say("a", ADA, (7, 8, {"x": 3}))
    assert room.told()[7][0] == 8
    room.table.everyone_anew()
    room.table.leave("a")
    assert room.told()[7] == (10, None)


ENTRIES = st.lists(
    st.tuples(
        st.sampled_from([7, 8, 300]),
        st.integers(0, 6) | st.just(2**52),
        st.sampled_from([b"null", b"{}", b'{"a":1}', b'{"user":{"id":"me"}}', b"[]", b"{"]),
    ),
    max_size=2,
)
SAID = st.tuples(
    st.sampled_from(["a", "b"]),
    ENTRIES.map(lambda entries: awareness_payload([AwarenessEntry(*each) for each in entries])),
    st.sampled_from([b"", b"", b"", b"\x00", b"\xff"]),
    st.sampled_from([Role.EDITOR, Role.VIEWER]),
)


def _hear_carefully(
    table: AwarenessTable[str], speaker: str, role: Role, payload: bytes, now: float
) -> str | None:
    if table.is_echo(payload, speaker):
        return None
    who = {"a": ADA, "b": BEN}[speaker]
    try:
        table.hear(speaker, who, role, read_awareness(payload), now=now, is_first=False)
    except (Malformed, LimitExceeded) as refusal:
        return str(refusal)
    return None


@given(st.lists(SAID, max_size=12))
def test_the_short_way_for_ones_own_state_comes_to_the_same(
    said: list[tuple[str, bytes, bytes, Role]],
) -> None:
    short: AwarenessTable[str] = AwarenessTable()
    careful: AwarenessTable[str] = AwarenessTable()
    for now, (speaker, payload, damage, role) in enumerate(said):
        frame = payload + damage
        expected = _hear_carefully(careful, speaker, role, frame, now)
        got: str | None = None
        try:
            is_done = short.hear_own(speaker, role, frame, now)
        except (Malformed, LimitExceeded) as refusal:
            is_done, got = True, str(refusal)
        if not is_done:
            got = _hear_carefully(short, speaker, role, frame, now)
        assert got == expected
        assert short.take_changed() == careful.take_changed()
        assert short.everyone_and_departed() == careful.everyone_and_departed()


# A role that changes


def test_awr_13_everybody_sees_a_new_role_at_once(room: Speakers) -> None:
    room.say("a", ADA, (5, 3, {"x": 1, "user": {"color": "red"}}))
    room.told()
    room.table.role_changed("a", ADA, Role.VIEWER)
    assert room.table.has_changed
    entries, speaker = room.table.take_changed()
    [(client, clock, state)] = entries
    assert (client, clock, speaker) == (5, 4, None), "the owner is told, too"
    shown = json.loads(state)
    assert shown["x"] == 1
    assert shown["user"] == {
        "color": "red",
        "id": str(ADA.user_id),
        "name": "Ada",
        "role": "viewer",
        "kind": "user",
    }


def test_awr_13_what_the_owner_says_meanwhile_counts(room: Speakers) -> None:
    """It had the clock that the server gave away: its state gets the next one (AWR-6)."""
    room.say("a", ADA, (5, 3, {"x": 1}))
    room.told()
    room.table.role_changed("a", ADA, Role.HOST)
    room.say("a", ADA, (5, 4, {"x": 2}), role=Role.HOST)
    [(clock, state)] = room.told().values()
    assert clock == 5
    assert isinstance(state, dict)
    assert state["x"] == 2
    assert state["user"]["role"] == "host"


def test_awr_13_a_new_spectator_disappears(room: Speakers) -> None:
    room.say("a", ADA, (5, 3, {}), (6, 1, {}))
    room.told()
    room.table.role_changed("a", ADA, Role.SPECTATOR)
    assert room.told() == {5: (4, None), 6: (2, None)}
    room.say("a", ADA, (5, 9, {}), role=Role.SPECTATOR)
    assert room.told() == {}
    assert len(room.table) == 0


def test_awr_13_a_large_state_is_kept(room: Speakers) -> None:
    """What is stored of it is larger than what was sent; the limit is for what is sent."""
    limit = room.table.limits.state_bytes
    room.say("a", ADA, (5, 3, {"x": "y" * (limit - 10)}))
    room.told()
    room.table.role_changed("a", ADA, Role.VIEWER)
    assert room.told()[5][0] == 4


def test_awr_13_others_are_left_alone(room: Speakers) -> None:
    room.say("a", ADA, (5, 3, {}))
    room.say("b", BEN, (7, 1, {}))
    room.told()
    room.table.role_changed("b", BEN, Role.VIEWER)
    assert list(room.told()) == [7]
    room.table.role_changed("nobody", BEN, Role.VIEWER)
    assert room.told() == {}


def _headsets() -> Speakers:
    room = Speakers()
    room.table.has_places = True
    return room


def _place(x: float) -> bytes:
    return json.dumps({"slot": 1, "position": {"x": x}}, separators=(",", ":")).encode()


def test_awr_15_a_headset_is_shown_in_the_state_of_its_client() -> None:
    room = _headsets()
    room.say("ada", ADA, (7, 1, {"cursor": 1}))
    room.told()
    assert room.shown("ada", ADA, 7, _place(2.5))
    ((clock, state),) = room.told().values()
    assert clock == 2
    assert state["cursor"] == 1  # type: ignore[index]
    assert state["xr"] == {"slot": 1, "position": {"x": 2.5}}  # type: ignore[index]


def test_awr_15_what_stays_where_it_was_is_not_told_again() -> None:
    room = _headsets()
    room.shown("ada", ADA, 7, _place(1))
    room.told()
    room.shown("ada", ADA, 7, _place(1))
    assert room.told() == {}


def test_awr_15_a_client_that_says_something_of_its_own_keeps_its_place() -> None:
    room = _headsets()
    room.shown("ada", ADA, 7, _place(1))
    assert room.told()[7][0] == 1
    room.say("ada", ADA, (7, 0, {"mood": "glad"}))
    clock, state = room.told()[7]
    assert clock == 2
    assert state["mood"] == "glad"  # type: ignore[index]
    assert state["xr"]["position"] == {"x": 1}  # type: ignore[index]


def test_awr_15_nobody_says_of_themselves_where_they_are() -> None:
    room = _headsets()
    room.say("ada", ADA, (7, 1, {"xr": {"slot": 3}}))
    assert "xr" not in room.told()[7][1]  # type: ignore[operator]


def test_awr_15_a_board_s_clients_may_use_the_name_as_they_like(room: Speakers) -> None:
    room.say("ada", ADA, (7, 1, {"xr": {"slot": 3}}))
    assert room.told()[7][1]["xr"] == {"slot": 3}  # type: ignore[index]


def test_awr_15_nobody_is_shown_under_another_one_s_client_id() -> None:
    room = _headsets()
    room.say("ada", ADA, (7, 1, {}))
    assert not room.shown("ben", BEN, 7, _place(1))
    room.table.leave("ada")
    assert not room.shown("ben", BEN, 7, _place(1))
    assert not room.shown("eve", BEN, 8, _place(1), Role.SPECTATOR)
    room.told()
    assert room.users() == {}


def test_awr_15_a_headset_that_is_gone_is_shown_no_longer() -> None:
    room = _headsets()
    room.say("ada", ADA, (7, 1, {"mood": "glad"}))
    room.shown("ada", ADA, 7, _place(1))
    room.shown("ben", BEN, 8, _place(1))
    room.told()
    room.table.hide_place("ben", 7)  # not Ben's
    room.table.hide_place("ada", 7)
    room.table.hide_place("ben", 8)
    told = room.told()
    assert "xr" not in told[7][1]  # type: ignore[operator]
    assert told[7][1]["mood"] == "glad"  # type: ignore[index]
    assert told[8] == (2, None)


def test_awr_15_one_who_comes_back_is_shown_at_once() -> None:
    room = _headsets()
    room.shown("ada", ADA, 7, _place(1))
    room.table.leave("ada")
    (gone, _) = room.told()[7]
    assert room.shown("ada again", ADA, 7, _place(1))
    assert room.told()[7][0] > gone


def test_awr_15_one_who_comes_back_before_the_old_socket_is_found_dead_is_shown() -> None:
    room = _headsets()
    room.say("ada", ADA, (7, 5, {"mood": "glad"}))
    room.shown("ada", ADA, 7, _place(1))
    room.told()
    assert room.shown("ada again", ADA, 7, _place(2))
    room.table.hide_place("ada", 7)
    room.table.leave("ada")
    clock, state = room.told()[7]
    assert clock == 7
    assert state["xr"]["position"] == {"x": 2}  # type: ignore[index]
    room.table.leave("ada again")
    assert room.told()[7][1] is None


def test_awr_15_a_headset_alone_does_not_expire_while_it_is_shown() -> None:
    room = _headsets()
    for _ in range(3):
        room.shown("ada", ADA, 7, _place(1))
        room.now += EXPIRY_SECONDS - 1
        room.table.expire(room.now)
    assert room.users() == {7: "Ada"}


def test_awr_15_only_so_many_are_shown_for_one_connection() -> None:
    room = Speakers(AwarenessLimits(ids_per_speaker=1))
    room.table.has_places = True
    assert room.shown("ada", ADA, 7, _place(1))
    assert not room.shown("ada", ADA, 8, _place(1))
