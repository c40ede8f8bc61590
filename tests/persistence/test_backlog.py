"""LOG-11: what changed goes with what changed it, and is asked for once for many."""

from __future__ import annotations

from collections.abc import Sequence

from crdt_docs.gestures import ChangeKind
from crdt_docs.identifiers import DocumentName
from crdt_docs.object_changes import ObjectChange
from crdt_docs.projection import ObjectState
from persistence.backlog import CHANGE_OVERHEAD, LARGEST_SEGMENT, LONGEST_SEGMENT, Backlog, Entry
from tests.helpers.commits import ANA, commit, document
from tests.helpers.objects import Hands

ONE, TWO = document(1), document(2)


class Source:
    """A document that remembers how far it had got when it was asked."""

    def __init__(self, name: DocumentName, backlog: Backlog) -> None:
        self.name = name
        self.backlog = backlog
        self.seq = 0
        self.told = 0
        self.has_lost_changes = False

    def edit(self, count: int = 1, *, size: int = 10, now: float = 0.0) -> None:
        first = self.seq + 1
        self.seq += count  # the document is changed before it is appended
        commits = [commit(self.name, seq, b"x" * size) for seq in range(first, self.seq + 1)]
        self.backlog.append(commits, self, now)

    def take_changes(self) -> tuple[ObjectChange, ...]:
        if self.told == self.seq:
            return ()
        self.told = self.seq
        return (_change(str(self.seq)),)


def _change(identifier: str) -> ObjectChange:
    change = Hands().change(ChangeKind.CREATE, identifier, ObjectState("sticky"), ANA)
    return change._replace(size=7)


def _told(group: Sequence[Entry]) -> list[tuple[DocumentName, int, list[str]]]:
    """Where changes are, and up to where the document had been edited when it told them."""
    return [
        (entry.commit.document, entry.commit.seq, [change.id for change in entry.commit.changes])
        for entry in group
        if entry.commit.changes
    ]


def test_log_11_a_document_is_asked_once_for_all_that_is_stored_together() -> None:
    backlog = Backlog(100, 10_000)
    one, two = Source(ONE, backlog), Source(TWO, backlog)
    one.edit(3)
    two.edit(2)
    one.edit(1)
    group = backlog.next_group()
    assert len(group) == 6
    assert _told(group) == [(TWO, 2, ["2"]), (ONE, 4, ["4"])]


def test_log_11_what_is_being_stored_stays_as_it_is_while_more_comes() -> None:
    backlog = Backlog(100, 10_000)
    one = Source(ONE, backlog)
    one.edit(2)
    group = backlog.next_group()
    one.edit(1)
    assert _told(group) == [(ONE, 2, ["2"])]
    backlog.remove(group[-1].position)
    assert _told(backlog.next_group()) == [(ONE, 3, ["3"])]


def test_log_11_a_group_ends_where_every_document_has_told() -> None:
    backlog = Backlog(4, 10_000)
    one, two = Source(ONE, backlog), Source(TWO, backlog)
    for _ in range(7):
        one.edit(1)
        two.edit(1)
    groups = []
    while backlog:
        group = backlog.next_group()
        groups.append([(entry.commit.document, entry.commit.seq) for entry in group])
        last = {entry.commit.document: entry.commit for entry in group}
        assert all(commit.changes[-1].id == str(commit.seq) for commit in last.values())
        backlog.remove(group[-1].position)
    assert [len(group) for group in groups] == [4, 4, 4, 2]


def test_log_11_a_turn_is_not_torn_apart() -> None:
    """Its document holds all of it when the first of it is appended."""
    backlog = Backlog(4, 10_000)
    one = Source(ONE, backlog)
    one.edit(3)
    one.edit(9)
    group = backlog.next_group()
    assert [entry.commit.seq for entry in group] == list(range(1, 13))
    assert _told(group) == [(ONE, 12, ["12"])]


def test_log_11_while_nothing_is_stored_a_segment_lasts_a_second() -> None:
    backlog = Backlog(1000, 1_000_000)
    one = Source(ONE, backlog)
    for tenth in range(35):
        one.edit(1, now=tenth / 10)
    group = backlog.next_group()
    assert [seq for _, seq, _ in _told(group)] == [
        11,
        22,
        33,
    ]
    backlog.remove(group[-1].position)
    assert [seq for _, seq, _ in _told(backlog.next_group())] == [35]
    assert LONGEST_SEGMENT == 1.0


def test_log_11_what_comes_after_a_pause_is_not_read_with_what_came_before() -> None:
    """While the database is away, gestures that are minutes apart stay two."""
    backlog = Backlog(1000, 1_000_000)
    one = Source(ONE, backlog)
    one.edit(1, now=0.0)
    backlog.remove(backlog.next_group()[-1].position)
    one.edit(1, now=100.0)
    backlog.end_long_segment(100.9)
    assert one.told == 1, "what is young may still be read with more"
    backlog.end_long_segment(101.0)
    backlog.end_long_segment(105.0)
    one.edit(1, now=700.0)
    group = backlog.next_group()
    assert _told(group) == [(ONE, 2, ["2"])]
    backlog.remove(group[-1].position)
    assert _told(backlog.next_group()) == [(ONE, 3, ["3"])]


def test_log_11_while_much_is_appended_a_segment_is_not_longer() -> None:
    """A hundred thousand objects that come at once are not read at once."""
    backlog = Backlog(10_000, LARGEST_SEGMENT * 10)
    one = Source(ONE, backlog)
    for _ in range(3):
        one.edit(16, size=LARGEST_SEGMENT // 16)
    one.edit(1)
    assert _told(backlog.next_group()) == [(ONE, 16, ["16"]), (ONE, 32, ["32"]), (ONE, 48, ["48"])]


def test_log_11_sealed_changes_are_apart_from_what_follows() -> None:
    backlog = Backlog(100, 10_000)
    one = Source(ONE, backlog)
    backlog.seal(ONE)
    one.edit(2)
    backlog.seal(ONE)
    one.edit(1)
    backlog.seal(ONE)
    backlog.seal(ONE)
    assert _told(backlog.next_group()) == [(ONE, 2, ["2"]), (ONE, 3, ["3"])]


def test_log_11_a_document_that_was_given_up_is_not_asked() -> None:
    backlog = Backlog(100, 10_000)
    one = Source(ONE, backlog)
    one.edit(2)
    backlog.abandon(ONE)
    assert _told(backlog.next_group()) == []


def test_log_5_changes_count_as_what_they_take() -> None:
    backlog = Backlog(100, 10_000)
    one = Source(ONE, backlog)
    one.edit(1)
    before = backlog.size
    group = backlog.next_group()
    assert backlog.size == before + CHANGE_OVERHEAD + 7
    backlog.remove(group[-1].position)
    assert backlog.size == 0
    assert len(backlog) == 0


def test_hst_8_that_a_document_cannot_tell_goes_with_its_entry() -> None:
    backlog = Backlog(100, 10_000)
    one, two = Source(ONE, backlog), Source(TWO, backlog)
    one.edit(2)
    two.edit(1)
    one.has_lost_changes = True
    lost = [entry.commit.has_lost_changes for entry in backlog.next_group()]
    assert lost == [False, True, False]
