"""FRM: frames to messages and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_docs import messages
from crdt_docs.errors import LimitExceeded, Malformed, Refusal
from crdt_docs.messages import AwarenessEntry
from crdt_docs.varint import read_var_bytes, read_var_uint, var_string, var_uint


@given(st.binary(max_size=300))
def test_sync_frames_read_back(payload: bytes) -> None:
    assert messages.parse(messages.sync_step1(payload)) == messages.SyncStep1(payload)
    assert messages.parse(messages.sync_step2(payload)) == messages.SyncStep2(payload)
    assert messages.parse(messages.sync_update(payload)) == messages.SyncUpdate(payload)


def test_sync_types_are_told_apart() -> None:
    kinds = [
        type(messages.parse(make(b"x")))
        for make in (messages.sync_step1, messages.sync_step2, messages.sync_update)
    ]
    assert kinds == [messages.SyncStep1, messages.SyncStep2, messages.SyncUpdate]


@given(
    st.lists(
        st.builds(
            AwarenessEntry,
            st.integers(0, 2**53 - 1),
            st.integers(0, 2**53 - 1),
            st.binary(max_size=200),
        ),
        max_size=5,
    )
)
def test_awareness_frames_read_back(entries: list[AwarenessEntry]) -> None:
    message = messages.parse(messages.awareness(entries))
    assert isinstance(message, messages.AwarenessUpdate)
    assert messages.read_awareness(message.payload) == entries


def test_query_awareness_is_a_single_byte() -> None:
    assert messages.parse(b"\x03") == messages.QueryAwareness()


def test_frm_2_a_token_reads_back() -> None:
    assert messages.parse(b"\x02\x00" + var_string("à.b.c")) == messages.Renewal("à.b.c")


def test_the_keepalive_is_an_empty_awareness_message() -> None:
    assert messages.KEEPALIVE == b"\x01\x01\x00"


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x00",
        b"\x01",
        b"\x00\x03\x00",  # no such sync message
        b"\x00\x00\x05abc",  # FRM-3: the length does not fit
        b"\x00\x02\x03abcd",  # FRM-1: a byte too many
        b"\x01\x01\x00\x00",
        b"\x02\x00",  # FRM-2: of auth, clients send a token
        b"\x02\x01\x00",
        b"\x02\x00\x01xy",
        b"\x02\x00\x01\xff",  # not UTF-8
        b"\x63\x00",
        b"\x71\x05",  # receipts, too
        b"\x03\x00",
        b"\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # longer than 53 bits
    ],
)
def test_other_frames_are_malformed(frame: bytes) -> None:
    with pytest.raises(Malformed):
        messages.parse(frame)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x01",
        b"\xff\xff\xff\xff\x0f",  # FRM-3: a count that cannot be
        b"\x01\x05\x01\x09{}",
        b"\x01\x05\x01\x02{}!",
        b"\x02\x05\x01\x02{}",
    ],
)
def test_awareness_counts_and_lengths_are_checked(payload: bytes) -> None:
    with pytest.raises(Malformed):
        messages.read_awareness(payload)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_refused(frame: bytes) -> None:
    try:
        message = messages.parse(frame)
        if isinstance(message, messages.AwarenessUpdate):
            messages.read_awareness(message.payload)
    except Refusal:
        pass


@given(st.integers(0, 2**53 - 1))
def test_numbers_read_back(value: int) -> None:
    assert read_var_uint(var_uint(value), 0) == (value, len(var_uint(value)))


def test_numbers_above_the_safe_range_are_malformed() -> None:
    with pytest.raises(Malformed, match="2\\^53"):
        read_var_uint(var_uint(2**53), 0)
    with pytest.raises(Malformed, match="end within"):
        read_var_uint(b"\x80\x80", 0)


def test_strings_count_bytes_not_characters() -> None:
    assert read_var_bytes(var_string("é✓"), 0)[0].decode() == "é✓"


def test_denials_and_receipts_have_the_layout_clients_expect() -> None:
    assert messages.denied("no") == b"\x02\x00\x02no"
    assert messages.stored(300) == b"\x71\xac\x02"


def test_awr_9_a_message_of_a_million_entries_is_not_read() -> None:
    def payload(count: int) -> bytes:
        return var_uint(count) + b"\x05\x01\x04null" * count

    assert len(messages.read_awareness(payload(messages.MOST_ENTRIES))) == messages.MOST_ENTRIES
    with pytest.raises(LimitExceeded, match="entries in one message"):
        messages.read_awareness(payload(messages.MOST_ENTRIES + 1))
