"""The socket that clients connect to. The supervisor holds it, so that the port stays open while a
worker is replaced: whoever connects then waits in the kernel's queue instead of being refused.
"""

from __future__ import annotations

import errno
import socket

BACKLOG = 2048
"""Connections that the kernel holds while nobody accepts: a worker is being replaced, or busy."""


class CannotListen(Exception):  # noqa: N818 - says what is the case
    """The address cannot be listened on. `str()` is one line for whoever starts the server."""


def open_listener(
    host: str,
    port: int,
    *,
    send_buffer: int | None = None,
    unsent_low_water: int | None = None,
) -> socket.socket:
    """Listen on an address.

    Args:
        host: name or address; of a name's addresses the first is taken, IPv4 before IPv6.
        port: 0 takes a free one.
        send_buffer: SO_SNDBUF in bytes of every accepted connection; small ones let the server
            feel early that a client is slow. None leaves it to the system.
        unsent_low_water: TCP_NOTSENT_LOWAT in bytes, likewise.

    Raises:
        CannotListen: the address is taken, not ours, or there is no such name.
    """
    bare = host.removeprefix("[").removesuffix("]")
    try:
        found = socket.getaddrinfo(bare, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise CannotListen(f"cannot listen on {host}: {error.strerror or error}") from error
    found.sort(key=lambda each: each[0] != socket.AF_INET)
    family, _, _, _, address = found[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit these two.
        if send_buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        if unsent_low_water is not None:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, unsent_low_water)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotListen(_explain(error, host, port)) from error
    return listener


def _explain(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"port {port} of {host} is in use: stop what uses it, or choose another --port"
        case errno.EACCES:
            return f"port {port} of {host} needs privileges that this process has not"
        case errno.EADDRNOTAVAIL:
            return f"{host} is no address of this machine: choose another --host"
        case _:
            return f"cannot listen on port {port} of {host}: {error.strerror}"


def address_of(listener: socket.socket, scheme: str = "http") -> str:
    """Its URL, for people: `http://127.0.0.1:8000`."""
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def port_of(listener: socket.socket) -> int:
    """The port that was taken."""
    return int(listener.getsockname()[1])
