"""What counts as one address."""

from __future__ import annotations

import pytest

from server.limits.addresses import Networks, address_key, client_key


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
