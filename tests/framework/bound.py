"""Ties a program to this process: the kernel ends it when this process dies, even by SIGKILL."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: On Linux every distribution has it (util-linux); without it a program is only ended by its own fixture.
_SETPRIV = shutil.which("setpriv")


def bound(*argv: str | Path, user: str = "") -> list[str]:
    """Return the command that runs `argv` bound to the thread that starts it; as root it may run as another `user`.

    The kernel sends the signal when the *thread* ends: start it from the main thread, where fixtures run.
    """
    command = [str(word) for word in argv]
    if _SETPRIV is None:
        assert not user or os.geteuid() != 0, f"Running {command[0]} as {user} needs setpriv, of util-linux."
        return command
    options = ["--pdeathsig", "KILL"]
    if user and os.geteuid() == 0:
        options += ["--reuid", user, "--regid", user, "--init-groups"]
    return [_SETPRIV, *options, "--", *command]
