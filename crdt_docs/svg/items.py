"""Objects as they are drawn: where they are, and what they become."""

from __future__ import annotations

from typing import Final, NamedTuple

from crdt_docs.projection import ObjectState
from crdt_docs.svg.geometry import Box
from crdt_docs.svg.markup import Markup
from crdt_docs.svg.values import Properties, angle, box, number

_SIZES: Final = {"sticky": (180.0, 180.0), "text": (240.0, 0.0), "frame": (640.0, 400.0)}
_USUAL: Final = (200.0, 130.0)


class Item(NamedTuple):
    """One object.

    Attributes:
        kind: its `object_type`, lower case.
        box: before it is turned about its centre.
        rotation: degrees from 0 to 360.
        has_position: a client said where it is.
        has_size: a client said how large it is.
    """

    id: str
    kind: str
    box: Box
    rotation: float
    layer: float
    properties: Properties
    has_position: bool = True
    has_size: bool = True


class Drawn(NamedTuple):
    """What an object became, and what that covers before it is turned."""

    markup: Markup
    box: Box


def item_of(identifier: str, state: ObjectState) -> Item:
    """An object as it is drawn; with the place and size of its type where it has none."""
    kind = state.object_type.strip().lower()
    return Item(
        id=identifier,
        kind=kind,
        box=box(state.position, state.size, _SIZES.get(kind, _USUAL)),
        rotation=angle(state.rotation),
        layer=number(state.layer) or 0.0,
        properties=Properties(state.properties),
        has_position=state.position is not None,
        has_size=state.size is not None,
    )
