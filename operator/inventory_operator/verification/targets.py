"""Which pods of the service Prometheus has as targets, and why it has not the others. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from inventory_operator.kube.pods import conditions
from inventory_operator.verification.words import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Object = dict[str, Any]
#: The job that scrapes the service; templates/prometheus/config/reload/prometheus.yml.j2.
JOB = "service"
NOT_SCRAPED_YET = "NotScrapedYet"
_STATUS = re.compile(r"^server returned HTTP status (\d{3})\b")
_DENIED = frozenset({"401", "403"})
#: Intervals in which a pod that became ready is discovered and scraped, and the seconds that discovery takes besides.
_INTERVALS, _DISCOVERY_SECONDS = 3, 10
#: What Prometheus says of a scrape that failed (scrape/scrape.go, model/textparse and Go's net/http), the reason, and
#: what is to be said of the pod; `{}` stands for Prometheus' words.
_ERRORS = (
    (
        re.compile(r"context deadline exceeded|i/o timeout|Client\.Timeout"),
        "Timeout",
        "does not answer Prometheus within the scrape timeout: see whether it is overloaded, or unreachable",
    ),
    (
        re.compile(r"limit exceeded"),
        "LimitExceeded",
        "exposes more than its job takes ({}): lower spec.service.metrics.maxProducts",
    ),
    (
        re.compile(r"dial tcp|connection re(?:fused|set)|no route to host|: EOF$"),
        "NotConnected",
        "can't be connected to by Prometheus: read its log",
    ),
    (
        re.compile(r"pars(?:e|ing)|Content-Type|invalid (?:metric|label|UTF-8)|EOF|unexpected end"),
        "BadExposition",
        "exposes no valid metrics: {}",
    ),
    (re.compile(""), "ScrapeFailed", "can't be scraped: {}"),
)


@dataclass(frozen=True, slots=True)
class Target:
    """A pod that should be a target of Prometheus and isn't, or isn't up."""

    pod: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Targets:
    """How many pods of the service should be targets, how many of them are up, and the others."""

    expected: int
    up: int
    others: tuple[Target, ...]


def failed_scrape(pod: str, error: str) -> Target:
    """Return what is to be said of a target that is down, by the error that Prometheus has of its last scrape."""
    if found := _STATUS.search(error):
        if found[1] in _DENIED:
            return Target(pod, "AccessDenied", f"answers Prometheus with {found[1]}: let Prometheus read /metrics")
        return Target(pod, "UnexpectedStatus", f"answers Prometheus with {found[1]}, expected 200: read its log")
    reason, words = next((reason, words) for pattern, reason, words in _ERRORS if pattern.search(error))
    return Target(pod, reason, words.format(quoted(error)))


def dropping_rule(steps: list[Object]) -> str | None:
    """Return the rule that drops a target, from the steps as Prometheus tells them; None where none does."""
    for number, step in enumerate(steps):
        rule = step.get("rule")
        if step.get("keep") is False and isinstance(rule, dict):
            labels = rule.get("source_labels")
            source = ", ".join(map(str, labels)) if isinstance(labels, list) else ""
            words = quoted(rule.get("action", ""), 20), quoted(source, 80), quoted(rule.get("regex", ""), 40)
            return "relabel_configs[{}] ({} {} by {})".format(number, *words)
    return None


def seconds_ready(pod: Object, now: str) -> float:
    """Return for how long a pod has been ready; infinity where it does not say. `now` is RFC 3339."""
    since = conditions(pod).get("Ready", {}).get("lastTransitionTime")
    if not isinstance(since, str):
        return float("inf")
    try:
        return (datetime.fromisoformat(now) - datetime.fromisoformat(since)).total_seconds()
    except (ValueError, TypeError):
        return float("inf")


def may_be_unscraped(pods: Iterable[Object], interval: float, now: str) -> bool:
    """Tell whether one of these pods became ready so lately that a scrape of it, or by it, need not have been yet.

    `interval` is the scrape interval in seconds.
    """
    return any(seconds_ready(pod, now) < _INTERVALS * interval + _DISCOVERY_SECONDS for pod in pods)


def scraped_since_ready(target: Object, pod: Object) -> bool:
    """Tell whether Prometheus scraped a pod after it had become ready: an earlier scrape says nothing of it.

    The pod's time is of whole seconds.
    """
    return seconds_ready(pod, str(target.get("lastScrape", ""))) >= 1


def by_pod(targets: list[Object], labels: str, name: str) -> dict[str, list[Object]]:
    """Return targets by the pod that a label of theirs names; `labels` says which of their labels."""
    found: dict[str, list[Object]] = {}
    for one in targets:
        of: Mapping[str, Any] = one.get(labels) if isinstance(one.get(labels), dict) else {}  # type: ignore[assignment]
        if isinstance(of.get(name), str):
            found.setdefault(of[name], []).append(one)
    return found
