"""What is made of what a program says, and when it is asked; real programs are in tests/contract."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from inventory_operator.components.config_tools import REMEMBERED, SHARES, ConfigChecker, Judgement, Judgements, Tool
from inventory_operator.components.limited_process import ProgramMissingError
from inventory_operator.components.tool_messages import problem_of, without_text

RULES = Tool("promtool", ("check", "rules"))
CONFIG = Tool("promtool", ("check", "config"))
GOOD = "groups: [good]"
BAD = "groups: [bad]  # hunter2"


@pytest.fixture
def promtool(tmp_path: Path) -> Path:
    """A program that counts its runs, refuses what contains `bad`, and is ended by `crash` and `die`."""
    program = tmp_path / "promtool"
    program.write_text(
        f'#!/bin/sh\necho run >> "{tmp_path}/runs"\nfor file; do :; done\ntext=$(cat "$file")\n'
        "case $text in\n"
        '*bad*) echo "  FAILED:"; echo "$file: 1:2: unknown $text"; exit 1;;\n'
        "*crash*) echo fatal error: out of memory; exit 2;;\n*die*) kill -9 $$;;\nesac\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    return program


def runs(promtool: Path) -> int:
    return (promtool.parent / "runs").read_text().count("run")


async def test_the_same_text_is_judged_once(promtool: Path) -> None:
    checks = ConfigChecker(promtool.parent)
    assert await checks.check("ns", RULES, GOOD) is None
    assert await checks.check("ns", RULES, BAD) == "1:2: unknown groups: [bad]  # hunter2"
    assert await checks.check("other", RULES, BAD) == "1:2: unknown groups: [bad]  # hunter2"
    assert runs(promtool) == 2
    assert await checks.check("ns", CONFIG, BAD)
    assert runs(promtool) == 3, "called otherwise it may say something else"
    os.utime(promtool, (0, 0))
    assert await checks.check("ns", RULES, GOOD) is None
    assert runs(promtool) == 4, "another program may say something else"


async def test_a_file_of_a_user_is_judged_by_both_and_none_of_its_text_shown(promtool: Path) -> None:
    checks = ConfigChecker(promtool.parent)
    for _ in range(2):
        assert (await checks.judge("ns", "rules", RULES, BAD)).problem == "line 1: unknown …: …"
        assert (await checks.judge("ns", "rules", RULES, "a: &a [*a]")).problem == (
            "line 1: an anchor (&) is not allowed: write the value out where it is used"
        )
        assert (await checks.judge("ns", "rules", RULES, GOOD)).problem is None
    assert runs(promtool) == 2, "what our own check refuses no program reads"


async def test_lines_are_those_of_the_users_file_and_what_is_judged_is_what_is_written(promtool: Path) -> None:
    text = "# comment\n\nscrape_configs:\n\n- {job_name: bad, # hunter2\n  }\n"
    judgement = await ConfigChecker(promtool.parent).judge("ns", "scrape", CONFIG, text)
    assert judgement.problem == "line 3: unknown …: … job_name: bad"


async def test_a_program_that_ran_into_its_limits_refuses(promtool: Path) -> None:
    checks = ConfigChecker(promtool.parent)
    for _ in range(2):
        problem = (await checks.judge("ns", "rules", RULES, "groups: [crash]")).problem
        assert str(problem).startswith("checking it takes more than 10 s of CPU time or 160 MB of memory: make it ")
    assert runs(promtool) == 1


@pytest.mark.parametrize(("size", "times"), [(60_000, 100), (300_000, 3_000)])
async def test_a_dashboard_that_grows_beyond_all_limits_is_refused(size: int, times: int) -> None:
    inputs = [{"name": "X", "type": "constant", "value": "x" * size}]
    board = {"title": "a", "uid": "a", "__inputs": inputs, "panels": ["${X}"] * times}
    judgement = await ConfigChecker().judge("ns", "dashboard", None, json.dumps(board))
    assert str(judgement.problem).startswith("checking it takes more than")
    assert judgement.text is None


async def test_what_says_nothing_about_the_file_is_not_remembered(promtool: Path) -> None:
    checks = ConfigChecker(promtool.parent)
    for times in (1, 2):
        problem = (await checks.judge("ns", "rules", RULES, "groups: [die]")).problem
        assert problem
        assert "did not come to an end" in problem
        assert runs(promtool) == times


async def test_what_is_remembered_is_bounded(promtool: Path) -> None:
    checks = ConfigChecker(promtool.parent, most_bytes=1000)
    jobs = [f"scrape_configs: [{{job_name: a{number}{'x' * 400}}}]" for number in range(3)]
    for text in [*jobs, jobs[0], jobs[0]]:
        assert (await checks.judge("ns", "scrape", CONFIG, text)).names
    assert runs(promtool) == 4


def test_what_one_namespace_has_judged_makes_nobody_elses_be_judged_again() -> None:
    judgements = Judgements(most_bytes=4_000)
    judgements.put("ours", "shop", Judgement(text="x" * 300))
    for number in range(2 * REMEMBERED):
        judgements.put(f"large-{number}", "hostile", Judgement(text="x" * 900))
    assert judgements.get("ours")
    assert judgements.get(f"large-{2 * REMEMBERED - 1}")
    assert not judgements.get(f"large-{2 * REMEMBERED - 2}")
    judgements = Judgements()
    judgements.put("ours", "shop", Judgement())
    for number in range(2 * REMEMBERED):
        judgements.put(f"small-{number}", "hostile", Judgement())
    kept = [number for number in range(2 * REMEMBERED) if judgements.get(f"small-{number}")]
    assert len(kept) == REMEMBERED // SHARES
    assert judgements.get("ours")


async def test_a_program_that_is_missing_is_no_verdict() -> None:
    with pytest.raises(ProgramMissingError, match="promtool can't be run: not found in /nowhere"):
        await ConfigChecker(Path("/nowhere")).check("ns", RULES, "groups: []")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Checking /dev/stdin\n  FAILED:\n/dev/stdin: 1:5: parse error\n/dev/stdin: 1:5: parse error\n",
         "1:5: parse error"),
        ("Checking '/dev/stdin'  FAILED: unknown time zone X\n\namtool: error: failed to validate 1 file(s)\n\n",
         "unknown time zone X"),
        ("time=2026 level=WARN\n  FAILED: parsing YAML file /dev/stdin: yaml: unmarshal errors:\n  line 1: field b",
         "line 1: field b"),
        ("", "refused without a word"),
    ],
)  # fmt: skip
def test_the_sentence_without_its_frame(said: str, words: str) -> None:
    assert problem_of(said) == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ('3:9: group "a\\"b", rule 2, "c": could not parse expression: 1:5: parse error: unexpected "hunter2"',
         "line 30, rule 2 of its group: could not parse expression: 1:5: parse error: unexpected …"),
        ('group "g", rule 1, "a": annotation "b": template: __alert_a:1: function "hunter2" not defined',
         "rule 1 of its group: annotation …: template: …: function … not defined"),
        ("yaml: line 3: did not find expected key", "line 30: did not find expected key"),
        ("line 4: cannot unmarshal !!str `user:pa...` into config.plain", "line 4: cannot unmarshal … into …"),
        ("one of 'record' or 'alert' must be set", "one of record or alert must be set"),
        ("hunter2 12:34 correct-horse", "…"),
    ],
)  # fmt: skip
def test_the_sentence_without_text_of_the_file(said: str, words: str) -> None:
    assert without_text(said, {"3": 30}) == words
