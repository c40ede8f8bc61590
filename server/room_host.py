"""A room in the event loop: schedules its turns and carries out what they say."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar
from uuid import UUID

import structlog
from pycrdt import Doc

from crdt_docs import messages
from crdt_docs.access import Role
from crdt_docs.identifiers import ActorKind, DocumentName, Identity
from crdt_docs.member import Member
from crdt_docs.messages import CloseCode
from crdt_docs.room import Room
from crdt_docs.turn import Turn
from persistence.ports import Journal
from server.authentication import Credentials
from server.channels import Channel
from server.counters import Counters
from server.due_receipts import DueReceipts
from server.frames import OutgoingFrame
from server.heavy_work import heavy_work
from server.leases import Lease, Leases
from server.pose_host import PoseHost
from server.receipts import Receipts
from server.room_lines import RoomLines
from server.room_log import RoomLog
from server.turn_timer import TurnTimer
from server.witness import SOMEBODY, NoWitness, Visitor, Witness

log = structlog.get_logger(__name__)

T = TypeVar("T")

POSE = bytes((messages.MessageType.POSE,))
"""How messages begin that are none of the document's."""

FRAMES_PER_TURN = 256
"""A turn is cut after so many frames, so that a flooded room goes on sending."""

BYTES_PER_TURN = 1024 * 1024
"""Likewise after so many bytes of frames: what waits for a turn is memory."""


@dataclass(frozen=True, slots=True)
class HostSettings:
    """Attributes:
    keepalive: seconds of silence after which a socket is sent an empty presence message.
    slow_member: seconds a member may be behind before it is closed with 4503.
    """

    keepalive: float = 20.0
    slow_member: float = 60.0


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
            on_broken: called once if the document fails; no new members may come afterwards.
            clock: monotonic seconds. Not the loop's: uvloop's stands still during one round, and
                a round that reads a flood is long.

        Attributes:
            log: what the journal was told of the room.
            empty_since: when the last member went, by the host's clock.
            poses: the pose lane of a room of headsets.
        """
        self.name = name
        self.room = room
        self.log = RoomLog(name, room, last_seq=last_seq, journal=journal, counters=counters)
        self.poses: PoseHost | None = None
        self.empty_since: float | None = clock()
        self._journal = journal
        self._counters = counters
        self._settings = settings
        self._on_broken = on_broken
        self._renewing = renewing
        self._witness = witness or NoWitness()
        self._clock = clock
        self._timer = TurnTimer(partial(self._run_turn, is_short=True), clock)
        self._lines = RoomLines(room.fell_behind)
        self._members = self._lines.by_member  # asked for with every frame
        self._leases = Leases(clock, self._expire)
        self._receipts = DueReceipts(self._lines.write)
        self._inbox: list[tuple[Member, bytes]] = []
        self._inbox_bytes = 0

    @property
    def connections(self) -> int:
        """How many sockets are in the room."""
        return len(self._members)

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
        self._lines.open(member, channel, receipts)
        self._leases.put(member, Lease(credentials, expires_at))
        self.empty_since = None
        self.room.join(member)
        self._witness.came(self.name, member, visitor)
        self._timer.schedule()
        return member

    def receive(self, member: Member, frame: bytes, *, more: bool = False) -> None:
        """Keep a frame for the next turn, which comes when the room may pass it on; ignored once
        the member was let go.

        In a room that is waiting for its interval a turn of its own for every frame would cost
        more than the frame: most of the price of a turn is waking up for it.

        Args:
            more: another is likely to follow at once: an edit and the cursor that made it are
                passed on together.
        """
        if member not in self._members:
            return
        if self.poses is not None and frame[:1] == POSE:
            self.poses.receive(member, frame)
            return
        self._inbox.append((member, frame))
        self._inbox_bytes += len(frame)
        if len(self._inbox) >= FRAMES_PER_TURN or self._inbox_bytes >= BYTES_PER_TURN:
            self._run_turn(is_short=True)
        elif not self._timer.is_scheduled:
            self._timer.ask_for(self.room.opens_for(frame), more=more)

    def _take_in(self, *, is_short: bool = False) -> None:
        """Hand the frames kept on to the room, in the order in which they came.

        Args:
            is_short: when that takes long, the rest may wait for the turn after this one (ROM-20).
        """
        inbox, self._inbox = self._inbox, []
        self._inbox_bytes = 0
        room, members = self.room, self._members
        room.accepts_edits = not self._journal.is_full
        for place, (member, frame) in enumerate(inbox):
            if is_short and room.has_toiled:
                self._inbox = inbox[place:]
                self._inbox_bytes = sum(len(each) for _, each in self._inbox)
                return
            try:
                room.receive(member, frame)
            except Exception:
                # What is behind it would be lost, and nobody told: everybody brings it again.
                log.exception("a frame could not be dealt with", document=self.name)
                self._counters.failed_frames += 1
                room.break_off(member)
                self._timer.schedule()
                return
            if member.is_busy and (line := members.get(member)) is not None:
                line.channel.pause_reading()

    def expel(self, member: Member, code: CloseCode, reason: str) -> None:
        """Close a member's socket for what it sent."""
        self._take_in()
        self.room.expel(member, code, reason)
        self._timer.schedule()

    def leave(self, member: Member) -> None:
        """The socket is gone; what came from it before is in the inbox."""
        if member in self._members:
            self._take_in()
            self._forget(member)
            if self.poses is not None:
                self.poses.leave(member)
            self.room.leave(member)
            self._timer.schedule()

    def writable(self, member: Member) -> None:
        """The socket was behind and takes bytes again."""
        line = self._members.get(member)
        if line is not None:
            line.behind_since = None
            self.room.caught_up(member)
            self._timer.schedule()
            # After that turn, which lets it hear again.
            asyncio.get_running_loop().call_soon(lambda: self.committed(self._journal.committed))

    def edit(
        self,
        identity: Identity,
        change: Callable[[Doc[Any]], T],
        *,
        is_restore: bool = False,
        may_grow: bool = True,
    ) -> T:
        """Change the document in somebody's name and tell everybody; see `Room.edit`.

        When this returns, `log.position` and `log.last_seq` are those of the edit.
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
        self._lines.write(member, frame, now)

    def takes_no_more(self, member: Member) -> bool:
        """Whether a member's transport is behind."""
        return self._lines.takes_no_more(member)

    def show_place(self, member: Member, client_id: int, place: bytes) -> bool:
        """Show where a headset is (AWR-15); whether it is shown."""
        is_shown = self.room.show_place(member, client_id, place)
        self._timer.schedule()
        return is_shown

    def hide_place(self, member: Member, client_id: int) -> None:
        """It is nowhere any more."""
        self.room.hide_place(member, client_id)
        self._timer.schedule()

    def close_all(self, code: CloseCode, reason: str) -> None:
        """Close every socket."""
        self._take_in()
        if self.poses is not None:
            self.poses.leave_all()
        for member in list(self._members):
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
        self._timer.schedule()

    def give_role(self, member: Member, role: Role) -> None:
        """The same for one socket."""
        if member in self._members and member.role is not role:
            self._run_turn()
            self._set_role(member, role)
            self._timer.schedule()

    def _set_role(self, member: Member, role: Role) -> None:
        self.room.set_role(member, role)
        if self.poses is not None:
            self.poses.role_changed(member)

    def send_away(self, user_id: UUID, code: CloseCode, reason: str) -> None:
        """Close every socket of a person."""
        self._run_turn()
        for member in self._sockets_of(user_id):
            self.room.expel(member, code, reason)
        self._timer.schedule()

    def _sockets_of(self, user_id: UUID) -> list[Member]:
        """Rows are about people: a service is no participant, whatever its id."""
        return [
            member
            for member in self._members
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
        if member not in self._members:
            return
        self._run_turn()
        self._leases.put(member, lease)
        if lease.credentials is not None:
            self.room.set_identity(member, lease.credentials.identity)
        self._set_role(member, role)
        self._timer.schedule()

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
        for member, line in list(self._members.items()):
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

    def _run_turn(self, *, is_short: bool = False) -> None:
        self._timer.clear()
        now = self._clock()
        self._take_in(is_short=is_short)
        turn = self.room.end_turn(now)
        self.log.append(turn.commits)
        if turn.replies:
            self._lines.reply(turn.replies, now)
        if turn.broadcasts:
            self._lines.broadcast(turn.broadcasts, now)
        if turn.receipts:
            self._note_receipts(turn)
        self._close(turn)
        if turn.renewals:
            self._take_renewals(turn)
        self._count_refused(turn)
        self._read_on(turn)
        if turn.wake_at is not None and not turn.is_broken:
            self._timer.wake_at(turn.wake_at)
        if self._inbox and not turn.is_broken:
            self._timer.schedule()
        self._timer.ended()
        if turn.is_broken:
            self._on_broken(self)
        elif self.poses is not None:
            self._tell(self.poses, turn)

    def _tell(self, poses: PoseHost, turn: Turn) -> None:
        """The pose lane, of what was done. Each may end in a turn of its own."""
        if gone := self.room.take_gone():
            poses.withdraw(gone)
        for close in turn.closes:
            poses.leave(close.member)
        for member in turn.resumed:
            poses.role_changed(member)  # which it could not be while it was busy

    def _read_on(self, turn: Turn) -> None:
        for member in turn.resumed:
            line = self._members.get(member)
            if line is not None:
                line.channel.resume_reading()

    def _count_refused(self, turn: Turn) -> None:
        for refused in turn.refused:
            self._counters.refused_edits += 1
            log.info("edit refused", document=self.name, role=refused.member.role.value)
            self._witness.refused(self.name, refused.member, refused.rule)

    def _note_receipts(self, turn: Turn) -> None:
        position = self.log.position
        for member, count, refused in turn.receipts:
            line = self._members.get(member)
            if line is not None and line.receipts is not None:
                self._receipts.note(
                    member, line.receipts, position=position, count=count, refused=refused
                )
        self.committed(self._journal.committed)

    def committed(self, position: int) -> None:
        """The journal has stored everything up to `position`: send the receipts due."""
        if self._receipts:
            self._receipts.give(position, self._clock())

    def _close(self, turn: Turn) -> None:
        for close in turn.closes:
            line = self._members.get(close.member)
            if line is not None:
                self._forget(close.member, close.code)
                self._counters.count_close(close.code)
                log.info(
                    "socket closed", document=self.name, code=int(close.code), why=close.reason
                )
                line.channel.close(close.code, close.reason)

    def _forget(self, member: Member, code: int | None = None) -> None:
        self._leases.drop(member)
        self._receipts.forget(member)
        if self._members.pop(member, None) is not None:
            self._witness.went(self.name, member, code)
            if not self._members:
                self.empty_since = self._clock()

    # Now and then

    def tick(self) -> None:
        """Keep quiet sockets open, let go of hopeless ones, expire presence."""
        self._take_in()
        now = self._clock()
        self.room.tick(now)
        self._lines.release()
        self._expel_expired()
        self._lines.keep_alive(now, self._settings.keepalive)
        for member in self._lines.behind_for(now, self._settings.slow_member):
            reason = "too slow: you were behind for too long; reconnect"
            self.room.expel(member, CloseCode.TRY_LATER, reason)
        self._run_turn()

    def shut(self) -> None:
        """Free the document. No member may be in the room."""
        self._timer.close()
        if self.poses is not None:
            self.poses.close()
            self.poses = None  # the lane knows the room: in a ring both would stay in memory
        self._leases.close()
        self._inbox.clear()
        self.room.document.close()
