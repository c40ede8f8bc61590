"""What a tick of the pose lane wants sent, and what the lane counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic

from crdt_docs.pose_slots import KeyT


@dataclass(slots=True)
class PoseCounters:
    """Since the lane began.

    Attributes:
        taken: poses that became somebody's latest.
        stragglers: dropped, because they are of a seat that is over, or of nobody.
        stale: dropped, because a newer one came before.
        foreign: refused, because they are of somebody else's slot.
        frames: sent, each counted for everybody it went to.
        records: poses in them.
        skipped: how often somebody was sent nothing because its transport was behind.
        silenced: participants who were gone by silence.
    """

    taken: int = 0
    stragglers: int = 0
    stale: int = 0
    foreign: int = 0
    frames: int = 0
    records: int = 0
    skipped: int = 0
    silenced: int = 0


@dataclass(slots=True)
class Outgoing(Generic[KeyT]):
    """One message, and whom to send it.

    Attributes:
        data: one object, to be made into a WebSocket frame once.
        records: poses in it.
        up_to: the tick up to which it tells of held objects.
        is_empty: nothing is new in it.
    """

    data: bytes
    records: int = 0
    up_to: int = 0
    is_empty: bool = False
    to: list[KeyT] = field(default_factory=list)


@dataclass(slots=True)
class LaneTurn(Generic[KeyT]):
    """What a tick wants sent, in this order. Between `rosters` and `frames` those who are welcomed
    are to be told what is held.

    Attributes:
        gone: whom the lane itself put out: who was silent, or came back on another socket.
    """

    tick: int
    gone: list[KeyT] = field(default_factory=list)
    welcomes: list[tuple[KeyT, bytes]] = field(default_factory=list)
    rosters: list[Outgoing[KeyT]] = field(default_factory=list)
    frames: list[Outgoing[KeyT]] = field(default_factory=list)
