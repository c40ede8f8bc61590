"""The entry of `collab`: leaves out what is never used, then runs the command."""

from __future__ import annotations

import sys

from server.left_out import leave_out_unused


def main() -> int:
    """Run one command; returns the exit status."""
    leave_out_unused()
    from server import command_line  # noqa: PLC0415 - not before that

    return command_line.main()


if __name__ == "__main__":
    sys.exit(main())
