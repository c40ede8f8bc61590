"""What stands between a socket and its receiver: lets through, or lets go once."""

from __future__ import annotations

from uuid import UUID

from crdt_docs.messages import CloseCode
from server.counters import Counters
from server.limits.message_budget import Rates
from server.limits.metered import TOO_FAST, Metered
from server.limits.users import SocketLimits, Users

UPDATE = b"\x00\x02\x02\x00\x00"


class Listener:
    """A receiver that remembers, on a socket that can be closed."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.counters = Counters()
        self.users = Users(
            SocketLimits(Rates(messages=10, bytes=1000, burst=1.0), 2, 2, 2),
            self.counters,
            clock=lambda: 100.0,
        )
        passage = self.users.enter(UUID(int=1), is_service=False)
        self.metered = Metered(self, passage, let_go=lambda *why: self.heard.append(why))

    def on_frame(self, frame: bytes, *, more: bool = False) -> None:
        self.heard.append((frame, "and more") if more else frame)

    def on_text(self) -> None:
        self.heard.append("text")

    def on_writable(self) -> None:
        self.heard.append("writable")

    def on_lost(self) -> None:
        self.heard.append("lost")


def test_what_may_come_is_passed_on() -> None:
    """LIM-2"""
    listener = Listener()
    listener.metered.on_frame(UPDATE)
    listener.metered.on_frame(UPDATE, more=True)
    listener.metered.on_text()
    listener.metered.on_writable()
    listener.metered.on_lost()
    assert listener.heard == [UPDATE, (UPDATE, "and more"), "text", "writable", "lost"]


def test_who_sends_too_much_is_let_go_once() -> None:
    """LIM-2"""
    listener = Listener()
    for _ in range(30):
        listener.metered.on_frame(UPDATE)
    assert listener.heard == [UPDATE] * 10 + [(CloseCode.TRY_LATER, TOO_FAST)]
    assert listener.counters.limited == {"messages": 1}


def test_pings_are_counted_with_the_messages() -> None:
    """LIM-2"""
    listener = Listener()
    for _ in range(10):
        listener.metered.on_control(4)
    listener.metered.on_frame(UPDATE)
    assert listener.heard == [(CloseCode.TRY_LATER, TOO_FAST)]
    listener.metered.on_control(4)
    assert len(listener.heard) == 1


def test_the_place_is_free_when_the_socket_is_gone() -> None:
    """LIM-1"""
    listener = Listener()
    listener.metered.on_lost()
    assert listener.users.connections == 0
