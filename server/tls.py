"""The certificate with which this server proves who it is.

- TLS-1: TLS 1.2 or newer, HTTP/1.1.
- TLS-2: files that cannot be used are told of in one line before anything is started.
- TLS-3: renewed files are taken for new connections while the server runs; those that cannot be
  used are not, and the log says so.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import structlog

from server.settings import Settings

_log = structlog.get_logger(__name__)

LOOK_SECONDS = 60.0

Stamps = tuple[tuple[int, int, int], ...]


class UnusableCertificate(Exception):  # noqa: N818 - says what is the case
    """The files cannot be used. `str()` is one line that says which, and why."""


class Certificate:
    """A certificate chain and its key, in files.

    Attributes:
        context: with which connections are accepted; stays the same when files are renewed.
    """

    def __init__(self, certfile: Path, keyfile: Path | None = None) -> None:
        """Blocks: reads the files.

        Args:
            keyfile: None if the key is in the first file.

        Raises:
            UnusableCertificate: they cannot be used.
        """
        self._certfile = certfile
        self._keyfile = keyfile
        self._stamps = self._read_stamps()
        self.context = self._load()

    @classmethod
    def of(cls, settings: Settings) -> Certificate | None:
        """The configured one; None where there is none.

        Raises:
            UnusableCertificate: it cannot be used.
        """
        if settings.ssl_certfile is None:
            return None
        return cls(settings.ssl_certfile, settings.ssl_keyfile)

    async def watch(self, interval: float = LOOK_SECONDS) -> None:
        """Take renewed files, for ever (TLS-3)."""
        while True:
            await asyncio.sleep(interval)
            await self.renew()

    async def renew(self) -> bool:
        """Take the files if they have changed and can be used; whether they were taken."""
        try:
            stamps = await asyncio.to_thread(self._read_stamps)
            if stamps == self._stamps:
                return False
            self._stamps = stamps
            await asyncio.to_thread(self._load)  # first elsewhere: half of it must not be taken
            self._fill(self.context)
        except UnusableCertificate as error:
            _log.error("renewed certificate not taken", why=str(error))
            return False
        _log.info("renewed certificate taken")
        return True

    def _read_stamps(self) -> Stamps:
        return tuple(_stamp(path) for path in (self._certfile, self._keyfile) if path is not None)

    def _load(self) -> ssl.SSLContext:
        for path in (self._certfile, self._keyfile):
            if path is not None:
                _check_readable(path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        self._fill(context)
        return context

    def _fill(self, context: ssl.SSLContext) -> None:
        try:
            context.load_cert_chain(self._certfile, self._keyfile, password=_ask_nobody)
        except OSError as error:  # ssl.SSLError is one
            raise UnusableCertificate(self._explain(error)) from None

    def _explain(self, error: OSError) -> str:
        key = self._keyfile or self._certfile
        reason = getattr(error, "reason", None)
        if reason == "KEY_VALUES_MISMATCH":
            return f"the key in {key} is not that of the certificate in {self._certfile}"
        if reason in ("NO_START_LINE", "PEM_LIB", None):
            return f"{self._certfile} and {key} do not hold a certificate and its key in PEM"
        return f"{self._certfile} cannot be used as a certificate ({reason})"


def _ask_nobody() -> str:
    """OpenSSL would ask whoever sits at the terminal."""
    raise UnusableCertificate("the private key has a passphrase: give one without")


def _check_readable(path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise UnusableCertificate(f"{path}: {error.strerror}") from None


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise UnusableCertificate(f"{path}: {error.strerror}") from None
    return status.st_mtime_ns, status.st_size, status.st_ino
