"""Answers to handshakes that nobody takes."""

from __future__ import annotations

import pytest
from websockets.server import ServerProtocol

from server.refused_handshakes import refused_handshake
from server.security_headers import SECURITY_HEADERS


@pytest.mark.parametrize("text", ["", "no key\n"])
def test_they_are_what_the_library_says_and_more(text: str) -> None:
    """HDR-1"""
    ours = refused_handshake(400, text, is_secure=False)
    theirs = ServerProtocol().reject(400, text)
    assert (ours.status_code, ours.reason_phrase, ours.body) == (400, "Bad Request", text.encode())
    more = {name.lower() for name in SECURITY_HEADERS}
    assert {name.lower() for name in ours.headers} == {n.lower() for n in theirs.headers} | more
    for name, value in SECURITY_HEADERS.items():
        assert ours.headers.get_all(name) == [value]


def test_under_tls_browsers_are_told_to_stay_there() -> None:
    """HDR-3"""
    answer = refused_handshake(403, "", is_secure=True)
    assert "strict-transport-security" in answer.headers
