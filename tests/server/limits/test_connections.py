"""Who may connect at all."""

from __future__ import annotations

from server.counters import Counters
from server.limits.addresses import Networks
from server.limits.connections import SPARE_CONNECTIONS, ConnectionGuard
from server.settings import Settings


def test_an_address_has_so_many_connections_at_once() -> None:
    """CON-1"""
    counters = Counters()
    guard = ConnectionGuard(counters, most_of_address=2)
    first, second = guard.enter("192.0.2.1"), guard.enter("192.0.2.1")
    assert first is not None
    assert second is not None
    assert guard.enter("::ffff:192.0.2.1") is None
    assert guard.enter("192.0.2.2") is not None
    assert counters.limited == {"address_connections": 1}
    first.leave()
    first.leave()
    assert guard.enter("192.0.2.1") is not None
    assert guard.enter("192.0.2.1") is None


def test_there_are_so_many_in_all_also_through_proxies() -> None:
    """CON-1"""
    counters = Counters()
    guard = ConnectionGuard(counters, most_of_address=1, most=3, proxies=Networks(["192.0.2.1"]))
    places = [guard.enter("192.0.2.1") for _ in range(3)]
    assert None not in places
    assert guard.enter("192.0.2.2") is None
    assert counters.limited == {"all_connections": 1}
    for place in places:
        assert place is not None
        place.leave()
    assert guard.connections == 0


def test_it_is_what_the_settings_say() -> None:
    settings = Settings(max_connections=5, connections_per_address=10_000, stall_seconds=7.0)
    guard = ConnectionGuard.of(settings, Counters())
    assert guard.patience.stall == 7.0
    for _ in range(5 + SPARE_CONNECTIONS):
        assert guard.enter("192.0.2.1") is not None
    assert guard.enter("192.0.2.1") is None
