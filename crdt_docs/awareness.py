"""Who is present in a room (AWR): states by client id, who speaks for which, what changed.

Protocol facts are those of y-protocols `awareness.js`: an entry counts when its clock is higher
than the one known, or equal with the state `null`; a client remembers the clocks of those who left.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

from crdt_docs.access import Role, is_seen
from crdt_docs.errors import LimitExceeded, Malformed
from crdt_docs.identifiers import Identity
from crdt_docs.messages import GONE, AwarenessEntry
from crdt_docs.presence_states import stamped, who_is
from crdt_docs.varint import read_var_uint

SpeakerT = TypeVar("SpeakerT", bound=Hashable)

EXPIRY_SECONDS = 30.0
"""A state that was not renewed for so long is removed (y-protocols' `outdatedTimeout`)."""

REMEMBERED_DEPARTURES = 1000
"""How many clocks of departed clients are kept, so that a returning one is visible at once."""

REMEMBERED_TELLINGS = 64
"""How many states that a client was told of itself are remembered until it has heard them: two
seconds of them at 30 Hz."""

UNHEARD = -1
"""Clock of a client that has said nothing yet: its first one, which is 0, is news."""

CLOCK_LIMIT = 2**50
"""Clocks above are refused: the next ones must stay exact in JavaScript."""


@dataclass(frozen=True, slots=True)
class AwarenessLimits:
    """Attributes:
    state_bytes: JSON of one state.
    ids_per_speaker: client ids one connection may introduce.
    """

    state_bytes: int = 16 * 1024
    ids_per_speaker: int = 16


@dataclass(slots=True)
class _Presence(Generic[SpeakerT]):
    speaker: SpeakerT
    identity: Identity
    role: Role
    who: dict[str, str]
    clock: int
    heard_clock: int  # what the speaker itself counts; may be behind `clock` (AWR-6)
    state: bytes
    heard_at: float
    place: bytes | None = None  # as JSON
    # What the speaker was told of itself with clocks ahead of its own: hashes of states by clock.
    told_ahead: dict[int, int] = field(default_factory=dict)

    def entry(self, client_id: int) -> AwarenessEntry:
        return AwarenessEntry(client_id, self.clock, self.state)

    def note_told(self) -> None:
        """The speaker is told of itself; a stock client will say it once more (AWR-6)."""
        if self.clock <= self.heard_clock:
            return  # which it ignores
        self.told_ahead[self.clock] = hash(self.state)
        if len(self.told_ahead) > REMEMBERED_TELLINGS:
            del self.told_ahead[next(iter(self.told_ahead))]

    def is_told(self, clock: int, state: bytes) -> bool:
        """Whether the speaker, who counts so far now, only repeats what it was told."""
        if not self.told_ahead:
            return False
        is_echo = self.told_ahead.get(clock) == hash(state)
        self.told_ahead = {told: each for told, each in self.told_ahead.items() if told > clock}
        return is_echo


class _Departure(NamedTuple):
    clock: int
    user_id: UUID


@dataclass(slots=True)
class AwarenessTable(Generic[SpeakerT]):
    """Presence of one room. A *speaker* is whatever stands for a connection.

    Attributes:
        has_places: it is a room of headsets: what a client says of its own place counts nothing.
    """

    limits: AwarenessLimits = field(default_factory=AwarenessLimits)
    has_places: bool = False
    _present: dict[int, _Presence[SpeakerT]] = field(default_factory=dict)
    _departed: dict[int, _Departure] = field(default_factory=dict)
    _ids: dict[SpeakerT, set[int]] = field(default_factory=dict)
    _changed: dict[int, SpeakerT | None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._present)

    def hear(
        self,
        speaker: SpeakerT,
        identity: Identity,
        role: Role,
        entries: Iterable[AwarenessEntry],
        *,
        now: float,
        is_first: bool,
    ) -> None:
        """Take what a connection says about presence.

        Args:
            is_first: whether these entries open the connection's presence. Only then may it take
                over ids that another connection of the same user holds (AWR-3): afterwards a
                stock client also repeats what it hears of others.

        Raises:
            Malformed: a state is not a JSON object, or a clock is out of range (AWR-9).
            LimitExceeded: a state is larger than the limit.
        """
        for entry in entries:
            known = self._present.get(entry.client_id)
            if known is None:
                self._hear_new(speaker, identity, role, entry, now=now, is_first=is_first)
                continue
            if known.speaker != speaker:
                if not (is_first and known.identity.user_id == identity.user_id):
                    continue  # AWR-2: about somebody else: an echo or an imposture
                self._take_over(entry.client_id, known, speaker, identity)
            known.heard_at = now
            self._hear_known(known, role, entry)

    def _hear_new(
        self,
        speaker: SpeakerT,
        identity: Identity,
        role: Role,
        entry: AwarenessEntry,
        *,
        now: float,
        is_first: bool,
    ) -> None:
        if len(self._ids.get(speaker, ())) >= self.limits.ids_per_speaker:
            return  # before anything of it is looked at: a message may hold thousands of these
        client_id, clock, state = entry
        _check_clock(clock)
        if state == GONE or not is_seen(role):
            return  # AWR-8
        departure = self._departed.get(client_id)
        if departure is not None and not (
            departure.user_id == identity.user_id and (is_first or clock > departure.clock)
        ):
            return  # AWR-2: somebody late repeats what it heard of one who has left
        who = who_is(identity, role)
        state = self._with_identity(state, who, None)
        # Stock clients begin with clock 0, which other stock clients take for nothing new: without
        # a higher one somebody who does nothing would be invisible until the renewal after 15 s.
        departed_at = departure.clock if departure is not None else 0
        self._departed.pop(client_id, None)
        told = clock if clock > departed_at else departed_at + 1  # AWR-6
        self._present[client_id] = _Presence(speaker, identity, role, who, told, clock, state, now)
        self._ids.setdefault(speaker, set()).add(client_id)
        self._changed[client_id] = speaker if told == clock else None

    def _hear_known(self, known: _Presence[SpeakerT], role: Role, entry: AwarenessEntry) -> None:
        client_id, clock, state = entry
        if state == GONE:
            if clock >= known.heard_clock:
                _check_clock(clock)
                self._remove(client_id, clock)
            return
        if clock <= known.heard_clock:
            return  # AWR-1
        _check_clock(clock)
        known.heard_clock = clock
        if role is not known.role:
            known.role, known.who = role, who_is(known.identity, role)
        state = self._with_identity(state, known.who, known.place)
        if known.is_told(clock, state):
            return  # it may have said something newer since (AWR-6)
        known.state = state
        is_behind = clock <= known.clock
        known.clock = known.clock + 1 if is_behind else clock
        self._changed[client_id] = None if is_behind else known.speaker

    def is_echo(self, payload: bytes, speaker: SpeakerT) -> bool:
        """Whether a payload only repeats what is known, told cheaply and before it is opened.

        False when in doubt, so also for what is malformed: `hear` knows better then.
        """
        try:
            count, position = read_var_uint(payload, 0)
            for _ in range(count):
                client_id, position = read_var_uint(payload, position)
                clock, position = read_var_uint(payload, position)
                length, position = read_var_uint(payload, position)
                presence = self._present.get(client_id)
                if presence is None or clock > presence.clock:
                    return False
                if presence.speaker == speaker and clock > presence.heard_clock:
                    return False
                if length == len(GONE) and payload.startswith(GONE, position):
                    return False
                position += length
        except Malformed:
            return False
        return position == len(payload)

    def hear_own(self, speaker: SpeakerT, role: Role, payload: bytes, now: float) -> bool:
        """Take the usual message: the next state of one whom this connection speaks for.

        Returns whether it was that. The rest, echoes and what is malformed included, is for
        `is_echo`, `read_awareness` and `hear`, which look at everything; this costs a third.

        Raises:
            Malformed, LimitExceeded: as `hear`.
        """
        try:
            client_id, position = read_var_uint(payload, 1)
            known = self._present.get(client_id)
            if known is None or known.speaker is not speaker or payload[0] != 1:
                return False
            clock, position = read_var_uint(payload, position)
            length, position = read_var_uint(payload, position)
        except (Malformed, IndexError):
            return False
        if clock <= known.heard_clock or position + length != len(payload):
            return False
        known.heard_at = now
        self._hear_known(known, role, AwarenessEntry(client_id, clock, payload[position:]))
        return True

    def holder(self, client_id: int) -> Identity | None:
        """Who is present under this client id."""
        presence = self._present.get(client_id)
        return None if presence is None else presence.identity

    def leave(self, speaker: SpeakerT) -> None:
        """AWR-5: remove everybody this connection spoke for."""
        for client_id in sorted(self._ids.pop(speaker, ())):
            self._remove(client_id, self._present[client_id].clock + 1)

    def role_changed(self, speaker: SpeakerT, identity: Identity, role: Role) -> None:
        """AWR-13: show everybody, the speaker included, what it is from now on."""
        for client_id in sorted(self._ids.get(speaker, ())):
            presence = self._present[client_id]
            if not is_seen(role):
                self._remove(client_id, presence.clock + 1)
                continue
            presence.identity, presence.role = identity, role
            presence.who = who_is(identity, role)
            presence.state = stamped(
                presence.state, presence.who, presence.place, has_places=self.has_places
            )
            presence.clock += 1
            self._changed[client_id] = None

    def expire(self, now: float) -> None:
        """AWR-7: remove states that were not renewed in time."""
        for client_id, presence in list(self._present.items()):
            if now - presence.heard_at > EXPIRY_SECONDS:
                self._remove(client_id, presence.clock + 1)

    def take_changed(self) -> tuple[list[AwarenessEntry], SpeakerT | None]:
        """What changed since the last call, latest state only, and the one speaker who need not
        be told (None when several changed, or when it must be told, too)."""
        entries = [self._entry(client_id) for client_id in self._changed]
        speakers = set(self._changed.values())
        if len(speakers) > 1 or None in speakers:
            self._note_told(self._changed)
        self._changed.clear()
        return entries, speakers.pop() if len(speakers) == 1 else None

    @property
    def has_changed(self) -> bool:
        """Whether `take_changed` would return entries."""
        return bool(self._changed)

    def everyone(self) -> list[AwarenessEntry]:
        """All states, for one who asks and may be among them."""
        self._note_told(self._present)
        return self._everyone()

    def _everyone(self) -> list[AwarenessEntry]:
        return [presence.entry(client_id) for client_id, presence in self._present.items()]

    def everyone_anew(self) -> list[AwarenessEntry]:
        """All states, each with its next clock, for a joiner (AWR-12).

        One who was here before has forgotten the states but not the clocks, and believes only
        later ones. The others need not know: the next change of each goes on from there.
        """
        for presence in self._present.values():
            presence.clock += 1
        return self._everyone()

    def everyone_and_departed(self) -> list[AwarenessEntry]:
        """All states and all remembered departures, for one who missed some."""
        return [*self.everyone(), *(self._entry(client_id) for client_id in self._departed)]

    def _note_told(self, client_ids: Iterable[int]) -> None:
        for client_id in client_ids:
            if (presence := self._present.get(client_id)) is not None:
                presence.note_told()

    def _entry(self, client_id: int) -> AwarenessEntry:
        presence = self._present.get(client_id)
        if presence is None:
            departure = self._departed.get(client_id)
            return AwarenessEntry(client_id, departure.clock if departure else 0, GONE)
        return presence.entry(client_id)

    def _take_over(
        self,
        client_id: int,
        known: _Presence[SpeakerT],
        speaker: SpeakerT,
        identity: Identity,
    ) -> None:
        self._ids[known.speaker].discard(client_id)
        self._ids.setdefault(speaker, set()).add(client_id)
        known.speaker = speaker
        known.identity = identity
        known.who = who_is(identity, known.role)

    def _remove(self, client_id: int, clock: int) -> None:
        presence = self._present.pop(client_id)
        ids = self._ids.get(presence.speaker)
        if ids is not None:
            ids.discard(client_id)
        self._departed[client_id] = _Departure(
            max(clock, presence.clock), presence.identity.user_id
        )
        if len(self._departed) > REMEMBERED_DEPARTURES:
            del self._departed[next(iter(self._departed))]
        self._changed[client_id] = None

    def _with_identity(self, state: bytes, who: dict[str, str], place: bytes | None) -> bytes:
        """AWR-4: say about the user what the token says."""
        if len(state) > self.limits.state_bytes:
            raise LimitExceeded(
                f"an awareness state of {len(state)} bytes; {self.limits.state_bytes} are allowed"
            )
        return stamped(state, who, place, has_places=self.has_places)

    def show_place(
        self,
        speaker: SpeakerT,
        identity: Identity,
        role: Role,
        *,
        client_id: int,
        place: bytes,
        now: float,
    ) -> bool:
        """Show where a headset is (AWR-15), also of one that says nothing of itself here.

        Args:
            speaker: whose headset it is.
            client_id: under which it is present, or is to be.
            place: a JSON object.

        Returns:
            Whether it is shown: that client id is somebody else's, or nobody may see them.
        """
        known = self._present.get(client_id)
        if known is None:
            return self._introduce(
                speaker, identity, role, client_id=client_id, place=place, now=now
            )
        if known.speaker != speaker:
            if known.identity.user_id != identity.user_id:
                return False
            self._take_over(client_id, known, speaker, identity)  # as under AWR-3
        known.heard_at = now
        if known.place != place:
            self._put_place(client_id, known, place)
        return True

    def _introduce(
        self,
        speaker: SpeakerT,
        identity: Identity,
        role: Role,
        *,
        client_id: int,
        place: bytes,
        now: float,
    ) -> bool:
        departure = self._departed.get(client_id)
        is_anothers = departure is not None and departure.user_id != identity.user_id
        is_full = len(self._ids.get(speaker, ())) >= self.limits.ids_per_speaker
        if is_anothers or is_full or not is_seen(role):
            return False
        departed_at = 0 if departure is None else departure.clock
        self._departed.pop(client_id, None)
        who = who_is(identity, role)
        presence = _Presence(speaker, identity, role, who, departed_at, UNHEARD, b"{}", now)
        self._present[client_id] = presence
        self._ids.setdefault(speaker, set()).add(client_id)
        self._put_place(client_id, presence, place)
        return True

    def _put_place(
        self, client_id: int, presence: _Presence[SpeakerT], place: bytes | None
    ) -> None:
        presence.place = place
        presence.state = stamped(presence.state, presence.who, place, has_places=self.has_places)
        presence.clock += 1
        self._changed[client_id] = None

    def hide_place(self, speaker: SpeakerT, client_id: int) -> None:
        """The headset is gone; so is its presence, unless its client said something itself."""
        presence = self._present.get(client_id)
        if presence is None or presence.speaker != speaker or presence.place is None:
            return
        if presence.heard_clock == UNHEARD:
            self._remove(client_id, presence.clock + 1)
        else:
            self._put_place(client_id, presence, None)


def _check_clock(clock: int) -> None:
    if clock > CLOCK_LIMIT:
        raise Malformed(f"an awareness clock above {CLOCK_LIMIT} is out of range")
