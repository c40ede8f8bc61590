"""`python -m loadtest`, which is `collab-loadtest`."""

from __future__ import annotations

import signal
import sys

from loadtest import cli


def main() -> int:
    """Run one command; returns the exit status.

    Whoever ends it with SIGTERM leaves no server behind, as with Ctrl-C.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
