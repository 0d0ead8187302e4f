"""What is made of what a program says, and when it is asked; real programs are in tests/contract."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from inventory_operator.components.config_tools import CheckerMissingError, ConfigChecker, problem

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def promtool(tmp_path: Path) -> Path:
    """A program that counts its runs and refuses what contains `bad`."""
    program = tmp_path / "promtool"
    program.write_text(
        f'#!/bin/sh\necho run >> "{tmp_path}/runs"\n'
        'for file; do :; done\nif grep -q bad "$file"; then echo "  FAILED: $file is bad"; exit 1; fi\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    return program


async def test_the_same_text_is_judged_once(promtool: Path) -> None:
    checks = ConfigChecker(str(promtool))
    assert await checks.rules("good") is None
    assert await checks.rules("bad") == "rules.yml is bad"
    assert await checks.rules("bad") == "rules.yml is bad"
    assert await checks.prometheus("bad") == "prometheus.yml is bad"
    assert (promtool.parent / "runs").read_text().count("run") == 3


async def test_a_program_that_is_missing_is_no_verdict() -> None:
    with pytest.raises(CheckerMissingError, match="nowhere/promtool can't be run: No such file"):
        await ConfigChecker("/nowhere/promtool").rules("groups: []")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Checking rules.yml\n  FAILED:\nrules.yml: 1:5: parse error\nrules.yml: 1:5: parse error\n",
         "rules.yml: 1:5: parse error"),
        ("Checking 'a.yml'  FAILED: unknown time zone X\n\namtool: error: failed to validate 1 file(s)\n\n",
         "unknown time zone X"),
        ("time=2026 level=WARN msg=x\n  FAILED: parsing YAML file a.yml: yaml:\n  line 1: field b", "yaml: line 1"),
        ("", "refused without a word"),
    ],
)  # fmt: skip
def test_the_sentence_without_its_frame(said: str, words: str) -> None:
    assert words in problem(said)
    assert "\n" not in problem(said)
