"""The rule files that stacks render to, and what is in their expressions.

Results are cached and shared: no test changes them.
"""

from __future__ import annotations

import dataclasses
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from tests.framework.configurations import config_map, parsed
from tests.framework.rendered import INPUTS, rendered, stack

if TYPE_CHECKING:
    from collections.abc import Iterator

Rule = dict[str, Any]
Files = dict[str, str]

SLO = {"availability": "99.9", "latency": {"threshold": "300ms", "objective": "99"}}
#: No published runbook: links lead to the stack's own Grafana.
PLAIN = dataclasses.replace(INPUTS, runbook_url=None)
_WORD = re.compile(r"(?<![\w:.])[A-Za-z_:][\w:]*")
_KEYWORDS = {"and", "or", "unless", "bool"}
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"([^\"]*)\"")


@cache
def files(*, slo: bool = False) -> Files:
    """Return the rule files of a stack that asks for nothing, or for objectives."""
    raw = stack(alerting={"slo": SLO}) if slo else stack()
    return rule_files(config_map(rendered(raw, PLAIN), "prometheus"))


def rule_files(data: Files) -> Files:
    return {key: text for key, text in data.items() if key.endswith(".rules.yml")}


def groups(data: Files) -> Iterator[dict[str, Any]]:
    for text in data.values():
        yield from parsed(text)["groups"]


def rules(data: Files) -> Iterator[Rule]:
    for group in groups(data):
        yield from group["rules"]


@cache
def every_rule() -> list[Rule]:
    """Return each rule of either stack, once."""
    plain = list(rules(files()))
    return plain + [rule for rule in rules(files(slo=True)) if rule not in plain]


@cache
def alerts() -> dict[str, Rule]:
    return {rule["alert"]: rule for rule in every_rule() if "alert" in rule}


def metrics_of(expression: str) -> set[str]:
    """Return the metrics of a PromQL expression: its words but selectors, functions, keywords and lists of labels."""
    bare = re.sub(r"\{(?:[^}\"]|\"[^\"]*\")*\}|\[[^\]]*\]|\"[^\"]*\"", " ", expression)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)|\boffset\s+\w+", " ", bare)
    bare = re.sub(r"\b[a-z_]+\s*\(", " ", bare)
    return set(_WORD.findall(bare)) - _KEYWORDS


def matchers_of(expression: str) -> set[tuple[str, str]]:
    """Return label and value of each matcher."""
    return set(_MATCHER.findall(expression))
