"""What promtool and amtool say of a configuration before it is written.

It runs the programs on files of its own, one at a time, and remembers what they said; it never touches the cluster.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import tempfile
from collections import OrderedDict
from pathlib import Path

#: What was judged last; an entry is a few hundred bytes.
REMEMBERED = 1024
#: promtool needs 0.1 s for our largest file; what takes this long is stuck.
SECONDS = 30.0
_LONGEST = 300
_FRAME = re.compile(r"^(Checking \S+)?\s*(FAILED:|SUCCESS:.*)?(parsing YAML file )?(amtool: error: .*)?")
_LOG = re.compile(r"time=\S+ level=")


class CheckerMissingError(Exception):
    """A program that judges configuration can't be run."""


class ConfigChecker:
    """Judges texts: None is good, else a sentence of the program that will read it."""

    def __init__(self, promtool: str = "promtool", amtool: str = "amtool") -> None:
        self._promtool = promtool
        self._amtool = amtool
        self._said: OrderedDict[str, str | None] = OrderedDict()
        # One at a time: each takes up to 100 MB, and the operator's pod is small.
        self._turn = asyncio.Lock()

    async def rules(self, text: str) -> str | None:
        """Judge a file of recording and alerting rules."""
        return await self._judge([self._promtool, "check", "rules", "--lint=none"], "rules.yml", text)

    async def prometheus(self, text: str) -> str | None:
        """Judge a prometheus.yml, or a file of scrape jobs, without the files that it names."""
        return await self._judge([self._promtool, "check", "config", "--syntax-only"], "prometheus.yml", text)

    async def alertmanager(self, text: str) -> str | None:
        """Judge an alertmanager.yml."""
        return await self._judge([self._amtool, "check-config"], "alertmanager.yml", text)

    async def _judge(self, command: list[str], name: str, text: str) -> str | None:
        key = hashlib.sha256("\0".join([*command, text]).encode()).hexdigest()
        if key not in self._said:
            async with self._turn:
                self._said[key] = await _run([*command, name], name, text)
            while len(self._said) > REMEMBERED:
                self._said.popitem(last=False)
        self._said.move_to_end(key)
        return self._said[key]


async def _run(command: list[str], name: str, text: str) -> str | None:
    with tempfile.TemporaryDirectory(prefix="check-") as folder:
        await asyncio.to_thread(Path(folder, name).write_text, text, "utf-8")
        try:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
            )
        except OSError as error:
            raise CheckerMissingError(f"{command[0]} can't be run: {error.strerror}") from error
        try:
            async with asyncio.timeout(SECONDS):
                said, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            return f"{command[0]} did not come to an end within {SECONDS:.0f} s"
        return None if process.returncode == 0 else problem(said.decode(errors="replace"))


def problem(said: str) -> str:
    """Return what a program's output says is wrong, on one line: without its frame, and each thing once."""
    lines = dict.fromkeys(_FRAME.sub("", line).strip() for line in said.splitlines() if not _LOG.match(line))
    return " ".join(line for line in lines if line)[:_LONGEST] or "refused without a word"
