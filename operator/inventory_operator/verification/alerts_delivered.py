"""The check AlertsDelivered: no receiver of alerts refuses what Alertmanager sends.

Prometheus is asked, for it has Alertmanager's counters from before: so an operator that was started a moment ago, and
the command line, which looks once, say the same.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inventory_operator.api.quantities import duration_seconds
from inventory_operator.kube.pods import is_ready
from inventory_operator.verification import prometheus
from inventory_operator.verification.answer import Answer, Outcome
from inventory_operator.verification.prometheus import NoAnswerError, Samples
from inventory_operator.verification.targets import may_be_unscraped
from inventory_operator.verification.words import listed, quoted

if TYPE_CHECKING:
    from inventory_operator.verification.ask import Ask
    from inventory_operator.verification.subject import Subject

Object = dict[str, Any]
CHECK = "AlertsDelivered"
#: Counters of Alertmanager (notify/notify.go), by integration: each try, each that failed, and, by reason, each
#: notification that was given up: refused for good, or not taken until the next one was due.
_TRIES, _REFUSED = "alertmanager_notification_requests_total", "alertmanager_notification_requests_failed_total"
_GIVEN_UP = "alertmanager_notifications_failed_total"
#: Seconds after which what was given up is tried again at the latest: the longest group_interval of
#: templates/alertmanager/config/reload/alertmanager.yml.j2, but for a heartbeat, whose is half of its interval.
_AGAIN_SECONDS = 300
#: Seconds between two tries of one notification: Alertmanager waits a minute at most, or half a minute longer.
_RETRY_SECONDS = 90
#: Seconds between two samples that are looked at, at least; integrations that are looked at.
_STEP_SECONDS, _MOST = 5, 10
_INTEGRATION = re.compile(r"[a-z0-9]{1,30}")
#: What a reload or the end of Alertmanager interrupts is no refusal.
_INTERRUPTED = "contextCanceled"
#: By integration: what has the address, and the password, of its receiver.
_FIELDS = {
    "slack": "spec.alerting.receivers.slack",
    "email": "spec.alerting.receivers.email",
    "webhook": "spec.alerting.receivers.webhook",
    "pagerduty": "spec.alerting.receivers.pagerDuty",
}
_HEARTBEAT = "spec.alerting.heartbeat"


async def check(subject: Subject, ask: Ask, now: str) -> Answer:
    """Look for notifications that failed, and were not followed by one that went through. `now` is RFC 3339."""
    if skipped := _skipped(subject):
        return skipped
    try:
        seconds = await _sums(subject, ask)
        if ("scraped", "") not in seconds:
            return _without_metrics(subject, now)
        failing = sorted(name for of, name in seconds if of == "failed" and _INTEGRATION.fullmatch(name))[:_MOST]
        recent = await _recent(subject, ask, failing) if failing else {}
    except NoAnswerError as error:
        return error.answer(CHECK)
    fields = _fields(subject)
    bad = {name: one for name, one in sorted(recent.items()) if one.fails(shared=len(fields.get(name, ())) > 1)}
    if bad:
        reasons = sorted({quoted(one.reason, 30) for one in bad.values() if one.reason})
        why = f" ({listed(reasons)})" if reasons else ""
        places = [place for name in bad for place in fields.get(name, ())]
        what = "some notifications" if any(one.delivered for one in bad.values()) else "notifications"
        words = f"{what} by {listed(list(bad))} fail{why}: read the log of Alertmanager"
        words += f", and look at the receiver that {listed(places)} names" if places else ""
        return Answer(CHECK, Outcome.FAILED, "NotificationsFailing", words)
    if not any(of == "tried" for of, _ in seconds):
        words = "Alertmanager has had nothing to send since it was started"
        return Answer(CHECK, Outcome.SKIPPED, "NothingSent", words)
    return Answer(CHECK, Outcome.PASSED, "NotificationsSent", "no receiver refuses what Alertmanager sends")


def _skipped(subject: Subject) -> Answer | None:
    alerting = subject.spec.alerting
    if not alerting.enabled:
        return Answer(CHECK, Outcome.SKIPPED, "NoReceivers", "spec.alerting.enabled is false")
    if not alerting.receivers.configured() and not alerting.heartbeat:
        return Answer(CHECK, Outcome.SKIPPED, "NoReceivers", "spec.alerting names no receiver")
    return None


def _fields(subject: Subject) -> dict[str, list[str]]:
    """Return by integration the fields of the spec whose receivers count as it; a heartbeat is a webhook."""
    alerting = subject.spec.alerting
    found = {name.lower(): [_FIELDS[name.lower()]] for name in alerting.receivers.configured()}
    if alerting.heartbeat:
        found.setdefault("webhook", []).append(_HEARTBEAT)
    return found


def _interval(subject: Subject) -> int:
    return duration_seconds(subject.spec.prometheus.scrape_interval)


def _window(subject: Subject) -> int:
    """Return the seconds within which what fails has failed again, and Prometheus has it."""
    heartbeat = subject.spec.alerting.heartbeat
    again = max(_AGAIN_SECONDS, duration_seconds(heartbeat.interval) // 2 if heartbeat else 0)
    return again + _RETRY_SECONDS + 2 * _interval(subject)


async def _sums(subject: Subject, ask: Ask) -> set[tuple[str, str]]:
    """Return what there is: whether it was scraped, tried since the start, or failed lately; and its integration."""
    own = '{job="alertmanager"}'
    terms = {
        "failed": f"sum by (integration) (increase({_REFUSED}{own}[{_window(subject)}s])) > 0",
        "tried": f"sum by (integration) ({_TRIES}{own}) > 0",
        "scraped": f"count({_TRIES}{own})",
    }
    expression = " or ".join(f'label_replace({term}, "of", "{of}", "", "")' for of, term in terms.items())
    series = await prometheus.query(subject, ask, expression, 100)
    return {(labels.get("of", ""), labels.get("integration", "")) for labels, _ in series}


def _without_metrics(subject: Subject, now: str) -> Answer:
    if may_be_unscraped(_readers(subject), _interval(subject), now):
        words = "Alertmanager, or Prometheus, became ready a moment ago"
        return Answer(CHECK, Outcome.SKIPPED, "TooYoung", words)
    words = "Prometheus has no metrics of Alertmanager: see AlertmanagerAvailable, and its targets of job alertmanager"
    return Answer(CHECK, Outcome.UNKNOWN, "AlertmanagerNotScraped", words)


def _readers(subject: Subject) -> list[Object]:
    return [pod for part in ("alertmanager", "prometheus") for pod in subject.pods(part) if is_ready(pod)]


@dataclass(slots=True)
class _Recent:
    """When (seconds since 1970) notifications of one integration failed and went through, of all Alertmanagers."""

    refused: float = 0.0
    given_up: float = 0.0
    delivered: float = 0.0
    #: Why the last one was given up.
    reason: str = ""

    def fails(self, *, shared: bool) -> bool:
        """Tell whether nothing went through since; where receivers share the counters that may be another's."""
        if shared and self.given_up:
            return True
        # Within one scrape a try that was refused is followed by the one that was taken.
        return self.refused > self.delivered or (self.given_up > 0 and self.given_up >= self.delivered)


async def _recent(subject: Subject, ask: Ask, integrations: list[str]) -> dict[str, _Recent]:
    names = f"{_TRIES}|{_REFUSED}|{_GIVEN_UP}"
    wanted = f'{{__name__=~"{names}", job="alertmanager", integration=~"{"|".join(integrations)}"}}'
    step = "" if _interval(subject) >= _STEP_SECONDS else f":{_STEP_SECONDS}s"
    found = {name: _Recent() for name in integrations}
    taken: dict[tuple[str, str, float], float] = {}
    for labels, samples in await prometheus.samples(subject, ask, f"{wanted}[{_window(subject)}s{step}]"):
        metric, name, pod = (labels.get(key, "") for key in ("__name__", "integration", "instance"))
        for at, by in _increases(samples) if name in found else ():
            if metric == _GIVEN_UP and labels.get("reason") != _INTERRUPTED and at > found[name].given_up:
                found[name].given_up, found[name].reason = at, labels.get("reason", "")
            if metric == _REFUSED:
                found[name].refused = max(found[name].refused, at)
            if metric in {_TRIES, _REFUSED}:
                key = (name, pod, at)
                taken[key] = taken.get(key, 0.0) + (by if metric == _TRIES else -by)
    for (name, _, at), by in taken.items():
        if by > 0:
            found[name].delivered = max(found[name].delivered, at)
    return found


def _increases(samples: Samples) -> list[tuple[float, float]]:
    """Return when a counter was found to have grown, and by how much; it may have begun anew."""
    pairs = [
        (at, value - before if value >= before else value) for (_, before), (at, value) in itertools.pairwise(samples)
    ]
    return [(at, by) for at, by in pairs if by > 0]
