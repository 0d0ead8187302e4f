"""The exclusions for grafana's dashboard-linter, each with its reason.

It never excludes what nobody gave a reason for: tests hold the linter's rules on everything else.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: The linter's name for it; `dashboard-linter lint --config dashboards/.lint FILE`. Not in the folder of the
#: dashboards, because all of that gets into a ConfigMap.
FILE = Path(__file__).with_name(".lint")
_NO_INSTANCE = "instance is an address, another one after each restart; pod and job are what lasts."
_NO_JOB = "The series is recorded for the stack as a whole, or is an alert: it has no job."
#: A selector without a job, and what these may be.
_SELECTOR = re.compile(r"([A-Za-z_:][\w:]*)\{([^}]*)\}")
_WITHOUT_JOB = re.compile(r"inventory:|ALERTS$")


def exclusions(boards: Iterable[str]) -> str:
    """Return the linter's configuration for these dashboards, given as JSON."""
    jobless = [entry for board in boards for entry in _jobless(json.loads(board))]
    rules = {
        "template-instance-rule": {"reason": _NO_INSTANCE},
        "target-instance-rule": {"reason": _NO_INSTANCE},
        "target-job-rule": {"reason": _NO_JOB, "entries": jobless},
    }
    return yaml.safe_dump({"exclusions": rules}, sort_keys=False, width=120)


def _jobless(board: dict[str, Any]) -> Iterator[dict[str, str]]:
    for panel in board["panels"]:
        for place, target in enumerate(panel.get("targets", [])):
            selectors = _SELECTOR.findall(target["expr"])
            if any(_WITHOUT_JOB.match(metric) and 'job=~"$job"' not in matchers for metric, matchers in selectors):
                yield {"dashboard": board["title"], "panel": panel["title"], "targetIdx": str(place)}
