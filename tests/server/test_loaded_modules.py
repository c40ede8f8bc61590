"""What the processes of `collab serve` load: each only what it needs, since that is most of the
memory that they take.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

SUPERVISOR = ("server.command_line", "server.supervisor")
WORKER = ("server.worker", "server.app", "server.direct_channel")

NOT_OF_A_SUPERVISOR = (
    "crdt_docs.document",
    "fastapi",
    "pycrdt",
    "pydantic_settings",
    "server.app",
    "server.authentication",
    "server.graceful_server",
    "server.worker",
    "starlette",
    "uvicorn",
    "uvloop",
    "websockets",
)
NOT_OF_A_WORKER = (
    "crdt_docs.svg",
    "hypothesis",
    "limits",
    "persistence.embedded_postgres",
    "persistence.memory_store",
    "persistence.memory_xr_tables",
    "persistence.migrations",
    "psutil",
    "purgatory",
    "pydantic_settings",
    "server.command_line",
    "server.memory_stores",
    "server.rebuilding",
    "server.supervisor",
    "server.transfer",
    "server.upkeep",
)


def loaded_with(modules: tuple[str, ...]) -> set[str]:
    """All that a new process has loaded once it has imported these."""
    script = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    command = [sys.executable, "-P", "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("process", "unwanted"),
    [(SUPERVISOR, NOT_OF_A_SUPERVISOR), (WORKER, NOT_OF_A_WORKER)],
    ids=["supervisor", "worker"],
)
def test_a_process_loads_nothing_that_only_others_need(
    process: tuple[str, ...], unwanted: tuple[str, ...]
) -> None:
    loaded = loaded_with(process)
    assert loaded >= set(process)
    assert loaded & set(unwanted) == set()
