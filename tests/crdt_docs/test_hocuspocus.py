"""HOC: frames of Hocuspocus clients."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_docs import hocuspocus, messages
from crdt_docs.errors import Malformed, Refusal
from crdt_docs.hocuspocus import (
    MAX_ADDRESS_BYTES,
    Addressed,
    CloseRequest,
    Ping,
    Pong,
    Relayed,
    Scope,
    Stateless,
    Token,
)
from crdt_docs.varint import var_bytes, var_string

ADDRESS = b"ocw/6f1c2f0e-5c8e-4b43-9a94-2f1f0a7c1d11"
AT = hocuspocus.at(ADDRESS)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        (messages.sync_step1(b"\x00"), Relayed(messages.sync_step1(b"\x00"))),
        (messages.sync_update(b"abc"), Relayed(messages.sync_update(b"abc"))),
        (b"\x04\x01\x02ab", Relayed(b"\x00\x01\x02ab")),  # a sync reply is a sync message
        (messages.KEEPALIVE, Relayed(messages.KEEPALIVE)),
        (b"\x03", Relayed(b"\x03")),
        (b"\x02\x00" + var_string("a.b.ç"), Token("a.b.ç", None)),
        (b"\x02\x00\x00" + var_string("4.8.0"), Token("", "4.8.0")),
        (b"\x05" + var_string("hello"), Stateless()),
        (b"\x07", CloseRequest()),
        (b"\x07" + var_string("bye"), CloseRequest()),
        (b"\x09", Ping()),
        (b"\x0a", Pong()),
    ],
)
def test_hoc_1_what_clients_send_is_read(rest: bytes, message: hocuspocus.Message) -> None:
    assert hocuspocus.parse(AT + rest) == Addressed(ADDRESS, message)


def test_hoc_1_a_ping_may_come_alone() -> None:
    assert hocuspocus.parse(b"\x09") == Addressed(None, Ping())
    assert hocuspocus.parse(b"\x0a") == Addressed(None, Pong())
    # With more behind it, 9 is the length of an address.
    assert hocuspocus.parse(b"\x09" + b"123456789" + b"\x03") == Addressed(
        b"123456789", Relayed(b"\x03")
    )


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x00",
        b"\x08",
        b"\x05ab",  # the address does not fit
        AT,  # no message
        AT + b"\x06" + var_string("to all"),
        AT + b"\x08\x01",  # only the server says what is stored
        AT + b"\x0b",
        AT + b"\x7f",
        AT + b"\xff\xff",
        AT + b"\x02",
        AT + b"\x02\x00",
        AT + b"\x02\x01" + var_string("denied"),
        AT + b"\x02\x02" + var_string("read-write"),
        AT + b"\x02\x00\x05abc",
        AT + b"\x02\x00\x02\xff\xfe",
        AT + b"\x02\x00\x01a\x01b\x00",
        AT + b"\x05",
        AT + b"\x05\x01a!",
        AT + b"\x05\x01\xff",
        AT + b"\x07\x09",
        AT + b"\x09\x00",
        AT + b"\x0a\x00",
        var_bytes(b"x" * (MAX_ADDRESS_BYTES + 1)) + b"\x03",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" + b"\x03",
        b"\x83\x00abc\x03",  # a length in more bytes than it needs
    ],
)
def test_hoc_1_anything_else_is_malformed(frame: bytes) -> None:
    with pytest.raises(Malformed):
        hocuspocus.parse(frame)


@given(st.binary(max_size=80))
def test_hoc_1_any_bytes_are_a_message_or_refused(frame: bytes) -> None:
    for tried in (frame, AT + frame):
        try:
            address, message = hocuspocus.parse(tried)
            if address is not None:
                hocuspocus.document_of(address)
            if isinstance(message, Relayed):
                messages.parse(message.frame)
        except Refusal:
            pass


@given(st.binary(max_size=MAX_ADDRESS_BYTES), st.binary(min_size=1, max_size=50))
def test_hoc_2_an_address_reads_back_exactly(address: bytes, payload: bytes) -> None:
    frame = hocuspocus.at(address) + messages.sync_update(payload)
    assert hocuspocus.parse(frame) == Addressed(address, Relayed(messages.sync_update(payload)))


def test_hoc_2_a_document_has_one_name_whoever_asks_for_it() -> None:
    assert hocuspocus.document_of(ADDRESS) == ADDRESS.decode()
    assert hocuspocus.document_of(ADDRESS + b"\x00k3j4h") == ADDRESS.decode()
    assert hocuspocus.is_shared(ADDRESS)
    assert not hocuspocus.is_shared(ADDRESS + b"\x00")
    with pytest.raises(Malformed):
        hocuspocus.document_of(b"ocw/\xff")


def test_the_server_speaks_as_providers_read() -> None:
    """`readAuthMessage`, `applySyncStatusMessage` and CLOSE of `MessageReceiver.ts`."""
    assert hocuspocus.authenticated(Scope.READ_ONLY) == b"\x02\x02\x08readonly"
    assert hocuspocus.authenticated(Scope.READ_WRITE) == b"\x02\x02\x0aread-write"
    assert hocuspocus.permission_denied("é") == b"\x02\x01\x02\xc3\xa9"
    assert hocuspocus.TOKEN_REQUEST == b"\x02\x00"
    assert hocuspocus.sync_status(is_stored=True) == b"\x08\x01"
    assert hocuspocus.sync_status(is_stored=False) == b"\x08\x00"
    assert hocuspocus.closed("bye") == b"\x07\x03bye"
    assert hocuspocus.stateless("{}") == b"\x05\x02{}"
    assert hocuspocus.PONG == b"\x0a"


def test_hoc_8_a_denied_edit_does_not_ask_for_a_token() -> None:
    told = hocuspocus.translated(messages.denied('not "you", é'))
    assert told[:1] == b"\x05"
    length = len(told) - 2
    assert told[1] == length
    assert json.loads(told[2:]) == {"event": "edit-refused", "reason": 'not "you", é'}


@pytest.mark.parametrize(
    "frame",
    [messages.sync_step1(b"\x00"), messages.KEEPALIVE, messages.QUERY_AWARENESS],
)
def test_hoc_8_everything_else_is_the_same(frame: bytes) -> None:
    assert hocuspocus.translated(frame) is frame
