"""What holds cause: whom to tell what, and what to write into the document (POS-30 to POS-40)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar

from crdt_docs.pose_messages import Denial
from crdt_docs.poses import Transform

HolderT = TypeVar("HolderT", bound=Hashable)


class EndReason(StrEnum):
    """Why a hold ended; for counting."""

    RELEASED = "released"
    LEFT = "left"
    EXPIRED = "expired"
    FORCED = "forced"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Granted(Generic[HolderT]):
    """Somebody holds an object from now on: everybody is to be told."""

    object_id: str
    object_slot: int
    sequence: int
    holder: HolderT


@dataclass(frozen=True, slots=True)
class Ended(Generic[HolderT]):
    """Somebody does not hold an object any more: everybody is to be told.

    Attributes:
        sequence: the number after the end.
        holder: whose hold it was.
    """

    object_id: str
    object_slot: int
    sequence: int
    holder: HolderT
    reason: EndReason


@dataclass(frozen=True, slots=True)
class Denied(Generic[HolderT]):
    """Somebody is not granted an object: they are to be told.

    Attributes:
        sequence: the current number of the object.
    """

    object_id: str
    sequence: int
    holder: HolderT
    reason: Denial


@dataclass(frozen=True, slots=True)
class Landed(Generic[HolderT]):
    """Where an object came to rest: to be written into the document, in the holder's name (see
    `object_transforms.put_transform`)."""

    object_id: str
    transform: Transform
    holder: HolderT


Effect: TypeAlias = Granted[HolderT] | Ended[HolderT] | Denied[HolderT] | Landed[HolderT]
"""To be carried out in the order in which they come: what landed is written while it is held."""
