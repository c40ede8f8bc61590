"""What the server counts."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Plain numbers, only ever rising.

    Attributes:
        closes: sockets closed by the server, by close code.
        failed_permission_checks: looks at who may be where that came to nothing (ACC-12).
        refused_documents: of Hocuspocus sockets, that were not opened.
        ignored_stateless: messages for an application on the server, which has none.
        refused_poses: messages of the pose lane that closed their socket.
        dropped_transforms: of objects that their senders do not hold.
        failed_landings: objects whose last place could not be written into the document.
        limited: what was refused or cut off for being too much, by the limit's name.
    """

    connections: int = 0
    commits: int = 0
    refused_edits: int = 0
    failed_frames: int = 0
    failed_loads: int = 0
    failed_projections: int = 0
    failed_permission_checks: int = 0
    refused_documents: int = 0
    ignored_stateless: int = 0
    refused_poses: int = 0
    dropped_transforms: int = 0
    failed_landings: int = 0
    closes: dict[int, int] = field(default_factory=dict)
    limited: dict[str, int] = field(default_factory=dict)

    def count_close(self, code: int) -> None:
        """One more socket closed with this code."""
        self.closes[code] = self.closes.get(code, 0) + 1

    def count_limited(self, limit: str) -> None:
        """Once more somebody met this limit."""
        self.limited[limit] = self.limited.get(limit, 0) + 1
