"""Rooms that wait, however little they are asked for (ROM-7)."""

from __future__ import annotations

from crdt_docs.pacing import Pacing


def paced(
    *,
    threshold: int = 8,
    update_interval: float = 0.008,
    update_budget: int = 1,
    presence_interval: float = 1 / 30,
) -> Pacing:
    """A pacing that is never in a hurry."""
    return Pacing(
        threshold=threshold,
        update_interval=update_interval,
        update_budget=update_budget,
        updates_at_once=0,
        presence_interval=presence_interval,
        presence_at_once=0,
    )
