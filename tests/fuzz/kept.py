"""The kept corpus: for each target one file with the inputs that reached something of their own.

    python -m tests.fuzz.kept life found/      # takes what a run found into the file

One file and not hundreds of small ones. It is packed and can be written anew at any time: an input
is dropped by leaving it out of the folder.
"""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

from crdt_docs.varint import read_var_bytes, var_bytes

FOLDER = Path(__file__).parent / "corpus"


def kept(target: str) -> list[bytes]:
    """The inputs that are kept for a target."""
    path = FOLDER / f"{target}.bin"
    if not path.exists():
        return []
    data = zlib.decompress(path.read_bytes())
    inputs = []
    position = 0
    while position < len(data):
        one, position = read_var_bytes(data, position)
        inputs.append(one)
    return inputs


def keep(target: str, inputs: set[bytes]) -> Path:
    """Write the inputs that are kept for a target, the short ones first."""
    path = FOLDER / f"{target}.bin"
    path.parent.mkdir(exist_ok=True)
    in_order = sorted(inputs, key=lambda each: (len(each), each))
    path.write_bytes(zlib.compress(b"".join(map(var_bytes, in_order)), 9))
    return path


if __name__ == "__main__":
    name, folder = sys.argv[1:]
    found = {each.read_bytes() for each in Path(folder).iterdir() if each.is_file()}
    keep(name, found)
