"""The entry of the process that serves: leaves out what is never used, then is the worker."""

from __future__ import annotations

import sys

from server.left_out import leave_out_unused, put_off_openapi_models


def main() -> int:
    """Be the worker; returns the exit status."""
    leave_out_unused()
    put_off_openapi_models()
    from server import worker  # noqa: PLC0415 - not before that

    return worker.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
