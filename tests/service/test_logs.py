"""The log of a process: our lines and the libraries', each one JSON object, whatever happens in it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.framework.server import DEADLINE

SAYS = """
import logging
import structlog
from inventory_service.telemetry.logging import configure

log, other = structlog.get_logger("shop"), logging.getLogger("library")
configure({level!r})
secret = "local-pa55word"
for level in (log.debug, log.info, log.warning, log.error, other.debug, other.info, other.warning, other.error):
    level("said")
log.log(logging.INFO, "at a level", value=1)
for each in (log, other):
    try:
        raise ValueError("two" + chr(10) + "lines")
    except ValueError:
        each.exception("failed")
other.warning("%s of %s", 1, "2")
"""


def said(level: str) -> list[dict[str, str]]:
    done = subprocess.run(
        [sys.executable, "-c", SAYS.format(level=level)], capture_output=True, text=True, check=True, timeout=DEADLINE
    )
    assert not done.stderr
    assert "local-pa55word" not in done.stdout
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("level", "levels"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_our_events_and_the_libraries_obey_the_level_alike(level, levels):
    lines = said(level)
    assert [line["level"] for line in lines if (line["event"], line["logger"]) == ("said", "shop")] == levels
    assert [line["level"] for line in lines if (line["event"], line["logger"]) == ("said", "library")] == levels
    assert [line["value"] for line in lines if line["event"] == "at a level"] == [1] * ("info" in levels)


def test_an_exception_is_one_line_with_its_traceback_and_no_local_variables():
    lines = {line["logger"]: line for line in said("info") if line["event"] == "failed"}
    for logger in ("shop", "library"):
        assert lines[logger]["level"] == "error"
        assert lines[logger]["exception"].startswith("Traceback")
        assert lines[logger]["exception"].endswith("ValueError: two\nlines")


def test_every_line_says_when_and_who():
    for line in said("debug"):
        assert line["timestamp"].endswith("Z")
        assert line["logger"] in {"shop", "library"}
    assert "1 of 2" in [line["event"] for line in said("info")]
