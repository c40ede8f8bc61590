"""The port is opened once, and what keeps it from opening is said in one line."""

from __future__ import annotations

import socket
import sys

import pytest

from server.listener import CannotListen, address_of, open_listener, port_of


def test_a_client_can_connect_before_anybody_accepts() -> None:
    with open_listener("127.0.0.1", 0) as listener:
        address = ("127.0.0.1", port_of(listener))
        with socket.create_connection(address, timeout=1):
            pass


def test_a_port_that_is_taken_is_named() -> None:
    with open_listener("127.0.0.1", 0) as first:
        port = port_of(first)
        with pytest.raises(CannotListen, match=f"port {port} of 127.0.0.1 is in use"):
            open_listener("127.0.0.1", port)


def test_a_port_can_be_taken_again_right_after_its_server_ended() -> None:
    with open_listener("127.0.0.1", 0) as first:
        port = port_of(first)
        with socket.create_connection(("127.0.0.1", port), timeout=1) as client:
            accepted, _ = first.accept()
            accepted.close()  # the server closes first: the connection lingers in TIME_WAIT
            assert client.recv(1) == b""
    with open_listener("127.0.0.1", port) as second:
        assert port_of(second) == port


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(CannotListen, match=r"192\.0\.2\.1 is no address of this machine"):
        open_listener("192.0.2.1", 0)


def test_a_name_that_does_not_resolve_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    with pytest.raises(CannotListen, match=r"cannot listen on nowhere\.invalid: Name or service"):
        open_listener("nowhere.invalid", 0)


@pytest.mark.parametrize(
    ("number", "words"), [(13, "needs privileges"), (12, "cannot listen on port 80 of 127.0.0.1")]
)
def test_other_faults_are_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def fail(_listener: socket.socket, _address: object) -> None:
        raise OSError(number, "what the system says")

    monkeypatch.setattr("socket.socket.bind", fail)
    with pytest.raises(CannotListen, match=words):
        open_listener("127.0.0.1", 80)


def test_a_name_with_both_families_listens_on_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo("127.0.0.1", 0, type=socket.SOCK_STREAM)
    six = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0))
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [six, *real])
    with open_listener("localhost", 0) as listener:
        assert listener.family is socket.AF_INET


def test_an_address_is_shown_as_a_url() -> None:
    with open_listener("127.0.0.1", 0) as listener:
        assert address_of(listener) == f"http://127.0.0.1:{port_of(listener)}"


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_ipv6_address_is_shown_in_brackets() -> None:
    with open_listener("[::1]", 0) as listener:
        assert address_of(listener) == f"http://[::1]:{port_of(listener)}"


@pytest.mark.skipif(sys.platform != "linux", reason="inheritance by accepted sockets is Linux's")
def test_accepted_connections_inherit_small_buffers() -> None:
    with (
        open_listener("127.0.0.1", 0, send_buffer=32_768, unsent_low_water=16_384) as listener,
        socket.create_connection(("127.0.0.1", port_of(listener)), timeout=1),
    ):
        accepted, _ = listener.accept()
        with accepted:
            # The kernel doubles what is asked for, to cover its own records.
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 65_536
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == 16_384
