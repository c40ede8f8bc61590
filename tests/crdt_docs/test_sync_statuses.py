"""HOC-5, HOC-6: which messages get a status, and when; against a provider's own count."""

from __future__ import annotations

import random

import pytest

from crdt_docs import hocuspocus, messages, sync_statuses
from crdt_docs.sync_statuses import SyncStatuses
from crdt_docs.varint import read_var_bytes, read_var_uint, var_uint

STEP1 = messages.sync_step1(b"\x00")
STEP2 = messages.sync_step2(b"\x00\x00")
STORED = hocuspocus.sync_status(is_stored=True)
UPDATE = messages.sync_update(b"\x01\x01\x07\x00\x00\x01\x00")


def synced() -> SyncStatuses:
    """After the first exchange, of which everything is told."""
    statuses = SyncStatuses()
    statuses.hear(STEP1)
    statuses.say(STEP2)
    statuses.say(STEP1)
    statuses.hear(STEP2)
    statuses.settle(1, ())
    assert list(statuses.due()) == [True]
    return statuses


def test_hoc_5_each_update_gets_one_in_order() -> None:
    statuses = synced()
    for _ in range(4):
        statuses.hear(UPDATE)
    assert list(statuses.due()) == [], "nothing before it is stored"
    statuses.settle(3, (range(3, 4),))
    assert list(statuses.due()) == [True, False]
    assert list(statuses.due()) == []
    statuses.settle(5, ())
    assert list(statuses.due()) == [True, True]


def test_presence_gets_none() -> None:
    statuses = synced()
    statuses.hear(messages.KEEPALIVE)
    statuses.hear(messages.QUERY_AWARENESS)
    statuses.settle(1, ())
    assert list(statuses.due()) == []


def test_telling_may_stop_in_the_middle() -> None:
    statuses = synced()
    for _ in range(3):
        statuses.hear(UPDATE)
    statuses.settle(4, (range(2, 3),))
    assert next(statuses.due()) is False
    assert list(statuses.due()) == [True, True]


def test_hoc_6_a_question_of_ours_besides_gets_none() -> None:
    """ROM-4 asks for what is missing; the provider did not count its answer."""
    statuses = synced()
    statuses.hear(UPDATE)
    statuses.say(STEP1)
    statuses.hear(STEP2)
    statuses.hear(UPDATE)
    statuses.settle(4, ())
    assert list(statuses.due()) == [True, True]


def test_hoc_6_a_step_1_begins_anew() -> None:
    statuses = synced()
    statuses.hear(UPDATE)  # 2
    statuses.hear(UPDATE)  # 3, refused
    statuses.hear(STEP1)
    statuses.hear(UPDATE)  # 4
    statuses.settle(4, (range(3, 4),))
    assert list(statuses.due()) == [], "4 may be told only with all that was before"
    statuses.say(STEP2)
    statuses.say(STEP1)
    statuses.hear(STEP2)  # 5
    assert list(statuses.due()) == []
    statuses.settle(5, ())
    assert list(statuses.due()) == [False, True, True]


def test_hoc_6_of_two_questions_only_the_last_answer_counts() -> None:
    statuses = synced()
    statuses.hear(STEP1)
    statuses.say(STEP1)
    statuses.hear(STEP1)
    statuses.say(STEP1)
    statuses.hear(STEP2)
    statuses.settle(2, ())
    assert list(statuses.due()) == []
    statuses.hear(STEP2)
    statuses.settle(3, ())
    assert list(statuses.due()) == [True]


def test_an_answer_that_nobody_asked_for_gets_one() -> None:
    statuses = synced()
    statuses.hear(STEP2)
    statuses.settle(2, ())
    assert list(statuses.due()) == [True]


def update(clock: int, length: int = 1) -> bytes:
    """What the provider's client 7 wrote: collected structs of these clocks."""
    return b"\x01\x01\x07" + var_uint(clock) + b"\x00" + var_uint(length) + b"\x00"


def test_hoc_6_what_was_made_before_a_step_1_was_counted_before_it() -> None:
    """The complaint *"saved" shown before it is*: a provider sends what was edited without a
    connection after its step 1, but counted it before."""
    statuses = SyncStatuses()
    statuses.hear(messages.sync_step1(b"\x02\x09\x05\x07\x03"))
    statuses.hear(messages.sync_update(update(2)))  # made before
    statuses.hear(messages.sync_update(update(3)))  # made after
    statuses.say(STEP1)
    statuses.hear(messages.sync_step2(update(0, 4)))
    statuses.hear(messages.sync_update(update(2)))  # sent twice, counted again
    statuses.settle(4, ())
    assert list(statuses.due()) == [True] * 3


def test_hoc_6_what_only_deletes_counts_as_older_when_its_sender_has_just_come() -> None:
    deletion = messages.sync_update(b"\x00\x01\x07\x01\x00\x01")
    statuses = SyncStatuses()
    for _ in range(2):  # when it comes, and when it asks again
        statuses.hear(STEP1)
        statuses.hear(deletion)
        statuses.say(STEP1)
        statuses.hear(deletion)
        statuses.hear(STEP2)
    statuses.settle(3, ())
    assert list(statuses.due()) == []
    statuses.settle(6, ())
    assert list(statuses.due()) == [True, True, True]


def vector(clocks: dict[int, int]) -> bytes:
    """A step 1 that asks for these clocks."""
    parts = [var_uint(client) + var_uint(clock) for client, clock in clocks.items()]
    return messages.sync_step1(var_uint(len(clocks)) + b"".join(parts))


def test_hoc_6_every_client_that_a_step_1_names_is_found() -> None:
    dice = random.Random(6)
    clocks = {dice.randrange(2**53): dice.randrange(1, 2**31) for _ in range(300)}
    clocks |= {0: 5, 2**53 - 1: 2**31 - 1}
    for client, clock in [*clocks.items(), (12345, 0)]:
        for first in (clock - 1, clock):
            if first < 0:
                continue
            statuses = SyncStatuses()
            statuses.hear(vector(clocks))
            wrote = b"\x01\x01" + var_uint(client) + var_uint(first) + b"\x00\x01\x00"
            statuses.hear(messages.sync_update(wrote))
            statuses.say(STEP1)
            statuses.hear(STEP2)
            statuses.settle(2, ())
            is_older = first < clock
            assert list(statuses.due()) == ([True] if is_older else [True, True])


def test_a_step_1_of_many_clients_is_not_read_for_each_update(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The complaint *82 ms for each update*, after a step 1 of 131,072 clients."""
    numbers: list[int] = []

    def count_number(data: bytes, position: int) -> tuple[int, int]:
        numbers.append(position)
        return read_var_uint(data, position)

    monkeypatch.setattr(sync_statuses, "read_var_uint", count_number)
    statuses = SyncStatuses()
    statuses.hear(vector(dict.fromkeys(range(10, 60_000), 1)))
    for clock in range(100):
        statuses.hear(messages.sync_update(update(clock)))
    assert len(numbers) <= 100 * 5


@pytest.mark.parametrize(("others", "statuses_due"), [(10, 2), (1_000, 1)])
def test_hoc_6_who_cannot_be_told_from_too_many_clocks_counts_as_known(
    others: int, statuses_due: int
) -> None:
    """A status may come too late, but never too early."""
    statuses = SyncStatuses()
    statuses.hear(vector(dict.fromkeys(range(1_000, 1_000 + others), 7)))
    statuses.hear(messages.sync_update(update(0)))
    statuses.say(STEP1)
    statuses.hear(STEP2)
    statuses.settle(2, ())
    assert list(statuses.due()) == [True] * statuses_due


@pytest.mark.parametrize("question", [STEP1, b"\x00\x00\x05\x01", b"\x00\x00\x02\x05\x07"])
@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x01\x01\x07", b"\xff\xff\xff"])
def test_malformed_ones_are_left_to_the_room(question: bytes, payload: bytes) -> None:
    statuses = SyncStatuses()
    statuses.hear(question)
    statuses.hear(messages.sync_update(payload))
    statuses.hear(b"\x00\x02\x70")
    statuses.settle(2, ())
    assert list(statuses.due()) == []


class Provider:
    """How `HocuspocusProvider` counts: version 2, which does not stop at zero."""

    def __init__(self) -> None:
        self.unsynced = 0
        self.clock = 0
        self.is_connected = True
        self.sent: list[bytes] = []
        self.queue: list[bytes] = []

    def start_sync(self) -> None:
        self.unsynced = 1
        self.sent.append(messages.sync_step1(b"\x01\x07" + var_uint(self.clock)))

    def edit(self) -> None:
        self.unsynced += 1
        self.queue.append(messages.sync_update(update(self.clock)))
        self.clock += 1
        if self.is_connected:
            self.flush()

    def flush(self) -> None:
        self.sent += self.queue
        self.queue.clear()

    def hear(self, frame: bytes) -> None:
        self.is_connected = True
        self.flush()  # on the first message of a connection
        if frame == STORED:
            self.unsynced -= 1
            assert self.unsynced >= 0
        elif frame == STEP1:
            self.sent.append(messages.sync_step2(update(0, self.clock)))


class Life:
    """A provider, the server's side, and two wires on which things take their time."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.provider = Provider()
        self.stored: set[int] = set()
        self.connect()

    def connect(self) -> None:
        """Begin a connection; what was on the wires, or not stored, is lost."""
        self.statuses = SyncStatuses()
        self.up: list[bytes] = []
        self.down: list[bytes] = []
        self.is_asked = False
        self.received: list[bytes] = []
        self.settled = 0
        self.provider.start_sync()
        self.deliver()

    def reconnect(self) -> None:
        """Lose the connection, edit, and come back."""
        self.provider.is_connected = False
        for _ in range(self.chance.randrange(3)):
            self.provider.edit()
        self.connect()

    def deliver(self) -> None:
        """Put what the provider says on the wire."""
        self.up += self.provider.sent
        self.provider.sent.clear()

    def server_hears(self) -> None:
        frame = self.up.pop(0)
        self.statuses.hear(frame)
        if frame.startswith(b"\x00\x00"):
            self.is_asked = True
        else:
            self.received.append(frame)

    def server_says(self, frame: bytes) -> None:
        self.statuses.say(frame)
        self.down.append(frame)

    def server_answers(self) -> None:
        if self.is_asked:
            self.is_asked = False
            self.server_says(STEP2)
            self.server_says(STEP1)

    def server_stores(self, count: int) -> None:
        for frame in self.received[self.settled : count]:
            payload, _ = read_var_bytes(frame, 2)
            clock, at = read_var_uint(payload, 3)
            length, _ = read_var_uint(payload, at + 1)
            self.stored.update(range(clock, clock + length))
        self.settled = count
        self.statuses.settle(count, ())
        self.down.extend(STORED for _ in self.statuses.due())

    def sync_again(self) -> None:
        """When no status is on its way to it: of one that is, nobody here can know."""
        if STORED not in self.down and self.provider.is_connected:
            self.provider.start_sync()
            self.deliver()
            while self.up:
                self.server_hears()

    def step(self) -> None:
        [what] = self.chance.choices(range(8), (3, 1, 1, 8, 8, 8, 8, 0.3))
        match what:
            case 0:
                self.provider.edit()
            case 1:
                self.sync_again()
            case 2:
                self.server_says(STEP1)  # ROM-4
            case 3 if self.up:
                self.server_hears()
            case 4 if self.down:
                self.provider.hear(self.down.pop(0))
            case 5:
                self.server_answers()
            case 6:
                self.server_stores(self.chance.randint(self.settled, len(self.received)))
            case 7:
                self.reconnect()
        self.deliver()

    @property
    def is_all_stored(self) -> bool:
        """Of what the person sees, nothing could be lost any more."""
        return self.stored.issuperset(range(self.provider.clock))

    def finish(self) -> None:
        """Everything arrives and is stored."""
        while True:
            while self.up:
                self.server_hears()
            self.server_answers()
            self.server_stores(len(self.received))
            if not self.down:
                return
            while self.down:
                self.provider.hear(self.down.pop(0))
            self.deliver()


@pytest.mark.parametrize("seed", range(300))
def test_hoc_6_zero_is_reached_when_all_is_stored_and_not_before(seed: int) -> None:
    """The complaint *"saved" shown before it is*."""
    life = Life(random.Random(seed))
    for _ in range(400):
        life.step()
        if life.provider.unsynced == 0:
            assert life.is_all_stored
    life.finish()
    assert life.provider.unsynced == 0
    assert life.is_all_stored
