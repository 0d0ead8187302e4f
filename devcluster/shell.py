"""Runs programs, and turns their failure into one sentence.

What outlives the call is started by `servers`, what must end with this process by `bound`.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from devcluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_KEPT_LINES = 5


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    detached: bool = False,
) -> str:
    """Return what `argv` printed on standard output; ClusterError with its last lines when it fails.

    A `detached` program is not interrupted by Ctrl-C: what it does can't be broken off.
    """
    command = [str(word) for word in argv]
    try:
        done = subprocess.run(
            command,
            input=stdin,
            env={**os.environ, **(env or {})},
            timeout=timeout,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=detached,
        )
    except FileNotFoundError as error:
        raise ClusterError(f"{command[0]}: no such program") from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{' '.join(command[:3])} ... took longer than {timeout:g} s") from error
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-_KEPT_LINES:])
        raise ClusterError(f"{' '.join(command[:4])} ... failed with exit code {done.returncode}: {said}")
    return done.stdout


def succeeds(argv: Sequence[str | Path], *, stdin: str = "", timeout: float | None = None) -> bool:
    """Tell whether `argv` exits with 0; a missing program doesn't."""
    try:
        run(argv, stdin=stdin, timeout=timeout)
    except ClusterError:
        return False
    return True
