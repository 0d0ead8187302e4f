"""Reads YAML event by event into a tree of texts, within limits, and writes that tree anew.

YAML is not one language: what PyYAML and Go read differently (aliases, tags, merges, a key twice) is refused. A scalar
stays the text that it is, as does whether it was quoted, so that only its reader decides whether `1:30` is a number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import yaml
from yaml.reader import ReaderError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A scrape job has some ten levels.
DEEPEST = 50
#: Keys, values, lists and mappings: about what the largest file can have in lines of ordinary length.
MOST = 100_000
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
#: Columns: nothing is folded.
_WIDE = 1 << 30


class RefusedError(Exception):
    """What is wrong with a file, and in which line, from 1; no text of the file is in it."""

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem if line is None else f"line {line}: {problem}")


@dataclass(slots=True)
class Node:
    """A part of the tree: a text, None, a list or a mapping; a value in a mapping has the line of its key."""

    line: int
    value: str | list[Node] | dict[str, Node] | None


@dataclass(slots=True)
class _Open:
    """A list or mapping that has not ended."""

    node: Node
    #: In a mapping: the key whose value comes next.
    key: str | None = None
    key_line: int = 0


@dataclass(slots=True)
class Tree:
    """What was read."""

    root: Node
    #: The events of its nodes, and the line of each.
    events: list[yaml.Event] = field(repr=False)
    lines: list[int] = field(repr=False)


def read(text: str) -> Tree:
    """Return the tree of a text with one document; raise RefusedError."""
    builder = _Builder()
    for event in _events(text):
        builder.take(event)
    if builder.root is None:
        raise RefusedError("is empty")
    return Tree(builder.root, builder.events, builder.lines)


def write(tree: Tree) -> tuple[str, dict[int, int]]:
    """Return the tree as text, and for each line of that the line of the file that it comes from."""
    document = [
        yaml.StreamStartEvent(),
        yaml.DocumentStartEvent(explicit=False),
        *tree.events,
        yaml.DocumentEndEvent(explicit=False),
        yaml.StreamEndEvent(),
    ]
    text: str = yaml.emit(document, Dumper=yaml.CSafeDumper, allow_unicode=True, width=_WIDE)
    lines: dict[int, int] = {}
    read_lines = iter(tree.lines)
    # Event by event: two lists of them would take more memory than all else.
    for written, event in zip_longest(filter(_content, _events(text)), tree.events):
        if written is None or event is None or _content(written) != _content(event):
            raise RefusedError("has a value that can't be written anew")
        if isinstance(written, yaml.NodeEvent):
            lines.setdefault(_line(written), next(read_lines))
    return text, lines


class _Builder:
    """Puts a tree together as events come, and refuses the first that may not be there."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.events: list[yaml.Event] = []
        self.lines: list[int] = []
        self._open: list[_Open] = []
        self._nodes = 0

    def take(self, event: Any) -> None:
        """Go on with the next event."""
        if isinstance(event, yaml.NodeEvent):
            line = _line(event)
            self._check(event, line)
            self.lines.append(line)
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event, line)
            else:
                self._collection(event, line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self.events.append(type(event)())
        elif isinstance(event, yaml.DocumentStartEvent) and self.root:
            raise RefusedError("a second document begins here: expected one", _line(event))

    def _check(self, event: Any, line: int) -> None:
        self._nodes += 1
        if self._nodes > MOST:
            raise RefusedError(f"has more than {MOST:,} keys and values")
        if isinstance(event, yaml.AliasEvent):
            raise RefusedError("an alias (*) is not allowed: write the value out", line)
        if event.anchor is not None:
            raise RefusedError("an anchor (&) is not allowed: write the value out where it is used", line)
        if event.tag is not None:
            raise RefusedError("a tag (!) is not allowed: quote the value where it is to be a text", line)

    def _scalar(self, event: Any, line: int) -> None:
        plain = not event.style
        null = plain and event.value in _NULLS
        if self._wants_key:
            self._key(None if null else event.value, line)
        else:
            self._add(Node(line, None if null else event.value))
        text = "null" if null else event.value
        # What is of several lines or not ASCII is a text for every reader, and libyaml would not write all of it plain.
        plain = plain and text.isascii() and text.isprintable()
        self.events.append(yaml.ScalarEvent(None, None, (plain, not plain), text, style="" if plain else '"'))

    def _collection(self, event: Any, line: int) -> None:
        if self._wants_key:
            raise RefusedError("a list or a mapping is not allowed as a key", line)
        if len(self._open) >= DEEPEST:
            raise RefusedError(f"nested deeper than {DEEPEST} levels", line)
        node = Node(line, {} if isinstance(event, yaml.MappingStartEvent) else [])
        self._add(node)
        self._open.append(_Open(node))
        self.events.append(type(event)(None, None, implicit=True, flow_style=False))

    @property
    def _wants_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].node.value, dict) and self._open[-1].key is None

    def _key(self, key: str | None, line: int) -> None:
        inside = self._open[-1]
        assert isinstance(inside.node.value, dict)
        if key is None:
            raise RefusedError("a key is empty", line)
        if key == "<<":
            raise RefusedError("a merge (<<) is not allowed: write the values out", line)
        if key in inside.node.value:
            raise RefusedError("a key is twice in one mapping", line)
        inside.key, inside.key_line = key, line

    def _add(self, node: Node) -> None:
        if not self._open:
            self.root = node
            return
        inside = self._open[-1]
        if isinstance(inside.node.value, dict):
            assert inside.key is not None
            node.line = inside.key_line
            inside.node.value[inside.key] = node
            inside.key = None
        else:
            assert isinstance(inside.node.value, list)
            inside.node.value.append(node)


def _events(text: str) -> Iterator[Any]:
    """Yield what libyaml reads; raise RefusedError in its words, which are fixed phrases."""
    try:
        yield from yaml.parse(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        words = " ".join(one for one in (error.context, error.problem) if one)
        unclosed = str(error.problem).endswith("end of stream")
        mark = (error.context_mark if unclosed else None) or error.problem_mark or error.context_mark
        # At the end of the file it may be the line after the last.
        line = min(mark.line, text.count("\n")) + 1 if mark else None
        raise RefusedError(f"is not valid YAML: {words}", line) from None
    except ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1
        raise RefusedError(f"is not valid YAML: {error.reason}", line) from None


def _line(event: yaml.Event) -> int:
    assert event.start_mark
    return event.start_mark.line + 1


def _content(event: yaml.Event) -> tuple[Any, ...] | None:
    """Return what must be the same in what is written; None for the frame around it."""
    if isinstance(event, yaml.ScalarEvent):
        return ("scalar", event.value, event.style in {"", None})
    if isinstance(event, (yaml.CollectionStartEvent, yaml.CollectionEndEvent)):
        return (type(event).__name__,)
    return None
