"""What the sockets of one user may do together: how many there are, how fast they send, how many
rooms they enter.

- LIM-1: a user has at most so many sockets at once; there are at most so many sockets in all.
- LIM-2: messages, control frames among them, and their bytes come at most at a rate, over all of
  a user's sockets, with a burst. Leaving and coming back gives nobody a new budget. Four messages
  of presence count as one: stock y-websocket clients send back all presence that they are told.
  So do four poses or beats; what else is said on the pose lane costs as much as an edit.
- LIM-3: step 2 messages are exempt from LIM-2, up to so many a minute on one socket: they are as
  large as documents, and come when somebody connects and not again.
- LIM-4: a user enters at most so many rooms a minute.
- LIM-5: services are exempt from all of these but the number of sockets in all.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from crdt_docs.messages import MessageType, is_step2
from crdt_docs.pose_fields import Kind
from server.counters import Counters
from server.limits.message_budget import MessageBudget, Rates
from server.limits.names import Limit
from server.limits.windows import PerMinute

MOST_QUIET_USERS = 20_000
"""Users without a socket whose budgets are remembered."""

STEP2_PER_MINUTE = 60
PRESENCE_COST = 0.25

_OFTEN = (
    bytes((MessageType.AWARENESS,)),
    bytes((MessageType.POSE, Kind.POSE)),
    bytes((MessageType.POSE, Kind.BEAT)),
)
"""How frames begin that say where people are: they come many times a second, and cost the server
little."""
MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """How much of what.

    Attributes:
        rates: of the messages of a user.
        connections: sockets of a user at once.
        rooms: that a user may enter in a minute.
        all_connections: sockets of everybody at once.
    """

    rates: Rates
    connections: int
    rooms: int
    all_connections: int


class OverLimit(Exception):  # noqa: N818 - says what is the case
    """Too much was asked for. `str()` tells a developer of what."""

    def __init__(self, limit: Limit, reason: str) -> None:
        super().__init__(reason)
        self.limit = limit


class _User:
    """One user with sockets, or who had some lately."""

    __slots__ = ("budget", "connections")

    def __init__(self, rates: Rates) -> None:
        self.budget = MessageBudget(rates)
        self.connections = 0


class Users:
    """Everybody who has a socket."""

    def __init__(
        self,
        limits: SocketLimits,
        counters: Counters,
        *,
        clock: Callable[[], float] = time.monotonic,
        most_quiet: int = MOST_QUIET_USERS,
    ) -> None:
        self._limits = limits
        self._counters = counters
        self._clock = clock
        self._most_quiet = most_quiet
        self._users: dict[UUID, _User] = {}
        self._quiet: OrderedDict[UUID, _User] = OrderedDict()
        self._rooms = PerMinute(limits.rooms, clock=clock)
        self._connections = 0

    @property
    def connections(self) -> int:
        """How many sockets there are in all."""
        return self._connections

    def __len__(self) -> int:
        """How many users are remembered."""
        return len(self._users) + len(self._quiet)

    def enter(self, user_id: UUID, *, is_service: bool) -> Passage:
        """One more socket of a user.

        Raises:
            OverLimit: it is one too many (LIM-1).
        """
        if self._connections >= self._limits.all_connections:
            self._refuse(Limit.ALL_CONNECTIONS, "the server is full; retry later")
        if is_service:
            self._connections += 1
            return Passage(self, user_id, None, self._clock)
        user = self._users.get(user_id) or self._quiet.get(user_id) or _User(self._limits.rates)
        if user.connections >= self._limits.connections:
            reason = f"a user may have {self._limits.connections} connections at once"
            self._refuse(Limit.CONNECTIONS, reason)
        self._quiet.pop(user_id, None)
        self._users[user_id] = user
        user.connections += 1
        self._connections += 1
        return Passage(self, user_id, user.budget, self._clock)

    def enter_room(self, user_id: UUID) -> None:
        """A user enters a room.

        Raises:
            OverLimit: there were too many lately (LIM-4).
        """
        key = user_id.hex
        if not self._rooms.hit(key):
            wait = self._rooms.seconds_left(key)
            reason = f"a user may enter {self._rooms.most} rooms a minute; retry in {wait} s"
            self._refuse(Limit.ROOMS, reason)

    def leave(self, user_id: UUID, *, is_service: bool) -> None:
        """A socket is gone."""
        self._connections -= 1
        if is_service:
            return
        user = self._users[user_id]
        user.connections -= 1
        if user.connections:
            return
        del self._users[user_id]
        if not user.budget.is_full(self._clock()):
            self._quiet[user_id] = user
            if len(self._quiet) > self._most_quiet:
                self._quiet.popitem(last=False)

    def count(self, limit: Limit) -> None:
        """A limit was met."""
        self._counters.count_limited(limit)

    def _refuse(self, limit: Limit, reason: str) -> None:
        self.count(limit)
        raise OverLimit(limit, reason)


class Passage:
    """One socket of a user, and what it may still send."""

    __slots__ = ("_budget", "_clock", "_is_gone", "_step2_until", "_user_id", "_users")

    def __init__(
        self,
        users: Users,
        user_id: UUID,
        budget: MessageBudget | None,
        clock: Callable[[], float],
    ) -> None:
        """`budget`: None for those who are exempt."""
        self._users = users
        self._user_id = user_id
        self._budget = budget
        self._clock = clock
        self._step2_until = 0.0
        self._is_gone = False

    def enter_room(self) -> None:
        """The socket enters a room.

        Raises:
            OverLimit: see `Users.enter_room`.
        """
        if self._budget is not None:
            self._users.enter_room(self._user_id)

    def take_frame(self, frame: bytes, size: int) -> bool:
        """Whether a message of y-protocols may come (LIM-2, LIM-3).

        Args:
            size: of all that came, in bytes.
        """
        budget = self._budget
        if budget is None:
            return True
        if is_step2(frame):
            return self.take_step2(size)
        cost = PRESENCE_COST if frame.startswith(_OFTEN) else 1.0
        return budget.take(size, self._clock(), cost)

    def take(self, size: int) -> bool:
        """Whether any other message of so many bytes may come (LIM-2)."""
        budget = self._budget
        return budget is None or budget.take(size, self._clock())

    def take_step2(self, size: int) -> bool:
        """Whether a step 2 may come: for nothing, or else like any other message (LIM-3)."""
        if self._budget is None:
            return True
        now = self._clock()
        until = max(self._step2_until, now) + MINUTE / STEP2_PER_MINUTE
        if until - now > MINUTE:
            return self._budget.take(size, now)
        self._step2_until = until
        return True

    def refuse(self) -> None:
        """It sent too much, and is let go for it."""
        self._users.count(Limit.MESSAGES)

    def leave(self) -> None:
        """The socket is gone; later calls change nothing."""
        if not self._is_gone:
            self._is_gone = True
            self._users.leave(self._user_id, is_service=self._budget is None)
