"""What a server is to the harness."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from loadtest.plan import Plan
from loadtest.seat import Seat


class CannotRun(Exception):  # noqa: N818 - says what is the case
    """The server is not there, did not start, or refuses what a run needs."""


class Misuse(Exception):  # noqa: N818 - says what is the case
    """What was asked for makes no sense: no such server, a scenario that this one has not."""


@dataclass(frozen=True, slots=True)
class ServerPids:
    """The processes of a server on this machine; empty where it runs elsewhere.

    Attributes:
        server: those that serve the sockets.
        beside: its database, its supervisor.
    """

    server: tuple[int, ...] = ()
    beside: tuple[int, ...] = ()


class Casting(Protocol):
    """What a target has to know of a scenario."""

    @property
    def kind(self) -> str:
        """`ocw` or `xr`."""

    @property
    def needs_api(self) -> bool:
        """Whether people use this server's REST API."""

    def role(self, place: int) -> str:
        """As what somebody comes: `host`, `editor`, `viewer`, `spectator`, or `service`."""


class Target(Protocol):
    """A running server; entering the context starts it where it is ours, leaving stops it."""

    @property
    def name(self) -> str:
        """Which server this is."""

    @property
    def version(self) -> str:
        """What it says its version is; empty where it says nothing."""

    @property
    def url(self) -> str:
        """Its address."""

    @property
    def acknowledges(self) -> bool:
        """Whether it says what it has stored."""

    @property
    def pids(self) -> ServerPids:
        """Its processes now."""

    def __enter__(self) -> Self:
        """
        Raises:
            CannotRun: it did not start, or is not there.
        """

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it, where it is ours."""

    def seats(self, plan: Plan, scenario: Casting) -> list[Seat]:
        """Places in new rooms, as many as `plan.seats`, in their order.

        Raises:
            CannotRun: it refuses to make rooms or tokens.
            Misuse: it has no such rooms.
        """
