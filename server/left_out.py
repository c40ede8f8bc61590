"""What libraries load, and no process of this server uses; and what a worker seldom does.

`None` in `sys.modules` says that there is no such module (Python's reference, "The module cache").
Those who ask for these do without: they are optional to them. uvicorn's package cannot be told so,
but only names what its command line holds, and gets a module with these names.

What a process has loaded is most of the memory that it takes, so its entry leaves them out before
it imports anything else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Final

from pydantic import BaseModel, ConfigDict

from server.settings import names_key_set

NEVER_USED: Final = (
    "greenlet",  # structlog: variables of one thread or greenlet; ours are of a context
    "pydantic.v1",  # FastAPI: to say that models of the old kind are refused; there are none
    "rich",  # structlog: tracebacks in colours; ours are text before they get there
)
OF_PUBLIC_KEYS: Final = ("cryptography",)
"""PyJWT: for signatures that are checked with public keys; a secret needs the standard library."""


def leave_out_unused() -> None:
    """For a process of this server, first of all: what is loaded already stays."""
    _leave_out(NEVER_USED)
    _leave_out_command_line()
    if not names_key_set():
        _leave_out(OF_PUBLIC_KEYS)


def put_off_openapi_models() -> None:
    """Let FastAPI's models of an OpenAPI document be built when somebody asks for ours (in a
    thread), and not when FastAPI is loaded: pydantic has a setting for that, which they inherit.
    """
    BaseModel.model_config = ConfigDict(defer_build=True)
    try:
        import fastapi.openapi.models  # noqa: F401, PLC0415 - under this setting, and not later
    finally:
        BaseModel.model_config = ConfigDict()


def _leave_out(modules: Iterable[str]) -> None:
    for name in modules:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # typeshed knows modules only


def _leave_out_command_line() -> None:
    """uvicorn's own, with click and all that starts processes."""
    standing_in = ModuleType("uvicorn.main")
    standing_in.__dict__.update(dict.fromkeys(("Server", "main", "run")))
    sys.modules.setdefault(standing_in.__name__, standing_in)
