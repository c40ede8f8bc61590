"""What must hold of every frame, state vector, presence payload and JSON text.

What is read can be written again and gives the same bytes, since every number has one spelling.
What cannot be read is refused with a `Refusal`.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from pycrdt import Doc, Map

from crdt_docs import hocuspocus, messages
from crdt_docs.access import Role
from crdt_docs.awareness import AwarenessTable
from crdt_docs.content_guard import mended
from crdt_docs.errors import Refusal
from crdt_docs.identifiers import Identity
from crdt_docs.messages import (
    GONE,
    AwarenessEntry,
    AwarenessUpdate,
    Message,
    QueryAwareness,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
)
from crdt_docs.state_vector import encode_state_vector, walk_state_vector
from crdt_docs.update_guard import walk_update
from crdt_docs.varint import var_bytes, var_string
from tests.fuzz.document_targets import Yrs, check_life
from tests.fuzz.life import pack, unpack
from tests.helpers.raw_updates import item, section, update


def check_frame(data: bytes) -> None:
    """The target: one y-protocols frame (FRM)."""
    try:
        message = messages.parse(data)
    except Refusal:
        return
    written = _written(message)
    if written is not None:
        assert written == data
    if isinstance(message, AwarenessUpdate):
        _check_payload(message.payload)


def _written(message: Message) -> bytes | None:
    match message:
        case SyncStep1(state_vector):
            return messages.sync_step1(state_vector)
        case SyncStep2(brought):
            return messages.sync_step2(brought)
        case SyncUpdate(brought):
            return messages.sync_update(brought)
        case AwarenessUpdate(payload):
            return messages.awareness_frame(payload)
        case QueryAwareness():
            return b"\x03"
        case _:
            return None


def _check_payload(payload: bytes) -> list[AwarenessEntry]:
    try:
        entries = messages.read_awareness(payload)
    except Refusal:
        return []
    assert messages.awareness_payload(entries) == payload
    return entries


def check_hocuspocus_frame(data: bytes) -> None:
    """The target: one frame of a Hocuspocus client (HOC-1)."""
    try:
        address, message = hocuspocus.parse(data)
    except Refusal:
        return
    if address is None:
        assert len(data) == 1
        return
    assert len(address) <= hocuspocus.MAX_ADDRESS_BYTES
    head = var_bytes(address)
    assert data.startswith(head)
    match message:
        case hocuspocus.Relayed(frame):
            kind = data[len(head)]
            assert frame[1:] == data[len(head) + 1 :]
            assert frame[0] == (0 if kind == hocuspocus.MessageType.SYNC_REPLY else kind)
            check_frame(frame)
        case hocuspocus.Token(token, version):
            written = head + b"\x02\x00" + var_string(token)
            assert data == written + (b"" if version is None else var_string(version))
        case _:
            assert len(data) > len(head)


class _Onlooker:
    """A stock client that only listens (y-protocols, `applyAwarenessUpdate`)."""

    def __init__(self) -> None:
        self.states: dict[int, bytes] = {}
        self._clocks: dict[int, int] = {}

    def hear(self, entries: list[AwarenessEntry]) -> None:
        for client_id, clock, state in entries:
            known = self._clocks.get(client_id, 0)
            is_gone = state == GONE
            if known < clock or (known == clock and is_gone and client_id in self.states):
                self._clocks[client_id] = clock
                if is_gone:
                    self.states.pop(client_id, None)
                else:
                    self.states[client_id] = state


PEOPLE = (
    (Identity(UUID(int=1), "one"), Role.EDITOR),
    (Identity(UUID(int=1), "one"), Role.EDITOR),
    (Identity(UUID(int=2)), Role.VIEWER),
    (Identity(UUID(int=3), "three"), Role.SPECTATOR),
)
"""Who speaks in turn: the first two are one person with two connections."""


def check_presence(data: bytes) -> None:
    """The target: what people say about presence, one payload each in turn (AWR)."""
    table: AwarenessTable[int] = AwarenessTable()
    onlooker = _Onlooker()
    heard: set[int] = set()
    for turn, payload in enumerate(unpack(data)):
        speaker = turn % len(PEOPLE)
        identity, role = PEOPLE[speaker]
        if payload == b"":
            table.leave(speaker)
        try:
            table.hear(
                speaker,
                identity,
                role,
                _check_payload(payload),
                now=float(turn),
                is_first=speaker not in heard,
            )
        except Refusal:
            table.leave(speaker)  # its connection is closed
        heard.add(speaker)
        told, _ = table.take_changed()
        onlooker.hear(told)
        _check_told(table, onlooker)


def _check_told(table: AwarenessTable[int], onlooker: _Onlooker) -> None:
    """AWR-4, AWR-6, AWR-8: everybody sees who is there, as who they are."""
    everyone = {entry.client_id: entry.state for entry in table.everyone()}
    assert onlooker.states == everyone
    people = {str(identity.user_id): (identity, role) for identity, role in PEOPLE}
    for state in everyone.values():
        user = json.loads(state, parse_constant=_impossible)["user"]
        identity, role = people[user["id"]]
        assert role is not Role.SPECTATOR
        assert user["role"] == role.value
        assert user["kind"] == identity.kind.value
        assert user["name"] == (identity.name or user["name"])


def _impossible(constant: str) -> float:
    raise AssertionError(f"{constant} is no JSON")


def check_state_vector(data: bytes) -> None:
    """The target: a state vector, and what yrs makes of one that is accepted (GRD-15)."""
    try:
        vector = walk_state_vector(data)
    except Refusal:
        return
    written = encode_state_vector(vector)
    assert walk_state_vector(written) == {
        client: clock for client, clock in vector.items() if clock
    }
    assert len(written) <= len(data)
    facts = walk_update(_written_document().get_update(data))
    lacking = {client: end for client, _, end in facts.ranges}
    for client, clock in _CLOCKS.items():
        assert (client in lacking) == (vector.get(client, 0) < clock)


_CLOCKS = {1: 3, 300: 2, 2**53 - 1: 1}


def _written_document() -> Doc[Any]:
    doc: Doc[Any] = Doc()
    for client, clock in _CLOCKS.items():
        writer: Doc[Any] = Doc(client_id=client)
        root = writer.get("objects", type=Map)
        for number in range(clock):
            root[f"{client} {number}"] = number
        doc.apply_update(writer.get_update())
    return doc


def check_json(data: bytes, yrs: Yrs | None) -> None:
    """The target: JSON of an embedded value (GRD-8, GRD-9, GRD-26)."""
    struct = item(b"\x05" + var_bytes(data), parent="text")
    written = update(section(1, 0, struct))
    try:
        facts = walk_update(written)
    except Refusal:
        return
    better = mended(written, facts.mends)
    at = written.index(data, len(written) - len(data) - 1) if data else 0
    value = json.loads(better[at : at + len(data)], parse_constant=_impossible)
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    check_life(pack([written]), yrs)
