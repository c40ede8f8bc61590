"""What is fuzzed: by name the function that checks one input, how inputs are changed, and seeds."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from crdt_docs import messages
from crdt_docs.messages import AwarenessEntry
from crdt_docs.state_vector import encode_state_vector
from crdt_docs.varint import var_string
from tests.fuzz.codec_targets import (
    check_frame,
    check_hocuspocus_frame,
    check_json,
    check_presence,
    check_state_vector,
)
from tests.fuzz.contents import JSON
from tests.fuzz.document_targets import Yrs, check_life, check_pieces
from tests.fuzz.life import LONGEST, pack
from tests.fuzz.mutation import crossed, mutated
from tests.fuzz.pose_targets import check_pose_message
from tests.fuzz.pose_targets import seeds as pose_messages
from tests.helpers.corpus import recordings
from tests.helpers.editors import session
from tests.helpers.hostile_updates import HostileWriter

Check = Callable[[bytes], None]
Mutator = Callable[[bytes, int, int], bytes]
"""Changes (input, longest result, seed)."""
Crosser = Callable[[bytes, bytes, int, int], bytes]


@dataclass(frozen=True, slots=True)
class Target:
    """One subject of fuzzing.

    Attributes:
        check: raises when something that must hold does not.
        seeds: inputs to begin with, from real traffic.
        mutate: changes inputs by what they say; None: bytes are changed.
        cross: makes one input of two; with `mutate` only.
        longest: bytes of an input.
    """

    check: Check
    seeds: Callable[[], Iterator[bytes]]
    mutate: Mutator | None = None
    cross: Crosser | None = None
    longest: int = 4096


def targets(yrs: Yrs | None) -> dict[str, Target]:
    """All of them.

    Args:
        yrs: where accepted updates are applied; None: nowhere, to be quick.
    """
    lives = partial(Target, seeds=_lives, mutate=mutated, cross=crossed, longest=4096)
    return {
        "life": lives(lambda data: check_life(data, yrs)),
        "pieces": lives(lambda data: check_pieces(data, yrs)),
        "json": Target(lambda data: check_json(data, yrs), _json_texts, longest=512),
        "frame": Target(check_frame, _frames),
        "hocuspocus": Target(check_hocuspocus_frame, _addressed),
        "presence": Target(check_presence, _conversations),
        "state_vector": Target(check_state_vector, _state_vectors, longest=256),
        "poses": Target(check_pose_message, pose_messages, longest=1024),
    }


def _lives() -> Iterator[bytes]:
    for recording in recordings():
        for start in range(0, min(len(recording.updates), 4 * LONGEST), LONGEST):
            yield pack(recording.updates[start : start + LONGEST])
    for seed in range(12):
        updates, whole = session(seed, people=2 + seed % 3, steps=20)
        yield pack(updates[:LONGEST])
        yield pack([whole])
        yield pack(HostileWriter(random.Random(seed)).updates(6, 8))


def _json_texts() -> Iterator[bytes]:
    for text in (*JSON, '{"href":"https://example.org/é"}', '[1,-2.5e3,true,null,"\\n\\u00e9"]'):
        yield text.encode("utf-8", "surrogatepass")


def _frames() -> Iterator[bytes]:
    yield b"\x03"
    for payload in _payloads():
        yield messages.awareness_frame(payload)
    for recording in recordings()[:6]:
        yield messages.sync_step1(recording.state)
        for sent in recording.updates[:4]:
            yield messages.sync_update(sent)
            yield messages.sync_step2(sent)


def _addressed() -> Iterator[bytes]:
    name = "ocw/6f1c2f7e-0d4b-4c53-9e1a-2b1f6f2f7c11"
    for address in (name, f"{name}\0session", ""):
        head = var_string(address)
        for frame in _frames():
            yield head + frame[:200]
        yield head + b"\x02\x00" + var_string("a.b.c")
        yield head + b"\x02\x00" + var_string("a.b.c") + var_string("4.8.0")
        yield head + b"\x05" + var_string("{}")
        yield from (head + ending for ending in (b"\x07", b"\x07\x01x", b"\x09", b"\x0a"))
    yield from (b"\x09", b"\x0a")


def _payloads() -> Iterator[bytes]:
    states: tuple[dict[str, object], ...] = (
        {"user": {"name": "é", "id": "somebody else", "role": "host"}, "cursor": {"x": 1.5}},
        {},
        {"user": 3, "deep": [[{}]]},
    )
    yield messages.awareness_payload(())
    for clock, state in enumerate(states):
        told = json.dumps(state).encode()
        yield messages.awareness_payload(
            [AwarenessEntry(client, clock, told) for client in (1, 2**31, 2**53 - 1)[: clock + 1]]
        )
    yield messages.awareness_payload([AwarenessEntry(1, 3, messages.GONE)])


def _conversations() -> Iterator[bytes]:
    payloads = list(_payloads())
    for seed in range(16):
        dice = random.Random(seed)
        yield pack(dice.choices([*payloads, b""], k=12))


def _state_vectors() -> Iterator[bytes]:
    yield encode_state_vector({})
    yield encode_state_vector({1: 2, 300: 2, 2**53 - 1: 1})
    for recording in recordings()[:10]:
        yield recording.state
