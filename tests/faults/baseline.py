"""The stacks without a fault: one that is left alone, one whose parts are restarted, one whose parts are rolled.

No alert may be delivered for any of them, and no status may give a reason that is not so.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from itertools import cycle
from typing import TYPE_CHECKING, Any

from tests.faults.evidence import Expectation
from tests.faults.faults import SLO, Fault, nothing
from tests.faults.fixture import STACK, merged
from tests.faults.scenario import Scenario
from tests.faults.statuses import Replacement, StatusWatch, untrue
from tests.framework.stacks import is_replaced, pods

from devcluster import install
from inventory_operator.api.metadata import COMPONENT_LABEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.environment import Latch

_HOURS = 7200.0
#: How long the stacks without a fault are looked at.
_HOUR = 3600.0
#: Longer than AlertmanagerDown waits (3 min), InventoryDown even less, and a group before it is notified (30 s).
_AFTER_RESTART = 240.0
_RESTART = 240.0
#: What is asked for again after a restart: every sample that was there 30 s before it.
_EVERYTHING = '{__name__=~"up|http_requests_total|product_stock_level|inventory:.+"}'
_SETTLED = 30.0
_STEP = "15"
_PARTS = ("service", "prometheus", "alertmanager")
#: Where the spec has a part of another name.
_SECTIONS = {"alertmanager": "alerting"}
#: More than any of them asks for (BASE).
_MEMORY_MI = 65
_SPEC = merged(SLO, {"containerMetrics": "kubelet"})


def _without_fault(name: str, what: str) -> Fault:
    return Fault(name, what, Expectation(None), inject=nothing, recover=nothing, spec=_SPEC, rate=2.0)


CONTROL = _without_fault("control", "no fault; watched for an hour, and until every other scenario has ended")
RESTARTS = _without_fault("restarts", "the pod of each part is deleted in turn, the operator's last")
ROLLOUTS = _without_fault("rollouts", "for an hour the pods of each part are replaced in turn, by the spec and by hand")


class Healthy(Scenario, ABC):
    """A stack without a fault; each of its statuses is looked at."""

    def steps(self) -> None:
        """Take the steps, and tell which reasons of the status nothing explains."""
        self._replacements: list[Replacement] = []
        began = time.time()
        with StatusWatch(self.environment.kubeconfig, self.fixture.namespace, STACK) as watch:
            try:
                self.healthy_steps()
            finally:
                self.row.problems += untrue(watch.seen, self._replacements)
                minutes, reasons = (time.time() - began) / 60, sorted({one.reason for one in watch.seen})
                gaps = f", with {watch.gaps} gaps" if watch.gaps else ""
                self.note(f"status watched for {minutes:.0f} minutes{gaps}; it said {', '.join(reasons)}")

    @abstractmethod
    def healthy_steps(self) -> None:
        """Do what no status may call a fault."""

    @contextmanager
    def replacing(self, part: str) -> Iterator[None]:
        """Within it pods of a part are replaced; it ends when the stack is Ready."""
        fixture, replacement = self.fixture, Replacement(part, time.time())
        self._replacements.append(replacement)
        old = {pod["metadata"]["uid"] for pod in pods(fixture.api, fixture.namespace, STACK, part)}
        yield

        def replaced() -> bool:
            return is_replaced(fixture.api, fixture.namespace, part, old, STACK)

        self.until(replaced, _RESTART, f"other pods of {part}, and the stack to be Ready")
        replacement.ended = time.time()


class Control(Healthy):
    """A stack that is left alone while the others are broken on the same node."""

    def healthy_steps(self) -> None:
        """Look for an hour, and until the others have ended."""
        self.rest(_HOUR)
        self.until(lambda: self.environment.moving.missing() == 0, _HOURS, "the other scenarios to end")

    def latches(self) -> tuple[Latch, ...]:
        """No scenario waits for this one."""
        return ()


class Rollouts(Healthy):
    """Rolling any part sends no false page, and the status calls it what it is."""

    def healthy_steps(self) -> None:
        """Replace the pods of one part after the other: by another spec, then as `kubectl rollout restart` does."""
        end = time.monotonic() + _HOUR
        changes: dict[str, Any] = {}
        for number, part in enumerate(cycle(_PARTS)):
            if time.monotonic() > end:
                break
            with self.replacing(part):
                if number % 2:
                    self.fixture.kubectl("rollout", "restart", "deployment", "-l", f"{COMPONENT_LABEL}={part}")
                else:
                    more = {"resources": {"requests": {"memory": f"{_MEMORY_MI + number}Mi"}}}
                    changes = merged(changes, {_SECTIONS.get(part, part): more})
                    self.fixture.apply(**changes)
            self.rest(_AFTER_RESTART)
        self.note(f"{number} rollouts")

    def latches(self) -> tuple[Latch, ...]:
        """The control looks on."""
        return (self.environment.moving,)


class Restarts(Healthy):
    """Restarting any part loses no history and sends no false page."""

    def healthy_steps(self) -> None:
        """Delete one pod after the other, and look for what was there before."""
        for part in _PARTS:
            self._restart(part)
        # All stacks share the operator: it is restarted once the others, but for the control, have ended.
        self.until(lambda: self.environment.faults.missing() == 0, _HOURS, "the other scenarios to end")
        self._keeping_history("the operator", self._restart_operator)
        self.rest(_AFTER_RESTART)

    def latches(self) -> tuple[Latch, ...]:
        """The control looks on while the operator restarts."""
        return (self.environment.moving,)

    def _restart(self, part: str) -> None:
        fixture = self.fixture

        def again() -> None:
            (old,) = pods(fixture.api, fixture.namespace, STACK, part)
            with self.replacing(part):
                fixture.api.delete("Pod", fixture.namespace, old["metadata"]["name"])

        self._keeping_history(part, again)
        self.rest(_AFTER_RESTART)

    def _restart_operator(self) -> None:
        system = self.environment.kubectl.inside(install.NAMESPACE)
        system("rollout", "restart", f"deployment/{install.DEPLOYMENT}")
        system("rollout", "status", f"deployment/{install.DEPLOYMENT}", "--timeout=120s")
        self.until(self.fixture.ready, _RESTART, "the stack to be Ready")

    def _keeping_history(self, what: str, restart: Callable[[], None]) -> None:
        end = time.time() - _SETTLED
        before, silence = self._history(end), self._silence()
        samples = sum(map(len, before.values()))
        assert samples, "there is no history to lose"
        self.say(f"restarting {what}")
        restart()
        self.until(lambda: self._history(end), _RESTART, "Prometheus to answer")
        after = self._history(end)
        lost = [series for series in before if after.get(series) != before[series]]
        assert not lost, f"after the restart of {what} there are other samples of {lost[:3]}"
        self.until(lambda: self._is_silent(silence), _RESTART, "the silence to be there again")
        self.until(lambda: self._products() == [self.fixture.product], _RESTART, "the product to be there again")
        self.note(f"{what} restarted: {samples} samples of {len(before)} series, product and silence as before")

    def _history(self, end: float) -> dict[str, list[Any]]:
        start = self.times.quiet or end
        answer = self.fixture.prometheus.get(
            "api/v1/query_range", query=_EVERYTHING, start=f"{start:.0f}", end=f"{end:.0f}", step=_STEP
        )
        return {str(found["metric"]): found["values"] for found in answer["data"]["result"]} if answer else {}

    def _products(self) -> list[int]:
        answer = self.fixture.service.get("api/products")
        return [product["id"] for product in answer["products"]] if answer else []

    def _silence(self) -> str:
        """Silence an alert that does not exist: Alertmanager must still know of it afterwards."""
        end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + _HOURS))
        begin = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        matcher = {"name": "alertname", "value": "None", "isRegex": False, "isEqual": True}
        wanted = {"matchers": [matcher], "startsAt": begin, "endsAt": end, "createdBy": "test", "comment": "kept"}
        answer = self.fixture.alertmanager.request("POST", "api/v2/silences", wanted)
        assert answer.ok, answer.text
        return str(answer.json()["silenceID"])

    def _is_silent(self, silence: str) -> bool:
        answer = self.fixture.alertmanager.get(f"api/v2/silence/{silence}")
        return bool(answer) and answer["status"]["state"] == "active"
