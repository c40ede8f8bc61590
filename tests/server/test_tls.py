"""TLS: what is believed, what is refused, and what is renewed."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from websockets.asyncio.client import connect

from server.counters import Counters
from server.graceful_server import GracefulServer, uvicorn_config
from server.limits.connections import ConnectionGuard
from server.listener import open_listener, port_of
from server.settings import Settings
from server.tls import Certificate, UnusableCertificate
from server.worker import status_of
from server.worker_channel import ExitStatus
from tests.helpers.certificates import key_pem, new_certificate, write_certificate
from tests.helpers.server_process import ServerProcess, running_server
from tests.helpers.yjs_peer import YjsPeer
from tests.server.test_main import Terminal


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """A certificate with its key, in one file."""
    return write_certificate(tmp_path / "both.pem")


def complaint(certfile: Path, keyfile: Path | None = None) -> str:
    """What is said of files that cannot be used."""
    with pytest.raises(UnusableCertificate) as refused:
        Certificate(certfile, keyfile)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path, both: Path) -> None:
    """TLS-2"""
    missing = tmp_path / "missing.pem"
    assert complaint(missing) == f"{missing}: No such file or directory"
    assert complaint(both, missing) == f"{missing}: No such file or directory"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """TLS-2"""
    assert complaint(tmp_path) == f"{tmp_path}: Is a directory"


def test_a_key_of_another_certificate_is_refused(tmp_path: Path, both: Path) -> None:
    """TLS-2"""
    other = tmp_path / "other.pem"
    other.write_bytes(key_pem(new_certificate()[1]))
    assert "is not that of the certificate" in complaint(both, other)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused(tmp_path: Path, content: bytes) -> None:
    """TLS-2"""
    path = tmp_path / "x.pem"
    path.write_bytes(content)
    assert str(path) in complaint(path)


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    """TLS-2"""
    path = tmp_path / "x.pem"
    path.write_bytes(new_certificate()[0])
    assert str(path) in complaint(path)


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked(tmp_path: Path) -> None:
    """TLS-2"""
    certificate, key = new_certificate()
    path = tmp_path / "x.pem"
    path.write_bytes(certificate + key_pem(key, b"secret"))
    assert "passphrase" in complaint(path)


def test_old_protocols_are_not_spoken(both: Path) -> None:
    """TLS-1"""
    assert Certificate(both).context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_serve_tells_in_one_line_and_ends_with_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS-2"""
    monkeypatch.chdir(tmp_path)
    line = Terminal(capsys).complaint("serve", "--ssl-certfile", "missing.pem")
    assert "missing.pem: No such file or directory" in line
    line = Terminal(capsys).complaint("serve", "--ssl-keyfile", "missing.pem")
    assert "COLLAB_SSL_CERTFILE" in line


# Renewing


@asynccontextmanager
async def listening(certificate: Certificate) -> AsyncIterator[int]:
    """A port that answers with a certificate."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=certificate.context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def shown_at(port: int) -> bytes:
    """The certificate that a server shows."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain) as secured,
    ):
        return secured.getpeercert(binary_form=True) or b""


@pytest.fixture
def certificate(both: Path) -> Certificate:
    """The one in use."""
    return Certificate(both)


async def test_renewed_files_are_taken_for_new_connections(
    both: Path, certificate: Certificate
) -> None:
    """TLS-3"""
    async with listening(certificate) as port:
        before = await asyncio.to_thread(shown_at, port)
        assert not await certificate.renew()
        await asyncio.to_thread(write_certificate, both)
        assert await certificate.renew()
        after = await asyncio.to_thread(shown_at, port)
        assert before != after
        assert not await certificate.renew()


async def test_renewed_files_that_cannot_be_used_are_not_taken(
    both: Path, certificate: Certificate
) -> None:
    """TLS-3"""
    async with listening(certificate) as port:
        before = await asyncio.to_thread(shown_at, port)
        for damage in (lambda: both.write_bytes(b"half of it"), both.unlink):
            await asyncio.to_thread(damage)
            assert not await certificate.renew()
            assert await asyncio.to_thread(shown_at, port) == before
        await asyncio.to_thread(write_certificate, both)
        assert await certificate.renew()


# Handshakes, and what becomes of a worker


async def test_a_handshake_that_is_not_begun_is_cut(certificate: Certificate) -> None:
    """CON-2"""
    settings = Settings(header_seconds=0.3)
    ready = asyncio.Event()
    server = GracefulServer(
        uvicorn_config(settings, Starlette(), "websockets-sansio", certificate),
        stop_seconds=2.0,
        on_ready=ready.set,
        guard=ConnectionGuard.of(settings, Counters()),
    )
    listener = open_listener("127.0.0.1", 0)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await asyncio.wait_for(ready.wait(), 10)
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(listener))
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    server.stop()
    await serving


def test_a_worker_without_its_certificate_may_be_started_again() -> None:
    """TLS-3"""
    assert status_of(UnusableCertificate("half of it")) is ExitStatus.FAILED


# The whole server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a certificate of its own."""
    certificate = write_certificate(tmp_path_factory.mktemp("tls") / "both.pem")
    with running_server(certificate=certificate) as process:
        yield process


async def test_two_people_edit_through_tls(server: ServerProcess) -> None:
    """TLS-1"""
    session = await server.create_session()
    trust = server.trust
    assert isinstance(trust, ssl.SSLContext)
    async with (
        await YjsPeer.join(session.invite().url, trust=trust) as ada,
        await YjsPeer.join(session.invite().url, trust=trust) as ben,
    ):
        ada.objects["a"] = "x" * 300_000
        await ben.until(lambda: "a" in ben.objects)
    answer = await server.request("GET", "/health")
    assert "strict-transport-security" in answer.headers


async def test_the_address_it_prints_is_https(server: ServerProcess) -> None:
    assert f"listening on https://127.0.0.1:{server.port}" in server.log()


async def test_who_speaks_no_tls_is_not_answered(server: ServerProcess) -> None:
    """TLS-1"""
    with pytest.raises(Exception, match=r".*"):
        async with connect(f"ws://127.0.0.1:{server.port}/", open_timeout=5):
            pass
