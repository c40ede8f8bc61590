"""Which target somebody means."""

from __future__ import annotations

from loadtest.targets.collab import NAME, Collab, CollabService
from loadtest.targets.peers import PEERS, Elsewhere, Peer
from loadtest.targets.target import Misuse, Target

NAMES = (NAME, *PEERS)


def started(name: str, port: int = 0, *, keeps_limits: bool = False) -> Target:
    """A server that is started for the run, and stopped after it.

    Args:
        keeps_limits: this server has its ordinary limits, as a scenario may want.

    Raises:
        Misuse: there is none of this name.
    """
    if name == NAME:
        return Collab(port, keeps_limits=keeps_limits)
    if name not in PEERS:
        raise Misuse(f"there is no target {name}: {', '.join(NAMES)}")
    return Peer(PEERS[name], port)


def chosen(
    name: str = NAME, url: str = "", token: str = "", *, keeps_limits: bool = False
) -> Target:
    """A server of this name: the one at `url`, or one that is started.

    Args:
        token: of a service, for this server at a `url`.

    Raises:
        Misuse: there is none of this name, or a token is missing.
    """
    if not url:
        return started(name, keeps_limits=keeps_limits)
    if name == NAME:
        if not token:
            raise Misuse("this server needs the token of a service: collab token --service")
        return CollabService(url, token)
    if name not in PEERS:
        raise Misuse(f"there is no target {name}: {', '.join(NAMES)}")
    return Elsewhere(name, url, PEERS[name].framing)
