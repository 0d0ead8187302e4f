"""The check ServiceScraped: Prometheus has every ready pod of the service as a target that is up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from inventory_operator.api.metadata import names
from inventory_operator.api.quantities import duration_seconds
from inventory_operator.kube.pods import is_ready
from inventory_operator.verification import prometheus
from inventory_operator.verification.answer import Answer, Outcome
from inventory_operator.verification.ask import UnansweredError
from inventory_operator.verification.exposition import invalid_line
from inventory_operator.verification.metrics_exposed import PATH, PORT, whole_lines
from inventory_operator.verification.network_policies import closing
from inventory_operator.verification.prometheus import NoAnswerError, objects, texts
from inventory_operator.verification.targets import (
    JOB,
    NOT_SCRAPED_YET,
    Target,
    Targets,
    by_pod,
    dropping_rule,
    failed_scrape,
    may_be_unscraped,
    scraped_since_ready,
)
from inventory_operator.verification.words import listed

if TYPE_CHECKING:
    from inventory_operator.verification.ask import Ask
    from inventory_operator.verification.network_policies import Policies
    from inventory_operator.verification.subject import Subject

Object = dict[str, Any]
CHECK = "ServiceScraped"
_NAME = "__meta_kubernetes_pod_name"
_PORT = "__meta_kubernetes_pod_container_port_number"
#: Targets of which the cause is looked for: each costs requests.
_EXPLAINED = 3


async def check(
    subject: Subject, ask: Ask, now: str, policies: Policies | None = None
) -> tuple[Answer, Targets | None]:
    """Return the answer and the targets; None for these where they can't be known. `now` is RFC 3339."""
    pods = {pod["metadata"]["name"]: pod for pod in subject.pods("service") if is_ready(pod)}
    if not pods:
        words = "no pod of the service is ready: see ServiceAvailable"
        return Answer(CHECK, Outcome.UNKNOWN, "PodsNotReady", words), None
    try:
        others = await _Look(subject, ask, now, policies).others(dict(sorted(pods.items())))
    except NoAnswerError as error:
        down = Outcome.UNKNOWN if error.reason == "PrometheusNotReady" else Outcome.FAILED
        return error.answer(CHECK, down), None
    targets = Targets(len(pods), len(pods) - len(others), tuple(others))
    if not others:
        words = "Prometheus scrapes every pod of the service"
        return Answer(CHECK, Outcome.PASSED, "ServiceScraped", words), targets
    # What only takes its time comes last.
    worst = min(others, key=lambda one: one.reason == NOT_SCRAPED_YET)
    outcome = Outcome.UNKNOWN if worst.reason == NOT_SCRAPED_YET else Outcome.FAILED
    return Answer(CHECK, outcome, worst.reason, f"pod {worst.pod} {worst.message}"), targets


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at the targets of one stack."""

    subject: Subject
    ask: Ask
    now: str
    policies: Policies | None

    async def others(self, pods: dict[str, Object]) -> list[Target]:
        """Return the pods that are not up, in their order."""
        data = await self._read("targets", state="active", scrapePool=JOB)
        active = by_pod(objects(data.get("activeTargets")), "discoveredLabels", _NAME)
        found: list[Target] = []
        for name, pod in pods.items():
            of_pod = active.get(name, [])
            if any(one.get("health") == "up" for one in of_pod):
                continue
            failed, is_new = next((one for one in of_pod if one.get("health") == "down"), None), self._is_new(pod)
            if failed and is_new and not scraped_since_ready(failed, pod):
                failed = None
            if failed is None and not active and (denied := self._without_rights()):
                found.append(Target(name, "AccessDenied", denied))
            elif failed is None and is_new:
                words = "is not scraped yet: it, or Prometheus, became ready a moment ago"
                found.append(Target(name, NOT_SCRAPED_YET, words))
            elif failed is not None:
                target = failed_scrape(name, str(failed.get("lastError", "")))
                found.append(await self._explained(target, pod) if len(found) < _EXPLAINED else target)
            else:
                found.append(await self._not_there(name, whole=not active, explain=len(found) < _EXPLAINED))
        return found

    async def _read(self, path: str, **parameters: str) -> Object:
        return await prometheus.read(self.subject, self.ask, path, **parameters)

    def _is_new(self, pod: Object) -> bool:
        """Tell whether a pod, or Prometheus, is too new for a scrape to be expected."""
        interval = duration_seconds(self.subject.spec.prometheus.scrape_interval)
        readers = [one for one in self.subject.pods("prometheus") if is_ready(one)]
        return may_be_unscraped((pod, *readers[:1]), interval, self.now)

    async def _explained(self, target: Target, pod: Object) -> Target:
        """Return a target that is down with what can be found out beside Prometheus' own words."""
        if target.reason == "BadExposition":
            try:
                page = await self.ask(pod, PORT, PATH)
            except UnansweredError:
                return target
            line = invalid_line(whole_lines(page))
            words = f"exposes no valid metrics: line {line} of {PATH} is not valid: correct its image"
            return replace(target, message=words) if line else target
        if target.reason in {"Timeout", "NotConnected"} and self.policies:
            readers = [one for one in self.subject.pods("prometheus") if is_ready(one)]
            if closed := closing(await self.policies(), readers[0], pod, PORT) if readers else []:
                words = f"can't be reached by Prometheus: probably NetworkPolicy {listed(closed)} lets nothing through"
                return replace(target, reason="NetworkPolicyBlocks", message=f"{words} to port {PORT}")
        return target

    async def _not_there(self, name: str, *, whole: bool, explain: bool) -> Target:
        """Return why a pod is no target; `whole` where the job has no target at all."""
        if explain and (rule := await self._dropped_by(name)):
            words = f"is discovered by Prometheus and dropped by relabelling, {rule}: restore the job {JOB}"
            return Target(name, "DroppedByRelabelling", words)
        if explain and whole and (denied := await self._denied()):
            return Target(name, "AccessDenied", denied)
        words = f"is not discovered by Prometheus: no selector of its job {JOB} selects it; restore the job"
        return Target(name, "NotSelected", words)

    async def _dropped_by(self, name: str) -> str | None:
        """Return the rule that drops the target for the port with the metrics; else for any port of the pod."""
        data = await self._read("targets", state="dropped", scrapePool=JOB)
        dropped = by_pod(objects(data.get("droppedTargets")), "discoveredLabels", _NAME).get(name, [])
        labels = [texts(one["discoveredLabels"]) for one in dropped]
        if not labels:
            return None
        wanted = next((one for one in labels if one.get(_PORT) == str(PORT)), labels[0])
        steps = await self._read("targets/relabel_steps", scrapePool=JOB, labels=orjson.dumps(wanted).decode())
        return dropping_rule(objects(steps.get("steps")))

    def _without_rights(self) -> str | None:
        """Return which object that lets Prometheus look up pods is missing, if one is."""
        name = names(self.subject.stack).prometheus
        there = {child["kind"] for child in self.subject.children if child["metadata"]["name"] == name}
        for kind in ("ServiceAccount", "Role", "RoleBinding"):
            if kind not in there:
                return f"is not discovered: Prometheus may not look up pods without {kind} {name}, which is missing"
        return None

    async def _denied(self) -> str | None:
        """Return that Prometheus fails to look up pods, if it does."""
        failures = 'increase(prometheus_sd_kubernetes_failures_total{job="prometheus"}[3m]) > 0'
        if await prometheus.query(self.subject, self.ask, failures, 1):
            role = names(self.subject.stack).prometheus
            return f"is not discovered: Prometheus fails to look up pods: see its log, and Role {role}"
        return None
