"""Frames in pieces: what is counted and heard does not depend on how a stream is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_docs import messages
from loadtest import wire
from loadtest.frames import STREAMED_FROM, FrameStream
from tests.loadtest.server_frames import server_frame

UPDATE, PRESENCE = messages.sync_update(b"edit"), messages.awareness(())
ASKED, STORED = messages.sync_step1(b"\x00"), messages.stored(300)
LARGE_UPDATE = messages.sync_update(bytes(STREAMED_FROM))
DOCUMENT = messages.sync_step2(bytes(2 * STREAMED_FROM))
LARGE_VECTOR = messages.sync_step1(bytes(STREAMED_FROM))

Heard = list[tuple[int, bytes]]


def heard_of(
    pieces: list[bytes], prefix: bytes = b"", *, sees_all: bool = False
) -> tuple[Heard, int]:
    """What was heard, and how many frames were counted."""
    heard: Heard = []
    stream = FrameStream(lambda *each: heard.append(each), prefix, sees_all=sees_all)
    return heard, sum(stream.take(piece) for piece in pieces)


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    """The pieces between these places, wherever they fall."""
    return [
        data[a:b] for a, b in pairwise(sorted({0, len(data), *(at % len(data) for at in cuts)}))
    ]


def test_updates_and_presence_are_counted_and_everything_else_is_heard() -> None:
    said = [UPDATE, PRESENCE, ASKED, STORED, b"", b"\x03"]
    heard, frames = heard_of([b"".join(map(server_frame, said))])
    assert frames == 6
    assert [payload for _, payload in heard] == [ASKED, STORED, b"", b"\x03"]


def test_who_sees_all_hears_all() -> None:
    said = [UPDATE, PRESENCE, LARGE_UPDATE, DOCUMENT]
    data = b"".join(map(server_frame, said))
    heard, frames = heard_of(cut(data, list(range(0, len(data), 50_000))), sees_all=True)
    assert (heard, frames) == ([(wire.BINARY, each) for each in said], 4)


def test_behind_the_name_of_a_document_it_is_the_same() -> None:
    said = [UPDATE, PRESENCE, ASKED]
    heard, frames = heard_of(
        [b"".join(server_frame(b"\x04room" + each) for each in said)], b"\x04room"
    )
    assert (heard, frames) == ([(wire.BINARY, b"\x04room" + ASKED)], 3)


def test_of_a_large_document_only_is_heard_that_it_came() -> None:
    data = server_frame(DOCUMENT)
    for pieces in ([data], cut(data, [10, 1_000, STREAMED_FROM])):
        heard, frames = heard_of(pieces)
        assert (heard, frames) == ([(wire.BINARY, b"\x00\x01\x00")], 1)


def test_a_large_document_is_not_copied_again_and_again() -> None:
    """Each piece is taken once: what a stream keeps meanwhile is less than a piece."""
    stream = FrameStream(lambda *_: None)
    data = server_frame(DOCUMENT)
    stream.take(data[:1_000])
    for piece in cut(data[1_000:-1], list(range(0, len(data), 1_000))):
        assert stream.take(piece) == 0
        assert sum(map(len, stream._parts)) < 10
        assert not stream._rest
    assert stream.take(data[-1:]) == 1


def test_what_lies_behind_the_message_that_is_heard_is_known() -> None:
    behind = []
    stream = FrameStream(lambda *_: behind.append(stream.behind))
    stream.take(server_frame(UPDATE) + server_frame(ASKED) + b"\x82\x05123")
    stream.take(b"45" + server_frame(DOCUMENT)[:-1])
    stream.take(server_frame(DOCUMENT)[-1:] + server_frame(PRESENCE))
    assert behind == [5, len(server_frame(DOCUMENT)) - 1, len(server_frame(PRESENCE))]


SAID = st.sampled_from(
    [
        server_frame(UPDATE),
        server_frame(PRESENCE),
        server_frame(ASKED),
        server_frame(messages.sync_update(bytes(300))),
        server_frame(messages.sync_step2(bytes(300))),
        server_frame(b"are you there?", wire.PING),
        server_frame(b"\x00\x02", wire.FIRST_PART) + server_frame(b"\x04edit", wire.LAST_PART),
        server_frame(LARGE_UPDATE),
        server_frame(LARGE_VECTOR),
        server_frame(DOCUMENT),
        server_frame(bytes(STREAMED_FROM), wire.FIRST_PART) + server_frame(b"", wire.LAST_PART),
        server_frame(b"\x03\xe8bye", wire.CLOSE),
    ]
)


@given(st.lists(SAID, max_size=6), st.lists(st.integers(0, 500_000)), st.booleans())
def test_however_a_stream_is_cut_the_same_is_counted_and_heard(
    said: list[bytes],
    cuts: list[int],
    sees_all: bool,  # noqa: FBT001 - drawn
) -> None:
    data = b"".join(said)
    if data:
        assert heard_of(cut(data, cuts), sees_all=sees_all) == heard_of([data], sees_all=sees_all)


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_pieces_of_one_size_are_the_same_too(size: int) -> None:
    data = b"".join(map(server_frame, [UPDATE, ASKED, PRESENCE, STORED])) * 5
    assert heard_of(cut(data, list(range(0, len(data), size)))) == heard_of([data])
