"""Client ids of the people of a run."""

from __future__ import annotations

from loadtest.client_ids import client_id


def test_nobody_has_the_id_of_somebody_else_or_of_a_meeting_before() -> None:
    ids = [client_id(123_456_789, meeting, number) for meeting in range(20) for number in range(99)]
    assert len(set(ids)) == len(ids)
    assert all(1 << 28 <= each < 1 << 32 for each in ids)
