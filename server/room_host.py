"""A room in the event loop: schedules its turns and carries out what they say."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from uuid import UUID

import structlog
from pycrdt import Doc

from crdt_docs import messages
from crdt_docs.access import Role, is_seen
from crdt_docs.document import is_panic
from crdt_docs.identifiers import ActorKind, DocumentName, Identity
from crdt_docs.member import Member
from crdt_docs.messages import CloseCode
from crdt_docs.number_ranges import join_ranges
from crdt_docs.object_changes import ObjectChange
from crdt_docs.room import Room
from crdt_docs.turn import Turn
from persistence.ports import Commit, Journal
from server.authentication import Credentials
from server.channels import Channel
from server.counters import Counters
from server.frames import OutgoingFrame
from server.heavy_work import heavy_work
from server.leases import Lease, Leases
from server.poison_list import READING
from server.pose_host import PoseHost
from server.receipts import Receipts
from server.witness import SOMEBODY, NoWitness, Visitor, Witness

log = structlog.get_logger(__name__)

T = TypeVar("T")

KEEPALIVE = OutgoingFrame(messages.KEEPALIVE)

RECEIPTS_HELD = 256
"""Receipts of one member that wait for commits, or for it to read."""

SHARED_FROM = 4096
"""Bytes from which a reply is worth remembering as a frame."""

POSE = bytes((messages.MessageType.POSE,))
"""How messages begin that are none of the document's."""

FRAMES_PER_TURN = 256
"""A turn is cut after so many frames, so that a flooded room goes on sending."""

BYTES_PER_TURN = 1024 * 1024
"""Likewise after so many bytes of frames: what waits for a turn is memory."""

QUIET_SECONDS = 0.002
"""A room without a turn for so long is quiet: what comes is dealt with where it is received."""


@dataclass(frozen=True, slots=True)
class HostSettings:
    """Attributes:
    keepalive: seconds of silence after which a socket is sent an empty presence message.
    slow_member: seconds a member may be behind before it is closed with 4503.
    """

    keepalive: float = 20.0
    slow_member: float = 60.0


@dataclass(slots=True)
class _Line:
    """What the host keeps of a connection: its channel and the receipts that wait for commits.

    Attributes:
        waiting: (journal position, messages dealt with, which of them were refused)
    """

    channel: Channel
    receipts: Receipts | None
    waiting: deque[tuple[int, int, list[range]]]
    behind_since: float | None = None


class Renewing(Protocol):
    """Decides about the tokens that members send in place of those they came with (ACC-14)."""

    def take_token(self, host: RoomHost, member: Member, token: str) -> None:
        """A member sent this. Returns at once; what is decided is told to the host later."""


class RoomHost:
    """Connects one `Room` with sockets and the journal."""

    def __init__(
        self,
        name: DocumentName,
        room: Room,
        *,
        last_seq: int,
        journal: Journal,
        counters: Counters,
        settings: HostSettings,
        on_broken: Callable[[RoomHost], None],
        renewing: Renewing | None = None,
        witness: Witness | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            last_seq: of the document's log.
            renewing: decides about new tokens; without it nobody can renew theirs.
            witness: sees who comes and goes, and what is refused.

        Attributes:
            has_lost_changes: rows of objects are not what the log says.
            on_broken: called once if the document fails; no new members may come afterwards.
            clock: monotonic seconds. Not the loop's: uvloop's stands still during one round, and
                a round that reads a flood is long.
        """
        self.name = name
        self.room = room
        self.last_seq = last_seq
        self.position = 0
        self.empty_since: float | None = None
        self.bytes_since_snapshot = 0
        self.updates_since_snapshot = 0
        self.has_lost_changes = False
        self._journal = journal
        self._counters = counters
        self._settings = settings
        self._on_broken = on_broken
        self._renewing = renewing
        self._witness = witness or NoWitness()
        self._loop = asyncio.get_running_loop()
        self._clock = clock
        self._lines: dict[Member, _Line] = {}
        self._leases = Leases(clock, self._expire)
        self._waiting: dict[Member, None] = {}
        self._scheduled = False
        self._inbox: list[tuple[Member, bytes]] = []
        self._inbox_bytes = 0
        self._turn_at = math.inf
        self._ended_at = -math.inf
        self._shared: OutgoingFrame | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.poses: PoseHost | None = None
        """The pose lane of a room of headsets."""
        self.empty_since = self._clock()

    @property
    def connections(self) -> int:
        """How many sockets are in the room."""
        return len(self._lines)

    # From the sockets

    def join(
        self,
        channel: Channel,
        identity: Identity,
        role: Role,
        *,
        receipts: Receipts | None = None,
        is_asked_back: bool = False,
        expires_at: float = math.inf,
        credentials: Credentials | None = None,
        visitor: Visitor = SOMEBODY,
    ) -> Member:
        """Let a socket in; it is greeted with the next turn.

        Args:
            receipts: how it is told what is stored; None: it is not.
            is_asked_back: see `Member`.
            expires_at: time of the host's clock at which it is closed with 4501.
            credentials: what its token says.
            visitor: what else is known of it.
        """
        member = Member(
            identity=identity,
            role=role,
            wants_receipts=receipts is not None,
            is_asked_back=is_asked_back,
        )
        channel.last_sent = self._clock()
        self._lines[member] = _Line(channel, receipts, deque())
        self._leases.put(member, Lease(credentials, expires_at))
        self.empty_since = None
        self.room.join(member)
        self._witness.came(self.name, member, visitor)
        self._schedule()
        return member

    def receive(self, member: Member, frame: bytes) -> None:
        """Keep a frame for the next turn, which comes when the room may pass it on; ignored once
        the member was let go.

        In a room that is waiting for its interval a turn of its own for every frame would cost
        more than the frame: most of the price of a turn is waking up for it.
        """
        if member not in self._lines:
            return
        if self.poses is not None and frame[:1] == POSE:
            self.poses.receive(member, frame)
            return
        self._inbox.append((member, frame))
        self._inbox_bytes += len(frame)
        if len(self._inbox) >= FRAMES_PER_TURN or self._inbox_bytes >= BYTES_PER_TURN:
            self._run_turn()
        elif not self._scheduled:
            due = self.room.opens_for(frame)
            if due < self._turn_at:
                self._run_turn_at(due, since=self._ended_at)

    def _take_in(self) -> None:
        """Hand the frames kept on to the room, in the order in which they came."""
        inbox, self._inbox = self._inbox, []
        self._inbox_bytes = 0
        room, lines = self.room, self._lines
        room.accepts_edits = not self._journal.is_full
        for member, frame in inbox:
            try:
                room.receive(member, frame)
            except Exception:
                # What is behind it would be lost, and nobody told: everybody brings it again.
                log.exception("a frame could not be dealt with", document=self.name)
                self._counters.failed_frames += 1
                room.break_off(member)
                self._schedule()
                return
            if member.is_busy and (line := lines.get(member)) is not None:
                line.channel.pause_reading()

    def expel(self, member: Member, code: CloseCode, reason: str) -> None:
        """Close a member's socket for what it sent."""
        self._take_in()
        self.room.expel(member, code, reason)
        self._schedule()

    def leave(self, member: Member) -> None:
        """The socket is gone; what came from it before is in the inbox."""
        if member in self._lines:
            self._take_in()
            self._forget(member)
            if self.poses is not None:
                self.poses.leave(member)
            self.room.leave(member)
            self._schedule()

    def writable(self, member: Member) -> None:
        """The socket was behind and takes bytes again."""
        line = self._lines.get(member)
        if line is not None:
            line.behind_since = None
            self.room.caught_up(member)
            self._schedule()
            # After that turn, which lets it hear again.
            self._loop.call_soon(lambda: self.committed(self._journal.committed))

    def edit(
        self,
        identity: Identity,
        change: Callable[[Doc[Any]], T],
        *,
        is_restore: bool = False,
        may_grow: bool = True,
    ) -> T:
        """Change the document in somebody's name and tell everybody; see `Room.edit`.

        When this returns, `position` and `last_seq` are those of the edit.
        """
        self._run_turn()  # what was received before comes before
        if is_restore:
            self._journal.seal(self.name)  # so that nothing else counts as restored
        self.room.accepts_edits = not self._journal.is_full
        fence = self.room.document.fence
        try:
            with heavy_work(fence, b"editing " + self.name.encode(), self.room.size):
                return self.room.edit(identity, change, is_restore=is_restore, may_grow=may_grow)
        finally:
            self._run_turn()
            if is_restore:
                self._journal.seal(self.name)

    # For the pose lane: see `pose_host.Ground`

    def write(self, member: Member, frame: OutgoingFrame, now: float) -> None:
        """Send a member something that is no part of a turn; nothing, if it has gone."""
        line = self._lines.get(member)
        if line is not None:
            self._send_to(member, line, frame, now)

    def takes_no_more(self, member: Member) -> bool:
        """Whether a member's transport is behind."""
        line = self._lines.get(member)
        return line is None or line.channel.is_behind

    def show_place(self, member: Member, client_id: int, place: bytes) -> bool:
        """Show where a headset is (AWR-15); whether it is shown."""
        is_shown = self.room.show_place(member, client_id, place)
        self._schedule()
        return is_shown

    def hide_place(self, member: Member, client_id: int) -> None:
        """It is nowhere any more."""
        self.room.hide_place(member, client_id)
        self._schedule()

    def close_all(self, code: CloseCode, reason: str) -> None:
        """Close every socket."""
        self._take_in()
        if self.poses is not None:
            self.poses.leave_all()
        for member in list(self._lines):
            self.room.expel(member, code, reason)
        self._run_turn()

    # Permissions that change (ACC-10 to ACC-15)

    def tokens(self) -> Mapping[Member, Credentials]:
        """What the tokens of those in the room say."""
        return self._leases.tokens()

    def set_role(self, user_id: UUID, role: Role) -> None:
        """Give a person this role, on every socket of theirs."""
        self._run_turn()  # what was received before is judged with the role they had
        for member in self._sockets_of(user_id):
            self._set_role(member, role)
        self._schedule()

    def give_role(self, member: Member, role: Role) -> None:
        """The same for one socket."""
        if member in self._lines and member.role is not role:
            self._run_turn()
            self._set_role(member, role)
            self._schedule()

    def _set_role(self, member: Member, role: Role) -> None:
        self.room.set_role(member, role)
        if self.poses is not None and not is_seen(role):
            self.poses.leave(member)

    def send_away(self, user_id: UUID, code: CloseCode, reason: str) -> None:
        """Close every socket of a person."""
        self._run_turn()
        for member in self._sockets_of(user_id):
            self.room.expel(member, code, reason)
        self._schedule()

    def _sockets_of(self, user_id: UUID) -> list[Member]:
        """Rows are about people: a service is no participant, whatever its id."""
        return [
            member
            for member in self._lines
            if member.identity.user_id == user_id and member.identity.kind is ActorKind.USER
        ]

    def set_paused(self, *, is_paused: bool) -> None:
        """Pause the room, or let it go on."""
        if self.room.is_paused is not is_paused:
            self._run_turn()
            self.room.is_paused = is_paused

    def expires_at(self, member: Member) -> float:
        """When a member's token ends, by the host's clock."""
        return self._leases.end_of(member)

    def take_lease(self, member: Member, lease: Lease, role: Role) -> None:
        """It was decided: this token counts now, with this role."""
        if member not in self._lines:
            return
        self._run_turn()
        self._leases.put(member, lease)
        if lease.credentials is not None:
            self.room.set_identity(member, lease.credentials.identity)
        self.room.set_role(member, role)
        self._schedule()

    def _take_renewals(self, turn: Turn) -> None:
        for member, token in turn.renewals.items():
            if self._renewing is None:
                self.expel(member, CloseCode.UNAUTHENTICATED, "tokens cannot be renewed here")
            else:
                self._renewing.take_token(self, member, token)

    def _expire(self) -> None:
        """A token may have ended."""
        self._take_in()
        self._expel_expired()
        self._run_turn()

    def _expel_expired(self) -> None:
        for member in self._leases.expired():
            reason = "your token has expired; come back with a new one"
            self.room.expel(member, CloseCode.TOKEN_EXPIRED, reason)

    # Turns

    def abandon(self) -> None:
        """Close every socket without acknowledging or storing anything more."""
        reason = "the room restarts; reconnect"
        for member, line in list(self._lines.items()):
            self._forget(member, CloseCode.RESTART)
            self.room.leave(member)
            self._counters.count_close(CloseCode.RESTART)
            line.channel.close(CloseCode.RESTART, reason)

    @property
    def now(self) -> float:
        """The host's clock."""
        return self._clock()

    def run_turn(self) -> None:
        """End the turn now rather than with the loop's next round."""
        self._run_turn()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run_scheduled)

    def _run_scheduled(self) -> None:
        if self._scheduled:
            self._run_turn()

    def _run_turn_at(self, due: float, since: float = math.inf) -> None:
        """Run a turn at a time of the host's clock.

        Args:
            due: if this has come, the turn is run when everything that has arrived was read.
            since: end of the last turn: if that is a while ago, the turn is run now. In a quiet
                room nothing else will have arrived, and another round of the loop costs as much.
        """
        self._stop_timer()
        now = self._clock()
        wait = due - now
        if wait > 0:
            self._turn_at = due
            self._timer = self._loop.call_later(wait, self._run_turn)
        elif now - since > QUIET_SECONDS:
            self._run_turn()
        else:
            self._schedule()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._turn_at = math.inf

    def _run_turn(self) -> None:
        self._scheduled = False
        self._stop_timer()
        now = self._clock()
        self._take_in()
        turn = self.room.end_turn(now)
        self._commit(turn)
        self._send(turn, now)
        self._note_receipts(turn)
        self._close(turn)
        if turn.renewals:
            self._take_renewals(turn)
        for refused in turn.refused:
            self._counters.refused_edits += 1
            log.info("edit refused", document=self.name, role=refused.member.role.value)
            self._witness.refused(self.name, refused.member, refused.rule)
        for member in turn.resumed:
            line = self._lines.get(member)
            if line is not None:
                line.channel.resume_reading()
        if turn.wake_at is not None and not turn.is_broken:
            self._run_turn_at(turn.wake_at)
        self._ended_at = self._clock()
        if turn.is_broken:
            self._on_broken(self)
        elif self.poses is not None:
            for close in turn.closes:
                self.poses.leave(close.member)  # may end in a turn of its own

    def _commit(self, turn: Turn) -> None:
        if not turn.commits:
            return
        commits = []
        for emitted in turn.commits:
            self.last_seq += 1
            self.updates_since_snapshot += 1
            self.bytes_since_snapshot += len(emitted.update)
            commits.append(
                Commit(
                    document=self.name,
                    seq=self.last_seq,
                    update=emitted.update,
                    user_id=emitted.author.user_id,
                    actor_kind=emitted.author.kind,
                    introduced=emitted.introduced,
                    by_server=emitted.by_server,
                    of_nobody=emitted.of_nobody,
                    taken_back=emitted.taken_back,
                )
            )
        source = None if self.room.projector is None else self
        self.position = self._journal.append(commits, source)
        self._counters.commits += len(commits)

    def take_changes(self) -> tuple[ObjectChange, ...]:
        """See `persistence.ports.ChangeSource`."""
        projector = self.room.projector
        if projector is None:
            return ()
        if self.room.is_broken:  # what it holds is not what was appended
            self.has_lost_changes = True
            return ()
        fence = self.room.document.fence
        what = READING + self.name.encode()
        if fence.is_poisoned(what):  # the log goes on without rows
            self._lose_changes()
            log.error("reading these objects has stopped the server before", document=self.name)
            return ()
        try:
            with heavy_work(fence, what, self.room.size):
                return projector.take()
        except BaseException as error:
            if not isinstance(error, Exception) and not is_panic(error):
                raise
            # Rows are not worth the log: they can be made again from it. But what belongs to
            # which object is not known any more.
            self._lose_changes()
            self._counters.failed_projections += 1
            log.exception("changed objects could not be read", document=self.name)
            return ()

    def _lose_changes(self) -> None:
        """From now on what changes is not known; nor whether it keeps to the rules (RUL-7)."""
        self.room.lose_objects()
        self.has_lost_changes = True

    def _send(self, turn: Turn, now: float) -> None:
        lines = self._lines
        for member, payload in turn.replies:
            line = lines.get(member)
            if line is not None:
                self._send_to(member, line, self._frame_of(payload), now)
        for broadcast in turn.broadcasts:
            frame = OutgoingFrame(broadcast.frame)
            concerns = broadcast.concerns
            for member, line in lines.items():
                if concerns(member):
                    channel = line.channel
                    channel.write(frame, now)
                    if channel.is_behind:
                        self._note_behind(member, line, now)

    def _frame_of(self, payload: bytes) -> OutgoingFrame:
        """Joiners share their large answer as one object: let them share its frame, too."""
        if len(payload) < SHARED_FROM:
            return OutgoingFrame(payload)
        if self._shared is None or self._shared.payload is not payload:
            self._shared = OutgoingFrame(payload)
        return self._shared

    def _send_to(self, member: Member, line: _Line, frame: OutgoingFrame, now: float) -> None:
        line.channel.write(frame, now)
        if line.channel.is_behind:
            self._note_behind(member, line, now)

    def _note_behind(self, member: Member, line: _Line, now: float) -> None:
        if not member.is_behind:
            line.behind_since = now
            self.room.fell_behind(member)

    def _note_receipts(self, turn: Turn) -> None:
        for member, count, refused in turn.receipts:
            line = self._lines.get(member)
            if line is not None:
                ranges: list[range] = []
                if len(line.waiting) >= RECEIPTS_HELD:
                    ranges = line.waiting.pop()[2]  # the later one says more
                join_ranges(ranges, refused)
                line.waiting.append((self.position, count, ranges))
                self._waiting[member] = None
        if turn.receipts:
            self.committed(self._journal.committed)

    def committed(self, position: int) -> None:
        """The journal has stored everything up to `position`: send the receipts due."""
        if not self._waiting:
            return
        now = self._clock()
        for member in list(self._waiting):
            line = self._lines.get(member)
            if line is None or line.receipts is None:
                del self._waiting[member]
                continue
            if member.is_behind:
                continue
            while line.waiting and line.waiting[0][0] <= position:
                _, count, refused = line.waiting.popleft()
                line.receipts.settle(count, refused)
            if self._send_receipts(member, line, line.receipts, now) and not line.waiting:
                del self._waiting[member]

    def _send_receipts(self, member: Member, line: _Line, receipts: Receipts, now: float) -> bool:
        """Say what is due; whether all of it was said. One that falls behind is told the rest
        when it has drained."""
        for frame in receipts.due():
            self._send_to(member, line, frame, now)
            if member.is_behind:
                return False
        return True

    def _close(self, turn: Turn) -> None:
        for close in turn.closes:
            line = self._lines.get(close.member)
            if line is not None:
                self._forget(close.member, close.code)
                self._counters.count_close(close.code)
                log.info(
                    "socket closed", document=self.name, code=int(close.code), why=close.reason
                )
                line.channel.close(close.code, close.reason)

    def _forget(self, member: Member, code: int | None = None) -> bool:
        line = self._lines.pop(member, None)
        self._leases.drop(member)
        self._waiting.pop(member, None)
        if line is None:
            return False
        self._witness.went(self.name, member, code)
        if not self._lines:
            self.empty_since = self._clock()
        return True

    # Now and then

    def tick(self) -> None:
        """Keep quiet sockets open, let go of hopeless ones, expire presence."""
        self._take_in()
        now = self._clock()
        self.room.tick(now)
        self._shared = None
        self._expel_expired()
        for member, line in list(self._lines.items()):
            if line.behind_since is not None:
                if now - line.behind_since > self._settings.slow_member:
                    reason = "too slow: you were behind for too long; reconnect"
                    self.room.expel(member, CloseCode.TRY_LATER, reason)
            elif now - line.channel.last_sent >= self._settings.keepalive:
                self._send_to(member, line, KEEPALIVE, now)
        self._run_turn()

    def shut(self) -> None:
        """Free the document. No member may be in the room."""
        self._stop_timer()
        if self.poses is not None:
            self.poses.close()
        self._leases.close()
        self._scheduled = False
        self._inbox.clear()
        self.room.document.close()
