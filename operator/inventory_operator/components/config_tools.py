"""What is said of a configuration before it is written: by a check of ours, and by the program that will read it.

Both run in processes with limits. What they said is remembered, by the content and by the program that said it.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from inventory_operator.components import limited_process
from inventory_operator.components.limited_process import (
    CHECK,
    LARGEST_OUTPUT,
    TOOL,
    Limits,
    Outcome,
    ProgramMissingError,
    Turns,
)
from inventory_operator.components.tool_messages import problem_of, without_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: What was judged last. The bytes are those of what is to be written in place of files.
REMEMBERED = 1024
REMEMBERED_BYTES = 16_000_000
#: Of that one namespace has a quarter at most: as much as four stacks with the largest files need.
SHARES = 4
#: Exit codes of promtool and amtool for a file that they refuse; promtool's other one is for its own linter.
_REFUSED = frozenset({1, 3})
_KILLED = -9


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that judges one kind of file: what it is called with, before the name of the file."""

    program: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is said of one file."""

    #: None is a good file.
    problem: str | None = None
    #: What is to be written in its place; None is the file as it is.
    text: str | None = None
    #: Names in it that no other file of its kind may use, and the line of each where that is known.
    names: tuple[tuple[str, int | None], ...] = ()
    #: Whether it would be the same the next time.
    final: bool = True

    @property
    def size(self) -> int:
        """Return about how many bytes it takes to remember it."""
        return sys.getsizeof(self.text) + sum(sys.getsizeof(name) for name, _ in self.names)


class Judgements:
    """What was judged last, of each namespace a share: what one has judged makes nobody else's be judged again."""

    def __init__(self, most_bytes: int = REMEMBERED_BYTES) -> None:
        #: By content, with the namespace that had it judged; the oldest first.
        self._kept: OrderedDict[str, tuple[str, Judgement]] = OrderedDict()
        self._most_bytes = most_bytes

    def get(self, key: str) -> Judgement | None:
        """Return what was said of a content, if it is still known."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][1]

    def put(self, key: str, namespace: str, judgement: Judgement) -> None:
        """Keep what was said, and drop the oldest of what is too much; the newest stays, whatever its size."""
        self._kept[key] = (namespace, judgement)
        self._drop([one for one, (name, _) in self._kept.items() if name == namespace], SHARES)
        self._drop(list(self._kept), 1)

    def _drop(self, keys: list[str], shares: int) -> None:
        size = sum(self._kept[key][1].size for key in keys)
        for number, key in enumerate(keys[:-1]):
            if len(keys) - number <= REMEMBERED // shares and size <= self._most_bytes // shares:
                return
            size -= self._kept.pop(key)[1].size


class ConfigChecker:
    """Judges texts, one of a namespace at a time."""

    def __init__(self, folder: Path | None = None, most_bytes: int = REMEMBERED_BYTES) -> None:
        #: Where the programs are; None is the PATH.
        self._folder = folder
        self._turns = Turns()
        self._judgements = Judgements(most_bytes)

    async def check(self, namespace: str, tool: Tool, text: str) -> str | None:
        """Return what a program says of a configuration of ours; None is good.

        Raises:
            ProgramMissingError: there is no such program.

        """
        command = self._command(tool)
        judgement = await self._once(namespace, [_identity(command)], text, lambda: _said(command, text))
        return judgement.problem

    async def judge(self, namespace: str, kind: str, tool: Tool | None, text: str) -> Judgement:
        """Judge a file of a user: by the check of its kind (inventory_operator.checks), then by the program.

        Raises:
            ProgramMissingError: there is no such program.

        """
        command = self._command(tool) if tool else None
        version = [kind, _identity(command)] if command else [kind]
        return await self._once(namespace, version, text, lambda: _judged(kind, command, text))

    def _command(self, tool: Tool) -> list[str]:
        program = shutil.which(tool.program, path=str(self._folder) if self._folder else None)
        if program is None:
            raise ProgramMissingError(f"{tool.program} can't be run: not found in {self._folder or 'the PATH'}")
        return [program, *tool.arguments]

    async def _once(
        self, namespace: str, version: list[str], text: str, judge: Callable[[], Awaitable[Judgement]]
    ) -> Judgement:
        key = hashlib.sha256("\0".join([*version, text]).encode()).hexdigest()
        if known := self._judgements.get(key):
            return known
        async with self._turns.take(namespace):
            # Another stack of the namespace may have the same file.
            judgement = self._judgements.get(key) or await judge()
        if judgement.final:
            self._judgements.put(key, namespace, judgement)
        return judgement


def _identity(command: list[str]) -> str:
    """Return what changes with the program and with how it is called."""
    state = Path(command[0]).stat()
    return "\0".join([*command, str(state.st_size), str(state.st_mtime_ns)])


async def _judged(kind: str, command: list[str] | None, text: str) -> Judgement:
    outcome = await limited_process.run([sys.executable, "-m", "inventory_operator.checks", kind], text, CHECK)
    if outcome.code != 0 or len(outcome.output) == LARGEST_OUTPUT:
        return _not_judged(outcome, CHECK)
    said = orjson.loads(outcome.output)
    if problem := said.get("problem"):
        return Judgement(problem)
    written = said["text"]
    if command:
        shown = partial(without_text, lines=said["lines"])
        judgement = await _said(command, text if written is None else written, shown)
        if judgement.problem:
            return judgement
    return Judgement(None, written, tuple((name, line) for name, line in said["names"]))


async def _said(command: list[str], text: str, words: Callable[[str], str] = str) -> Judgement:
    outcome = await limited_process.run([*command, "/dev/stdin"], text, TOOL)
    if outcome.code == 0:
        return Judgement()
    if outcome.code in _REFUSED:
        return Judgement(problem_of(outcome.output.decode(errors="replace"), words))
    return _not_judged(outcome, TOOL)


def _not_judged(outcome: Outcome, limits: Limits) -> Judgement:
    # A signal that is not our limit's: the kernel is out of memory, or somebody was at it. The next time may be better.
    if outcome.code in {None, _KILLED}:
        unfinished = (
            f"the check did not come to an end within {limits.seconds:.0f} s; it is tried again in a few minutes"
        )
        return Judgement(unfinished, final=False)
    return Judgement(f"checking it takes more than {limits}: make it smaller, or what is in it simpler")
