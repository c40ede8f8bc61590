"""GRD, FRM, AWR and POS under coverage-guided fuzzing: an ordinary run is the same every time.

The same by hand, for as long as one likes: `python -m tests.fuzz.engine life found/`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fuzz.kept import kept
from tests.fuzz.process import WITHOUT_ENGINE, Fuzzed, fuzz, has_engine
from tests.fuzz.targets import targets
from tests.helpers.proving import is_proving, missing

SHARES = {
    "life": 0.4,
    "pieces": 0.15,
    "json": 0.1,
    "frame": 0.05,
    "hocuspocus": 0.05,
    "presence": 0.15,
    "state_vector": 0.05,
    "poses": 0.05,
}
"""Of the time there is when proving."""
PROVING_SECONDS = 300.0
RUNS = {
    "life": 150,
    "pieces": 100,
    "json": 500,
    "frame": 2_000,
    "hocuspocus": 2_000,
    "presence": 500,
    "state_vector": 1_000,
    "poses": 1_000,
}
"""Inputs beyond the seeds in an ordinary run; some seconds in all."""
PATIENCE = 110.0


@pytest.fixture(scope="module", autouse=True)
def engine() -> None:
    if not has_engine():
        pytest.skip(missing(WITHOUT_ENGINE))


def _limits(target: str) -> tuple[list[str], float]:
    if is_proving():
        seconds = PROVING_SECONDS * SHARES[target]
        return [f"-max_total_time={round(seconds)}"], seconds + PATIENCE
    seeds = len(list(targets(None)[target].seeds())) + len(kept(target))
    return ["-seed=1", f"-runs={seeds + RUNS[target]}"], PATIENCE


def test_every_target_has_its_share() -> None:
    assert set(SHARES) == set(RUNS) == set(targets(None))
    assert sum(SHARES.values()) == pytest.approx(1.0)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("target", SHARES)
def test_fuzzing_finds_nothing(target: str, tmp_path: Path) -> None:
    limits, patience = _limits(target)
    done = fuzz(target, tmp_path, *limits, patience=patience)
    assert done.status == 0, done.log
    assert done.inputs >= 100
    assert _coverage(done) > 30, "the sources are not instrumented: fuzzing goes on blindly"


def _coverage(done: Fuzzed) -> int:
    """How many branches the engine says were taken."""
    reached = re.findall(r"cov: (\d+)", done.log)
    return int(reached[-1]) if reached else 0
