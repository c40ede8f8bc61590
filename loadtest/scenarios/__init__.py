"""All scenarios, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from loadtest.scenarios.annotation_review import AnnotationReview
from loadtest.scenarios.crowd import Crowd
from loadtest.scenarios.join_storm import JoinStorm
from loadtest.scenarios.limits import Limits
from loadtest.scenarios.mixed_campus import MixedCampus
from loadtest.scenarios.reconnect_storm import ReconnectStorm
from loadtest.scenarios.scenario import Scenario
from loadtest.scenarios.search_and_history import SearchAndHistory
from loadtest.scenarios.slow_readers import SlowReaders
from loadtest.scenarios.soak import Soak
from loadtest.scenarios.whiteboard import Whiteboard
from loadtest.scenarios.xr_meeting import XrMeeting

_ALL: Final[tuple[type[Scenario], ...]] = (
    Whiteboard,
    Crowd,
    XrMeeting,
    MixedCampus,
    JoinStorm,
    ReconnectStorm,
    SlowReaders,
    AnnotationReview,
    SearchAndHistory,
    Limits,
    Soak,
)

SCENARIOS: Final[Mapping[str, type[Scenario]]] = {each.name: each for each in _ALL}
"""In the order in which they are listed."""
