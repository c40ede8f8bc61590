"""The page, built from its sources as `make web` does."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from server.pages import PAGE_DIRECTORY
from tests.helpers.proving import missing

WEB = PAGE_DIRECTORY.parent
INSTALL_SECONDS = 240
BUILD_SECONDS = 120


def ensure_built() -> None:
    """Build the page if it is not there or older than its sources; skip where that cannot be."""
    if not _is_fresh():
        run_npm("run", "build")


def run_npm(*command: str) -> str:
    """Run npm in `web/`, with the packages of its lock file, and return what it printed.

    Raises:
        AssertionError: it failed.
    """
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(missing("the page needs Node 20 or newer with npm"))
    if not (WEB / "node_modules" / "three").is_dir():
        _run([npm, "ci", "--no-audit", "--no-fund"], INSTALL_SECONDS)
    return _run([npm, *command], BUILD_SECONDS)


def _run(command: list[str], seconds: float) -> str:
    done = subprocess.run(
        command, cwd=WEB, capture_output=True, text=True, timeout=seconds, check=False
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    return printed


def _is_fresh() -> bool:
    index = PAGE_DIRECTORY / "index.html"
    return index.is_file() and index.stat().st_mtime >= max(_ages())


def _ages() -> list[float]:
    sources: list[Path] = [*WEB.glob("src/**/*"), *WEB.glob("client/**/*"), *WEB.glob("*.*")]
    return [source.stat().st_mtime for source in sources if source.is_file()]
