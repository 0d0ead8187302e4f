"""The check ContainerMetrics: Prometheus has CPU and memory of every pod of the stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inventory_operator.kube.pods import is_ready
from inventory_operator.settings import variable
from inventory_operator.verification import prometheus
from inventory_operator.verification.answer import Answer, Outcome
from inventory_operator.verification.prometheus import NoAnswerError, objects
from inventory_operator.verification.targets import seconds_ready
from inventory_operator.verification.words import listed, quoted

if TYPE_CHECKING:
    from inventory_operator.settings import Settings
    from inventory_operator.verification.ask import Ask
    from inventory_operator.verification.subject import Subject

Object = dict[str, Any]
CHECK = "ContainerMetrics"
JOB = "cadvisor"
METRICS = {"CPU": "container_cpu_usage_seconds_total", "memory": "container_memory_working_set_bytes"}
COMPONENTS = ("service", "prometheus", "alertmanager", "grafana")
#: A kubelet measures a container every 10 to 15 s, and is scraped once a minute at least.
_NEW_SECONDS = 150
_SERIES = 1_000


async def check(subject: Subject, ask: Ask, settings: Settings, now: str) -> Answer:
    """Look for the series of every pod that has been ready for a while. `now` is RFC 3339."""
    if skipped := _skipped(subject, settings):
        return skipped
    pods = [pod for component in COMPONENTS for pod in subject.pods(component) if is_ready(pod)]
    names = sorted(pod["metadata"]["name"] for pod in pods if seconds_ready(pod, now) > _NEW_SECONDS)
    try:
        found = await _collected(subject, ask)
        for what, metric in METRICS.items():
            lacking = [name for name in names if (metric, name) not in found]
            if lacking and len(lacking) == len(names):
                words = f"Prometheus has {what} of no pod of the stack: {await _cause(subject, ask)}"
                return Answer(CHECK, Outcome.FAILED, "KubeletNotScraped", words)
            if lacking:
                words = f"Prometheus has no {what} ({metric}) of pod {listed(lacking)}: see its targets of job {JOB}"
                return Answer(CHECK, Outcome.FAILED, "SeriesMissing", words)
    except NoAnswerError as error:
        return error.answer(CHECK)
    if not names:
        words = "every pod of the stack became ready a moment ago"
        return Answer(CHECK, Outcome.SKIPPED, "TooYoung", words)
    return Answer(CHECK, Outcome.PASSED, "SeriesThere", "Prometheus has CPU and memory of every pod of the stack")


def _skipped(subject: Subject, settings: Settings) -> Answer | None:
    if subject.spec.container_metrics == "none":
        return Answer(CHECK, Outcome.SKIPPED, "Disabled", "spec.containerMetrics is none")
    if not settings.clusterwide:
        words = "the operator works in one namespace and may not open the kubelets' metrics"
        return Answer(CHECK, Outcome.SKIPPED, "NotPermitted", words)
    if not settings.allow_kubelet_metrics:
        words = f"the operator's setting {variable('allow_kubelet_metrics')} is false"
        return Answer(CHECK, Outcome.SKIPPED, "NotPermitted", words)
    return None


async def _collected(subject: Subject, ask: Ask) -> set[tuple[str, str]]:
    """Return the names of metrics and pods that there are series of."""
    wanted = f'{{__name__=~"{"|".join(METRICS.values())}", job="{JOB}"}}'
    series = await prometheus.query(subject, ask, f"group by (__name__, pod) ({wanted})", _SERIES)
    return {(labels.get("__name__", ""), labels.get("pod", "")) for labels, _ in series}


async def _cause(subject: Subject, ask: Ask) -> str:
    """Return why, as far as the targets of the job say it."""
    data = await prometheus.read(subject, ask, "targets", state="active", scrapePool=JOB)
    targets = objects(data.get("activeTargets"))
    if not targets:
        return f"it discovers no node, see its ClusterRoleBinding and its job {JOB}"
    errors = [str(one.get("lastError")) for one in targets if one.get("health") == "down"]
    return f"no kubelet can be scraped: {quoted(errors[0])}" if errors else f"see its targets of job {JOB}"
