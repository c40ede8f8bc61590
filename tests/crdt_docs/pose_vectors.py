"""What both codecs of the pose lane have to write and to read, bit for bit (`pose_vectors.json`).

The TypeScript codec in `web/client` is tested with the same file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from crdt_docs.poses import Placed, Pose, Transform

VECTORS: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "pose_vectors.json").read_text()
)


def pose_of(told: dict[str, Any]) -> Pose:
    """A pose as the file tells it."""
    places = {part: _placed(told[part]) for part in ("head", "left", "right") if part in told}
    return Pose(told["slot"], told["generation"], told["sequence"], told["captured"], **places)


def transform_of(told: dict[str, Any]) -> Transform:
    """A transform as the file tells it."""
    placed = _placed(told)
    scale = tuple(told["scale"]) if "scale" in told else None
    return Transform(told["object_slot"], told["sequence"], *placed, scale)


def _placed(told: dict[str, Any]) -> Placed:
    return Placed(tuple(told["position"]), tuple(told["rotation"]))
