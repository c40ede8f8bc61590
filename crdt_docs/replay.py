"""A document as it was, made again from its log, to be looked at and thrown away (PST-2, PST-4).

Without the outline and the owners that a room needs: nothing is applied to it but what was stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import orjson
from pycrdt import Doc, Map
from pycrdt._pycrdt import Map as _Map

from crdt_docs.document import (
    LABORIOUS_SECONDS,
    USUAL_SECONDS,
    USUAL_SECONDS_A_BYTE,
    USUAL_SECONDS_A_CLIENT,
    DocumentBroken,
    is_panic,
    standing_still,
)
from crdt_docs.object_reader import ObjectReader
from crdt_docs.object_restoring import PastObject, read_past
from crdt_docs.varint import read_var_uint

READ_AT_ONCE = 20
"""Objects that are read without a pause; half a millisecond."""

Values: TypeAlias = dict[str, dict[str, Any]]
"""What stands in root maps, by their names and by id, as `ObjectReader` reads it."""

Kinds: TypeAlias = dict[str, dict[str, PastObject]]
"""The same, as `put_all_back` takes it."""


class Replay:
    """One document, to which one thing after the other is applied that was stored."""

    def __init__(
        self, clock: Callable[[], float] = standing_still, *, is_only_read: bool = False
    ) -> None:
        """
        Args:
            clock: tells the seconds that updates take; without one, time stands still.
            is_only_read: it is not encoded: what was deleted is left where it is, which saves an
                eighth of the time.
        """
        self._doc: Doc[Any] = Doc(skip_gc=is_only_read)
        self._clock = clock
        self._labour = 0.0
        self._clients = 0

    def applying(self, state: bytes | None, tail: Iterable[bytes]) -> Iterator[None]:
        """Apply a state and what followed, a step at a time; the state is one step.

        One transaction each: joining them saves little, and merging them costs.

        Raises:
            DocumentBroken: what was stored cannot be applied.
        """
        try:
            if state is not None:
                self._apply(state)
                self._clients, _ = read_var_uint(self._doc.get_state(), 0)
                yield
            for update in tail:
                self._apply(update)
                yield
        except BaseException as error:
            if isinstance(error, Exception) or is_panic(error):
                raise DocumentBroken(f"what was stored cannot be replayed: {error}") from error
            raise

    def _apply(self, update: bytes) -> None:
        begun = self._clock()
        doc = self._doc._doc  # noqa: SLF001 - the wrappers cost as much as a small update
        transaction = doc.create_transaction()
        try:
            doc.apply_update(transaction, update)
            transaction.commit()
        finally:
            transaction.drop()
        usual = USUAL_SECONDS + len(update) * USUAL_SECONDS_A_BYTE
        usual += self._clients * USUAL_SECONDS_A_CLIENT
        self._labour += max(0.0, self._clock() - begun - usual)

    @property
    def is_laborious(self) -> bool:
        """Whether what was applied took yrs much longer than its size explains (ROM-18)."""
        return self._labour > LABORIOUS_SECONDS

    def update(self) -> bytes:
        """The whole document as one Yjs update."""
        return self._doc.get_update()

    def json(self, roots: Iterable[str]) -> dict[str, bytes]:
        """These root maps, each as JSON text; non-finite numbers are null."""
        texts: dict[str, bytes] = {}
        for name in roots:
            root = self._doc.get(name, type=Map).integrated
            with self._doc.transaction() as transaction:
                within = transaction._txn  # noqa: SLF001 - the raw types ask for it
                texts[name] = _json(root, within)
        return texts

    def reading(self, into: Values, roots: Sequence[str]) -> Iterator[None]:
        """Read all that stands in these root maps, a step at a time."""
        reader = ObjectReader(self._doc, roots)
        for root in roots:
            found = into.setdefault(root, {})
            for number, key in enumerate(reader.keys(root)):
                value = reader.read(root, key)
                if value is not None:
                    found[key] = value
                if number % READ_AT_ONCE == 0:
                    yield

    def reading_kinds(self, into: Kinds, roots: Sequence[str]) -> Iterator[None]:
        """The same with the kinds of all parts, to make it again."""
        reader = ObjectReader(self._doc, roots)
        for root in roots:
            found = into.setdefault(root, {})
            for number, key in enumerate(reader.keys(root)):
                found[key] = read_past(reader, root, key)
                if number % READ_AT_ONCE == 0:
                    yield


def _json(root: Any, within: Any) -> bytes:
    """A root map as JSON text. One shared map after the other: all of them at once take yrs nearly
    twice as long."""
    members = [(key, root.get(within, key)) for key in root.keys(within)]
    if not all(isinstance(value, _Map) for _, value in members):
        whole: str = root.to_json(within)
        return whole.encode()
    texts = (
        b"%b:%b" % (orjson.dumps(key), value.to_json(within).encode()) for key, value in members
    )
    return b"{" + b",".join(texts) + b"}"
