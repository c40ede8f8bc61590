"""Somebody to ask who may hold what, and transforms of held objects by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from crdt_docs.hold_effects import Denied, Effect, Ended, Granted, Landed
from crdt_docs.pose_messages import Denial, TransformUp
from crdt_docs.pose_numbers import Quaternion, Vector
from crdt_docs.poses import Transform, encode_transform

UPRIGHT: Quaternion = (0.0, 0.0, 0.0, 1.0)

Kind = TypeVar("Kind")
Effects: TypeAlias = tuple[Effect[str], ...]


@dataclass
class House:
    """Says who may hold what, as a test has it.

    Attributes:
        refused: by participant, or by object, why not.
    """

    hosts: set[str] = field(default_factory=set)
    refused: dict[str, Denial] = field(default_factory=dict)

    def refusal(self, holder: str, object_id: str) -> Denial | None:
        """See `holds.Permits`."""
        return self.refused.get(holder) or self.refused.get(object_id)

    def is_host(self, holder: str) -> bool:
        """See `holds.Permits`."""
        return holder in self.hosts


def at(
    granted: Granted[str],
    *position: float,
    rotation: Quaternion = UPRIGHT,
    scale: Vector | None = None,
) -> TransformUp:
    """An object under a grant, moved here: metres along x, and if given y and z."""
    x, y, z = (*position, 0.0, 0.0)[:3]
    return up(Transform(granted.object_slot, granted.sequence & 0xFFFF, (x, y, z), rotation, scale))


def up(transform: Transform) -> TransformUp:
    """A transform as it comes in a pose."""
    record = encode_transform(transform)
    return TransformUp(transform.object_slot, transform.sequence, record)


def granted(effects: Effects) -> Granted[str]:
    """The grant that these effects are, and nothing else."""
    (grant,) = effects
    assert isinstance(grant, Granted), grant
    return grant


def denied(effects: Effects) -> tuple[Denial, int]:
    """Why nothing was granted, and the current number."""
    (denial,) = effects
    assert isinstance(denial, Denied), denial
    return denial.reason, denial.sequence


def ends(effects: Effects) -> list[Ended[str]]:
    """The ends of holds among these effects."""
    return [effect for effect in effects if isinstance(effect, Ended)]


def landings(effects: Effects) -> list[tuple[str, Vector, str]]:
    """What is to be written into the document: object, position, in whose name."""
    return [
        (effect.object_id, effect.transform.position, effect.holder)
        for effect in effects
        if isinstance(effect, Landed)
    ]
