"""What a worker says arrives whole, and each side notices the other's end."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from server.worker_channel import Failed, Message, Ready, SupervisorEnd, WorkerEnd, open_channel

Ends = tuple[SupervisorEnd, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    supervisor, theirs = open_channel()
    yield supervisor, theirs
    supervisor.close()
    theirs.close()


def test_nothing_is_heard_before_anything_was_said(ends: Ends) -> None:
    supervisor, _ = ends
    assert supervisor.heard() == []
    assert supervisor.is_open


def test_messages_arrive_in_order_and_once(ends: Ends) -> None:
    supervisor, theirs = ends
    worker = WorkerEnd(theirs)
    worker.say_ready(["demo: http://127.0.0.1", "second"])
    worker.say_failed("no space left")
    assert supervisor.heard() == [
        Ready(("demo: http://127.0.0.1", "second")),
        Failed("no space left"),
    ]
    assert supervisor.heard() == []


def test_a_message_in_pieces_is_heard_when_it_is_whole(ends: Ends) -> None:
    supervisor, theirs = ends
    theirs.sendall(b'{"failed": "no')
    assert supervisor.heard() == []
    theirs.sendall(b' space"}\n')
    assert supervisor.heard() == [Failed("no space")]


@pytest.mark.parametrize(
    "nonsense", [b"\xff\n", b"{}\n", b'{"ready": false, "lines": []}\n', b'{"failed": 3}\n', b"7\n"]
)
def test_nonsense_is_passed_over(ends: Ends, nonsense: bytes) -> None:
    supervisor, theirs = ends
    theirs.sendall(nonsense)
    WorkerEnd(theirs).say_failed("real")
    heard: list[Message] = supervisor.heard()
    assert heard == [Failed("real")]


def test_last_words_are_heard_after_the_worker_ended(ends: Ends) -> None:
    supervisor, theirs = ends
    WorkerEnd(theirs).say_failed("last words")
    theirs.close()
    assert supervisor.heard() == [Failed("last words")]
    assert not supervisor.is_open
    assert supervisor.heard() == []


def test_a_worker_notices_that_its_supervisor_is_gone(ends: Ends) -> None:
    supervisor, theirs = ends
    worker = WorkerEnd(theirs)
    assert not worker.is_supervisor_gone()
    supervisor.close()
    assert worker.is_supervisor_gone()


def test_a_word_from_the_supervisor_does_not_mean_that_it_is_gone(ends: Ends) -> None:
    supervisor, theirs = ends
    supervisor._channel.send(b"x")
    assert not WorkerEnd(theirs).is_supervisor_gone()


def test_what_is_said_to_nobody_is_no_fault(ends: Ends) -> None:
    supervisor, theirs = ends
    supervisor.close()
    worker = WorkerEnd(theirs)
    worker.say_ready([])
    worker.say_failed("too late")
    assert worker.is_supervisor_gone()


def test_a_reset_connection_is_an_end_for_both(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor, theirs = ends

    def reset(*_: object) -> bytes:
        raise ConnectionResetError

    monkeypatch.setattr("socket.socket.recv", reset)
    assert WorkerEnd(theirs).is_supervisor_gone()
    assert supervisor.heard() == []
    assert not supervisor.is_open
