"""Fuzzes one target with coverage guidance: `python -m tests.fuzz.engine <target> [libFuzzer's…]`.

    python -m tests.fuzz.engine life -max_total_time=60 -seed=1 found/

Inputs that reach something new are kept in the first folder given. It ends with status 0 when
nothing was found, and otherwise leaves the input behind (`-artifact_prefix=`).
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["crdt_docs"]):
    from tests.fuzz.targets import Target, targets

from tests.fuzz.kept import kept
from tests.helpers.yrs_process import YrsProcess

STRUCTURAL = 0.9
"""How often an input is changed by what it says, and not by its bytes."""


def main(arguments: list[str]) -> None:
    """Fuzz until libFuzzer's arguments say that it is enough. Does not return."""
    name, *options = arguments
    with YrsProcess() as yrs, tempfile.TemporaryDirectory(prefix="collab-fuzz-") as seeds:
        target = targets(yrs)[name]
        write_seeds([*target.seeds(), *kept(name)], target.longest, Path(seeds))
        found = [each for each in options if not each.startswith("-")] or [f"{seeds}/found"]
        Path(found[0]).mkdir(parents=True, exist_ok=True)
        flags = [each for each in options if each.startswith("-")]
        atheris.Setup(
            [sys.argv[0], f"-max_len={target.longest}", *flags, *found, seeds],
            target.check,
            **_changers(target),
        )
        atheris.Fuzz()


def write_seeds(seeds: Iterable[bytes], longest: int, folder: Path) -> None:
    """What to begin with, one file each."""
    for seed in seeds:
        (folder / sha256(seed).hexdigest()[:16]).write_bytes(seed[:longest])


def _changers(target: Target) -> dict[str, object]:
    mutate, cross = target.mutate, target.cross
    if mutate is None or cross is None:
        return {}

    def changed(data: bytes, max_size: int, seed: int) -> bytes:
        if random.Random(seed).random() < STRUCTURAL:
            return mutate(data, max_size, seed)
        changed: bytes = atheris.Mutate(data, max_size)
        return changed

    return {"custom_mutator": changed, "custom_crossover": cross}


if __name__ == "__main__":
    main(sys.argv[1:])
