"""The check MetricsExposed: every ready pod of the service answers /metrics with the metrics of the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inventory_operator.components.pod_http import OK
from inventory_operator.kube.pods import is_ready
from inventory_operator.verification.answer import Answer, Outcome, Unready
from inventory_operator.verification.ask import UnansweredError
from inventory_operator.verification.exposition import invalid_line, missing
from inventory_operator.verification.words import listed, quoted

if TYPE_CHECKING:
    from inventory_operator.verification.ask import Ask, Reply
    from inventory_operator.verification.subject import Subject

Object = dict[str, Any]
CHECK = "MetricsExposed"
#: The port of the service that has /metrics; templates/service/deployment.yaml.j2.
PORT, PATH = 5000, "/metrics"
#: Where it says why it is not ready, and with which status: service/inventory_service/api/health.py.
_READY, _NOT_READY = "/readyz", 503
#: Characters of that: what the driver of the database met comes last.
_SAID = 220


async def check(subject: Subject, ask: Ask) -> Answer:
    """Ask the pods by their names, up to the first that does not answer as it should."""
    pods = sorted(filter(is_ready, subject.pods("service")), key=lambda pod: str(pod["metadata"]["name"]))
    if not pods:
        return Answer(CHECK, Outcome.UNKNOWN, "PodsNotReady", "no pod of the service is ready: see ServiceAvailable")
    for pod in pods:
        if problem := await _problem(pod, ask):
            reason, words = problem
            return Answer(CHECK, Outcome.FAILED, reason, f"pod {pod['metadata']['name']} {words}")
    return Answer(CHECK, Outcome.PASSED, "MetricsExposed", "every pod of the service answers /metrics")


async def unready(subject: Subject, ask: Ask) -> Unready | None:
    """Return what a running pod says of itself while no pod is ready; None where none says anything."""
    pods = sorted(subject.pods("service"), key=lambda pod: str(pod["metadata"]["name"]))
    running = [pod for pod in pods if pod.get("status", {}).get("phase") == "Running"]
    if not running or any(map(is_ready, pods)):
        return None
    try:
        reply = await ask(running[0], PORT, _READY)
    except UnansweredError:
        return None
    said = reply.json_object().get("error")
    if reply.status != _NOT_READY or not isinstance(said, str):
        return None
    return Unready(str(running[0]["metadata"]["name"]), quoted(said, _SAID))


async def _problem(pod: Object, ask: Ask) -> tuple[str, str] | None:
    """Return the reason and what goes on after the name of the pod; None for a good answer."""
    try:
        page = await ask(pod, PORT, PATH)
    except UnansweredError as error:
        return "NotAnswered", f"{error} at port {PORT}: read its log"
    if page.status != OK:
        words = f"answers {PATH} with {page.status}, expected {OK}: read its log, or correct its image"
        return "NotAnswered", words
    return _problem_of_page(page)


def _problem_of_page(page: Reply) -> tuple[str, str] | None:
    body = whole_lines(page)
    if line := invalid_line(body):
        return "BadExposition", f"exposes no valid metrics: line {line} of {PATH} is not valid: correct its image"
    # What was not read may have them.
    if not page.cut and (names := missing(body)):
        words = f"does not expose {listed(names)} at {PATH}: dashboards and alerts need it; correct its image"
        return "MetricMissing", words
    return None


def whole_lines(page: Reply) -> bytes:
    """Return the lines that were read as a whole."""
    return page.body[: page.body.rfind(b"\n") + 1] if page.cut else page.body
