"""Where one person of a run connects, and as whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, Self


class Framing(Enum):
    """What is around a message of y-protocols."""

    YJS = "yjs"
    HOCUSPOCUS = "hocuspocus"


@dataclass(frozen=True, slots=True)
class Seat:
    """One place on a server.

    Attributes:
        number: of the person, 0 and up; everybody has a seat in each of their meetings.
        room: index of its document in the run.
        path: of the WebSocket, with its query.
        document: in Hocuspocus framing, the name that each message begins with.
        acknowledges: whether this server says what it has stored.
        api: address of this server's REST API; empty for others.
        token: for REST; empty for others.
        session: id of the session, of OCW or of an XR room; empty for others.
    """

    number: int
    room: int
    host: str
    port: int
    is_tls: bool
    path: str
    document: str = ""
    framing: Framing = Framing.YJS
    acknowledges: bool = False
    api: str = ""
    token: str = ""
    session: str = ""
    is_xr: bool = False

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {**asdict(self), "framing": self.framing.value}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        return cls(**{**content, "framing": Framing(content["framing"])})
