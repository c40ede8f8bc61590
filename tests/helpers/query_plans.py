"""How PostgreSQL means to run a statement."""

from __future__ import annotations

import json
from typing import Any


def plan_nodes(explained: str) -> list[dict[str, Any]]:
    """All nodes of a plan, as `EXPLAIN (FORMAT JSON)` tells it; its root is the first."""
    return _nodes(json.loads(explained)[0]["Plan"])


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in _nodes(child))]
