"""The commands of `python -m inventory_service`: within this process, and as a process where that is the point."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple
from unittest import mock

from tests.framework.bound import bound
from tests.framework.server import DEADLINE

from inventory_service.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Mapping


class Ended(NamedTuple):
    """The exit code of a command, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments: str, **environment: str) -> Ended:
    """Run a command as a process of its own, with nothing but this environment."""
    command = bound(sys.executable, "-m", "inventory_service", *arguments)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=DEADLINE)
    return Ended(done.returncode, done.stdout, done.stderr)


def call(*arguments: str, **environment: str) -> Ended:
    """Run a command within this process, as `run` does without the start of a Python.

    `serve` would replace this process, and `migrate` sets the process's log up: those need `run`.
    """
    assert arguments
    assert arguments[0] not in {"serve", "migrate"}
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        _only(environment),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        try:
            main(arguments)
        except SystemExit as end:
            code = end.code
        else:
            raise AssertionError("A command ends with an exit code.")
    assert isinstance(code, int), code
    return Ended(code, stdout.getvalue(), stderr.getvalue())


def _only(environment: Mapping[str, str]) -> contextlib.AbstractContextManager[object]:
    return mock.patch.dict(os.environ, environment, clear=True)
