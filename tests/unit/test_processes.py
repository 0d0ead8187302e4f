"""What a test starts ends with it: the helper that all suites start their programs with."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from tests.framework import processes

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


def test_a_program_ends_when_an_assertion_fails_beside_it() -> None:
    with pytest.raises(AssertionError, match="seen too early"), processes.running(["sleep", "600"]) as process:
        raise AssertionError("seen too early")
    assert process.returncode == -signal.SIGTERM


def test_one_that_does_not_listen_is_killed_and_its_pipes_are_closed() -> None:
    process = subprocess.Popen([sys.executable, "-c", DEAF], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"deaf\n"
    processes.end(process, patience=0)
    assert process.returncode == -signal.SIGKILL
    assert process.stdin.closed
    assert process.stdout.closed


def test_one_that_has_ended_keeps_its_exit_code() -> None:
    with processes.running(["sh", "-c", "exit 7"]) as process:
        assert process.wait(processes.PATIENCE) == 7
    assert process.returncode == 7
