"""`python -m loadtest.targets NAME [--port PORT]`: one server, until it is told to stop.

Prints its address and, for this server, the token of a service.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from loadtest.targets.choosing import NAMES, started
from loadtest.targets.collab import Collab
from loadtest.targets.target import CannotRun


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns the exit status: 3 when it does not start."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.targets", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    options = parser.parse_args(arguments)
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, _leave)
    try:
        with started(options.name, options.port) as target:
            token = f" {target.service_token}" if isinstance(target, Collab) else ""
            print(f"{target.url}{token}", flush=True)  # noqa: T201 - what it is for
            while True:
                signal.pause()
    except CannotRun as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command line
        return 3


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    raise SystemExit(main())
