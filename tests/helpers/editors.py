"""Editors of one document at work: every kind of content pycrdt can write, and what is sent."""

from __future__ import annotations

import random
from typing import Any

from pycrdt import (
    Array,
    Doc,
    Map,
    Text,
    TransactionEvent,
    UndoManager,
    XmlElement,
    XmlFragment,
    XmlText,
)

WORDS = ("a", "hello", "é", "日本", "\U0001f600", "x\U0001f600y")


class Editor:
    """One of them: its own copy, and the updates it emitted since they were taken."""

    def __init__(self, client_id: int) -> None:
        self.doc: Doc[Any] = Doc(client_id=client_id)
        self.objects = self.doc.get("objects", type=Map)
        self.text = self.doc.get("text", type=Text)
        self.items = self.doc.get("items", type=Array)
        self.page = self.doc.get("page", type=XmlFragment)
        roots = [self.objects, self.text, self.items]
        self._undo = UndoManager(scopes=roots, capture_timeout_millis=0)
        self._emitted: list[bytes] = []
        self._hears = False
        self._subscription = self.doc.observe(self._collect)

    def close(self) -> None:
        """Stop observing: otherwise the document is never freed."""
        self.doc.unobserve(self._subscription)

    def _collect(self, event: TransactionEvent) -> None:
        if not self._hears:
            self._emitted.append(event.update)

    def take(self) -> list[bytes]:
        """What it emitted since the last time."""
        emitted, self._emitted = self._emitted, []
        return emitted

    def hear(self, update: bytes) -> None:
        """Apply somebody else's update."""
        self._hears = True
        self.doc.apply_update(update)
        self._hears = False

    def edit(self, dice: random.Random) -> None:
        """One transaction of up to three edits, or an undo or redo."""
        if dice.random() < 0.1:
            (self._undo.undo if dice.random() < 0.6 else self._undo.redo)()
            return
        with self.doc.transaction():
            for _ in range(dice.randint(1, 3)):
                self._edit_once(dice)

    def _edit_once(self, dice: random.Random) -> None:
        match dice.randrange(5):
            case 0:
                self._edit_objects(dice)
            case 1 | 2:
                self._edit_text(dice, self.text)
            case 3:
                self._edit_items(dice)
            case _:
                self._edit_page(dice)

    def _edit_objects(self, dice: random.Random) -> None:
        key = dice.choice("abcd")
        keys = sorted(self.objects.keys())
        match dice.randrange(6):
            case 0 | 1:
                values: tuple[Any, ...] = (
                    1,
                    -2.5,
                    None,
                    True,
                    "é\0",
                    b"\x00\xff",
                    [1, {"a": [None]}],
                    {},
                )
                self.objects[key] = dice.choice(values)
            case 2:
                self.objects[key] = Map({"x": 1, "t": Text(dice.choice(WORDS)), "l": Array([1])})
            case 3 if keys:
                del self.objects[dice.choice(keys)]
            case 4:
                self.objects[key] = Doc()
            case _:
                nested = [self.objects[key] for key in keys]
                maps = [each for each in nested if isinstance(each, Map) and "t" in each]
                if maps:
                    inner = dice.choice(maps)
                    inner["x"] = dice.random()
                    self._edit_text(dice, inner["t"])
                    inner["l"].append(Map({"deep": Array([Text("\U0001f600")])}))

    def _edit_text(self, dice: random.Random, text: Text) -> None:
        content = str(text)

        def offset(index: int) -> int:
            """In bytes, which is how pycrdt counts text."""
            return len(content[:index].encode())

        start = dice.randint(0, len(content))
        end = min(len(content), start + dice.randint(1, 4))
        match dice.randrange(6):
            case 0 | 1 | 2:
                text.insert(offset(start), dice.choice(WORDS))
            case 3 if start < end:
                del text[offset(start) : offset(end)]
            case 4 if start < end:
                text.format(offset(start), offset(end), {"bold": dice.choice((True, None))})
            case _ if text is self.text:
                attributes = dice.choice(({}, {"link": {"href": "é"}}))
                text.insert(offset(start), dice.choice(WORDS), attributes)

    def _edit_items(self, dice: random.Random) -> None:
        length = len(self.items)
        match dice.randrange(4):
            case 0:
                self.items.insert(dice.randint(0, length), dice.choice((1, "s", None, b"x", [1])))
            case 1:
                self.items.extend([1, {"a": 2}, "three"])
            case 2 if length:
                start = dice.randrange(length)
                del self.items[start : min(length, start + 2)]
            case _:
                self.items.insert(dice.randint(0, length), Map({"k": Array([1, Map()])}))

    def _edit_page(self, dice: random.Random) -> None:
        children = self.page.children
        if len(children) and dice.random() < 0.3:
            del children[dice.randrange(len(children))]
        else:
            children.append(XmlElement("p", {"class": "é"}, [XmlText(dice.choice(WORDS))]))


def session(seed: int, *, people: int = 3, steps: int = 40) -> tuple[list[bytes], bytes]:
    """What a server receives, in order, from editors who are at times offline, and the end state.

    Returns the updates and, as one update, the whole document that they make.
    """
    dice = random.Random(seed)
    server: Doc[Any] = Doc(client_id=1)
    editors = [Editor(client_id=10_000 + 977 * number) for number in range(people)]
    online = [True] * people
    received: list[bytes] = []

    def receive(update: bytes) -> None:
        received.append(update)
        server.apply_update(update)

    def synchronise(editor: Editor) -> None:
        editor.take()
        receive(editor.doc.get_update(server.get_state()))
        editor.hear(server.get_update(editor.doc.get_state()))

    for _ in range(steps):
        number = dice.randrange(people)
        editor = editors[number]
        editor.edit(dice)
        if dice.random() < 0.2:
            if not online[number]:
                synchronise(editor)
            else:
                for update in editor.take():
                    receive(update)
                editor.hear(server.get_update(editor.doc.get_state()))
            online[number] = dice.random() < 0.7
        elif online[number]:
            for update in editor.take():
                receive(update)
    for editor in editors:
        synchronise(editor)
        editor.close()
    return received, server.get_update()
