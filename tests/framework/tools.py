"""The programs that read what we write: promtool and amtool of the versions that the cluster runs."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from devcluster.build.binaries import binary
from devcluster.errors import ClusterError

#: How both tools begin what they say about a file; amtool puts its name between quotes.
_HEAD = re.compile(r"^Checking '?(/[^'\s]+)", re.MULTILINE)


class Tool:
    """One of the two."""

    def __init__(self, name: str) -> None:
        """Take the one that the cluster build made: a distribution's may be too old."""
        try:
            self._program = binary(name)
        except ClusterError as error:
            pytest.fail(str(error))

    def __call__(self, *arguments: str | Path) -> str:
        """Return what it says; the test fails with that when the tool fails."""
        code, said = self._run(*arguments)
        assert code == 0, said
        return said

    def check(self, *arguments: str | Path) -> dict[Path, str]:
        """Check many files with one process; return what is said of each, to be looked at by `good`."""
        code, said = self._run(*arguments)
        heads = [*_HEAD.finditer(said)]
        ends = [head.start() for head in heads[1:]] + [len(said)]
        found: dict[Path, str] = {}
        for head, end in zip(heads, ends, strict=True):
            # A file may come twice: as a rule file of a configuration, and by itself.
            found[Path(head[1])] = found.get(Path(head[1]), "") + said[head.start() : end]
        assert bool(code) == any(not good(part) for part in found.values()), f"exit code {code}:\n{said}"
        return found

    def _run(self, *arguments: str | Path) -> tuple[int, str]:
        done = subprocess.run(
            [self._program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            # Less garbage collection: a fifth of the CPU time of `promtool test rules`, for 100 MB of memory.
            env={**os.environ, "GOGC": "400"},
        )
        return done.returncode, done.stdout


def good(said: str) -> bool:
    """Return whether a tool has taken a file."""
    return "SUCCESS" in said and "FAILED" not in said
