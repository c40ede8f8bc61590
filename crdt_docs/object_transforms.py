"""Where an object of an XR document stands: its field `transform`, written when a held object has
come to rest (POS-39), and put back when somebody else has moved one (RUL-9).

It is one value, `{position: {x, y, z}, rotation: {x, y, z, w}, scale: {x, y, z}}`: with a key for
each axis every move would leave ten structs behind.
"""

from __future__ import annotations

from typing import Any, Final

from pycrdt import Doc, Map

from crdt_docs.edit_values import same, writable
from crdt_docs.object_edits import objects_of
from crdt_docs.object_kinds import ObjectRoot
from crdt_docs.object_trees import Allowance, Plain, SharedMap, Tree, json_of, mend, tree_at
from crdt_docs.pose_numbers import Vector
from crdt_docs.poses import Transform

TRANSFORM: Final = "transform"

_UNSCALED: Final = (1.0, 1.0, 1.0)


def put_transform(doc: Doc[Any], object_id: str, transform: Transform) -> bool:
    """Write where an object stands, unless it stands there already or is there no more.

    Args:
        doc: within a transaction.
        object_id: in the root map `objects`.
        transform: without a scale, that of the object stays.

    Returns:
        Whether anything was written.
    """
    place = objects_of(doc, ObjectRoot.OBJECTS)
    before = _transform_of(place.get(object_id))
    known = before.to_py() if isinstance(before, Map) else before
    after = {**(known if isinstance(known, dict) else {}), **_shown(transform)}
    after.setdefault("scale", _axes(_UNSCALED))
    return not same(before, after) and _put(place, object_id, after)


def transform_at(place: Map[Any], key: str, allowance: Allowance) -> Tree:
    """An object as `mend_transform` takes it, of which only the transform is known; None: there is
    no object.

    Raises:
        NotKept: its transform could not be made again.
    """
    match place.get(key):
        case Map() as stands:
            transform = tree_at(stands, TRANSFORM, allowance)
            return SharedMap({} if transform is None else {TRANSFORM: transform})
        case dict() as stands:
            return Plain({name: value for name, value in stands.items() if name == TRANSFORM})
        case _:
            return None


def mend_transform(place: Map[Any], key: str, before: Tree) -> bool:
    """Make an object's transform what it was, and return whether it was not.

    Of what is deleted, or no object any more, nothing is made again.

    Args:
        place: a root map, within a transaction.
        key: in it.
        before: the object as `tree_at` or `transform_at` gave it.
    """
    stands, was = place.get(key), _transform_in(before)
    if isinstance(stands, Map):
        return mend(stands, TRANSFORM, was)
    if same(_transform_of(stands), json_of(was)):
        return False
    return _put(place, key, json_of(was))


def _put(place: Map[Any], key: str, transform: Any) -> bool:
    """Give what stands under a key this transform, or none; False: it is no object."""
    stands = place.get(key)
    match stands:
        case Map():
            stands[TRANSFORM] = writable(transform)
        case dict():
            rest = {name: value for name, value in stands.items() if name != TRANSFORM}
            own = {} if transform is None else {TRANSFORM: transform}
            place[key] = writable({**rest, **own})
        case _:
            return False
    return True


def _transform_of(stands: Any) -> Any:
    """The transform of what stands in a root map; None: it has none."""
    return stands.get(TRANSFORM) if isinstance(stands, Map | dict) else None


def _transform_in(tree: Tree) -> Tree:
    match tree:
        case SharedMap(members):
            return members.get(TRANSFORM)
        case Plain(dict() as whole) if TRANSFORM in whole:
            return Plain(whole[TRANSFORM])
        case _:
            return None


def _shown(transform: Transform) -> dict[str, Any]:
    x, y, z, w = transform.rotation
    shown = {"position": _axes(transform.position), "rotation": {"x": x, "y": y, "z": z, "w": w}}
    if transform.scale is not None:
        shown["scale"] = _axes(_shortened(transform.scale))
    return shown


def _axes(vector: Vector) -> dict[str, float]:
    x, y, z = vector
    return {"x": x, "y": y, "z": z}


def _shortened(scale: Vector) -> Vector:
    """It came as 32-bit floats, which have seven digits: 1.1 is not to become 1.100000023841858."""
    x, y, z = (float(f"{factor:.7g}") for factor in scale)
    return x, y, z
