"""Runs the engine in a process of its own: libFuzzer ends the process that it runs in."""

from __future__ import annotations

import importlib.util
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
MEGABYTES = 1024
SECONDS_AN_INPUT = 25

WITHOUT_ENGINE = (
    "fuzzing needs atheris, which has wheels for Linux on x86-64 and Python 3.11 to 3.14:"
    " .venv/bin/pip install atheris"
)


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """How a run ended.

    Attributes:
        status: 0 where nothing was found.
        log: what the engine said, the end of it.
        inputs: how many were tried.
    """

    status: int
    log: str
    inputs: int


def has_engine() -> bool:
    """Whether atheris is installed."""
    return importlib.util.find_spec("atheris") is not None


def _inherited_megabytes() -> int:
    """What a process that we start seems to have used at most before it begins: as much as we."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def fuzz(target: str, folder: Path, *limits: str, patience: float) -> Fuzzed:
    """Fuzz a target until one of libFuzzer's limits is reached, or something is found.

    Args:
        folder: where what is found is left.
        limits: `-runs=…`, `-max_total_time=…`, `-seed=…`.
        patience: seconds after which the run is given up.
    """
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.engine",
        target,
        f"-rss_limit_mb={_inherited_megabytes() + MEGABYTES}",
        f"-timeout={SECONDS_AN_INPUT}",
        f"-artifact_prefix={folder}/found-",
        "-print_final_stats=1",
        *limits,
        str(folder / "corpus"),
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=patience,
        check=False,
    )
    log = done.stdout.decode(errors="replace")
    return Fuzzed(done.returncode, log[-6000:], _number(log, "stat::number_of_executed_units:"))


def _number(log: str, name: str) -> int:
    for line in log.splitlines():
        if line.startswith(name):
            return int(line.split()[-1])
    return 0
