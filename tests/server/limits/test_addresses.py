"""What counts as one address."""

from __future__ import annotations

import pytest

from server.limits.addresses import Networks, address_key, client_key, written_both_ways


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"),
        ("2001:db8:0:0::1", "2001:DB8::2"),
    ],
)
def test_one_client_has_one_key(one: str, other: str) -> None:
    assert address_key(one) == address_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("192.0.2.1", "192.0.2.2"), ("2001:db8:0:1::1", "2001:db8:0:2::1"), ("a", "b")],
)
def test_two_clients_have_two(one: str, other: str) -> None:
    assert address_key(one) != address_key(other)


def test_what_is_no_address_stays_short() -> None:
    assert len(address_key("x" * 10_000)) == 64


def test_a_client_may_have_no_address() -> None:
    assert client_key({"type": "http", "client": None}) == ""
    assert client_key({"type": "http"}) == ""
    assert client_key({"type": "http", "client": ("192.0.2.1", 1)}) == "192.0.2.1"


def test_networks_hold_their_addresses() -> None:
    networks = Networks(["10.0.0.0/8", "::1"])
    assert "10.1.2.3" in networks
    assert "::1" in networks
    assert "192.0.2.1" not in networks
    assert "a name" not in networks


@pytest.mark.parametrize("given", ["10.0.0.0/8", "::ffff:10.0.0.0/104"])
def test_networks_of_ipv4_hold_addresses_that_are_written_as_ipv6(given: str) -> None:
    """As sockets for both have them."""
    networks = Networks([given, "2001:db8::/32"])
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "::FFFF:a01:203", "2001:db8::1"):
        assert address in networks
    assert "::ffff:11.1.2.3" not in networks
    assert "::10.1.2.3" not in networks


def test_networks_are_written_both_ways_for_others() -> None:
    written = written_both_ways(["10.0.0.0/8", "192.0.2.7", "::ffff:192.0.2.8", "2001:db8::/32"])
    assert written == [
        "10.0.0.0/8",
        "::ffff:10.0.0.0/104",
        "192.0.2.7/32",
        "::ffff:192.0.2.7/128",
        "192.0.2.8/32",
        "::ffff:192.0.2.8/128",
        "2001:db8::/32",
    ]
