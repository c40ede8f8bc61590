"""What people say and hear in both framings, beside the codecs of the server."""

from __future__ import annotations

import pytest

from crdt_docs import hocuspocus, messages
from crdt_docs.errors import Malformed
from loadtest.dialects import Answered, Asked, Dialect, Refused, Stored, Updated
from loadtest.seat import Framing, Seat

YJS = Dialect()
SEAT = Seat(0, 0, "h", 1, is_tls=False, path="/", document="room", framing=Framing.HOCUSPOCUS)
HOCUSPOCUS = Dialect.of(SEAT)
AT = hocuspocus.at(b"room")


def test_stock_clients_begin_with_step_1() -> None:
    assert [messages.parse(each) for each in YJS.opening()] == [messages.SyncStep1(b"\x00")]


def test_hocuspocus_clients_begin_with_a_token() -> None:
    token, asks = [hocuspocus.parse(each) for each in HOCUSPOCUS.opening()]
    assert token == (b"room", hocuspocus.Token("token", None))
    assert asks == (b"room", hocuspocus.Relayed(messages.sync_step1(b"\x00")))


@pytest.mark.parametrize("dialect", [YJS, HOCUSPOCUS], ids=["yjs", "hocuspocus"])
def test_what_is_said_is_what_servers_read(dialect: Dialect) -> None:
    said = {
        dialect.answer(): messages.SyncStep2(b"\x00\x00"),
        dialect.update(b"\x00\x00"): messages.SyncUpdate(b"\x00\x00"),
        dialect.awareness(b"\x00"): messages.AwarenessUpdate(b"\x00"),
    }
    for frame, message in said.items():
        assert frame.startswith(dialect.prefix)
        assert messages.parse(frame[len(dialect.prefix) :]) == message


@pytest.mark.parametrize("dialect", [YJS, HOCUSPOCUS], ids=["yjs", "hocuspocus"])
def test_sync_messages_are_heard(dialect: Dialect) -> None:
    heard = {
        messages.sync_step1(b"\x00"): Asked(b"\x00"),
        messages.sync_step2(b"\x00\x00"): Answered(b"\x00\x00"),
        messages.sync_update(b"\x00\x00"): Updated(b"\x00\x00"),
        messages.KEEPALIVE: None,
    }
    for message, meaning in heard.items():
        assert dialect.hear(dialect.prefix + message) == meaning


def test_this_servers_own_messages_are_heard() -> None:
    assert YJS.hear(messages.stored(300)) == Stored(300, is_total=True)
    assert YJS.hear(messages.denied("no")) == Refused("no")
    assert YJS.hear(b"\x70\x07") is None  # for headsets
    assert YJS.hear(b"\x04\x01\x00") is None


def test_hocuspocus_messages_are_heard() -> None:
    heard = {
        hocuspocus.sync_status(is_stored=True): Stored(1, is_total=False),
        hocuspocus.sync_status(is_stored=False): Refused("an edit was not taken", is_answer=True),
        hocuspocus.permission_denied("go away"): Refused("go away"),
        hocuspocus.authenticated(hocuspocus.Scope.READ_WRITE): None,
        b"\x04" + messages.sync_step2(b"\x00\x00")[1:]: Answered(b"\x00\x00"),  # SYNC_REPLY
    }
    for message, meaning in heard.items():
        assert HOCUSPOCUS.hear(AT + message) == meaning


def test_what_is_for_another_document_is_not_heard() -> None:
    assert HOCUSPOCUS.hear(hocuspocus.at(b"hall") + messages.sync_step1(b"\x00")) is None
    assert HOCUSPOCUS.hear(b"\x09") is None


@pytest.mark.parametrize("message", [b"\x00\x00\x05cut", b"\x00\x09\x00", b"\x71\x80", b"\x02\x00"])
def test_what_is_cut_short_is_malformed(message: bytes) -> None:
    with pytest.raises(Malformed):
        YJS.hear(message)
