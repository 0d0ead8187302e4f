"""A tenant who does in one namespace whatever slows, stops or fills an operator; whoever runs it looks at the others.

What it may do is what a creator of stacks, ConfigMaps and pods may. It goes on from attack to attack until it is told
to stop, each time with content that the operator has not seen: nothing of it is remembered.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
from typing import TYPE_CHECKING, Any, Final

from tests.framework.api import LABEL, Api, stack
from tests.framework.webserver import Request, Response, WebServer

from inventory_operator.components.alertmanager_reload import PORT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Object = dict[str, Any]
#: An address of this machine for what plays an Alertmanager; its port can't be chosen.
_STAND_IN: Final = "127.9.94.1"
#: Nearly as long as a file of a user may be.
_LONG: Final = 690_000
_PAUSED: Final = 20
_LABELLED: Final = 20
#: A chunk of an answer that has no end.
_CHUNK: Final = b"# HELP a a\n" * 6000


class HostileTenant(threading.Thread):
    """Every attack in its turn, over and over."""

    #: For all of them: what one has written another never writes again.
    _numbers = itertools.count(1)

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        super().__init__(name="hostile-tenant", daemon=True)
        self._api, self._namespace = Api(kubeconfig), namespace
        self._ended = threading.Event()
        #: How often each attack was made.
        self.made: dict[str, int] = {}
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Attack until told to stop."""
        attacks: tuple[Callable[[int], None], ...] = (
            self.paused_stacks, self.labelled_objects, self.aliases, self.many_jobs, self.long_sums, self.many_signs,
            self.deep_dashboard, self.endless_answer,
        )  # fmt: skip
        try:
            with WebServer(_STAND_IN, _endless, PORT):
                for attack in itertools.cycle(attacks):
                    if self._ended.is_set():
                        return
                    attack(next(self._numbers))
                    self.made[attack.__name__] = self.made.get(attack.__name__, 0) + 1
                    self._ended.wait(0.2)
                    if attack == self.paused_stacks:
                        self._forget()
        except BaseException as error:  # noqa: BLE001 - whoever stops it is told
            self.failure = error

    def stop(self) -> None:
        """End it; raise what ended it before."""
        self._ended.set()
        self.join()
        if self.failure:
            raise self.failure

    def paused_stacks(self, number: int) -> None:
        """Write paused stacks that refer to what is not there; the names are new each time."""
        for one in range(_PAUSED):
            names = [f"none-{number}-{one}-{n}" for n in range(80)]
            files = [{"name": name, "key": "a"} for name in names]
            prometheus = {"additionalRules": files[:20], "additionalScrapeConfigs": files[20:40], "secrets": names[60:]}
            spec = {"paused": True, "prometheus": prometheus, "grafana": {"dashboards": files[40:60]}}
            self._api.apply(stack(f"paused-{one}", spec), self._namespace)

    def _forget(self) -> None:
        """Delete the paused stacks: of a namespace that refers to so much no file would be judged."""
        for one in range(_PAUSED):
            self._api.delete("InventoryStack", self._namespace, f"paused-{one}")

    def labelled_objects(self, number: int) -> None:
        """Write large ConfigMaps with the label of a stack."""
        for one in range(_LABELLED):
            self._file(f"large-{one}", f"{number}" + "x" * _LONG, {LABEL: "victim"})

    def aliases(self, number: int) -> None:
        """Let 380 bytes of YAML stand for ten million values."""
        levels = "abcdefgh"
        text = f"# {number}\n{levels[0]}: &{levels[0]} [x,x,x,x,x,x,x,x,x]\n"
        text += "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in itertools.pairwise(levels))
        self._scraped("aliases", text)

    def many_jobs(self, number: int) -> None:
        """Write as many plain, valid jobs as fit."""
        job = "- job_name: j{}-{}\n  static_configs: [{{targets: [a:1]}}]\n"
        count = _LONG // (len(job) + 8)
        self._scraped("jobs", "scrape_configs:\n" + "".join(job.format(number, n) for n in range(count)))

    def long_sums(self, number: int) -> None:
        """Write two rules that promtool parses for long."""
        for one in ("a", "b"):
            self._ruled(f"sums-{one}", "+".join([str(number)] * 100_000))

    def many_signs(self, number: int) -> None:
        """Write a rule that takes promtool a thousand times its length in memory."""
        self._ruled("signs", "-" * (_LONG - 1000) + str(number))

    def deep_dashboard(self, number: int) -> None:
        """Write a dashboard that is as deep as it is long."""
        text = json.dumps({"title": f"t{number}", "uid": f"deep-{number}", "x": 0})[:-2] + "[" * _LONG
        self._file("deep", text)
        self._stack("deep", {"grafana": {"dashboards": [{"name": "deep", "key": "a"}]}})

    def endless_answer(self, _number: int) -> None:
        """Let a pod of a stack answer the operator without an end."""
        self._stack("endless", {})
        selector = f"{LABEL}=endless,app.kubernetes.io/component=alertmanager"
        for pod in self._api.list("Pod", self._namespace, selector):
            ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
            address = {"podIP": _STAND_IN, "podIPs": [{"ip": _STAND_IN}]}
            with contextlib.suppress(AssertionError):  # it was replaced meanwhile
                self._api.patch("Pod", self._namespace, pod["metadata"]["name"], {"status": ready | address}, "status")

    def _scraped(self, name: str, text: str) -> None:
        self._file(name, text)
        self._stack(name, {"prometheus": {"additionalScrapeConfigs": [{"name": name, "key": "a"}]}})

    def _ruled(self, name: str, expression: str) -> None:
        self._file(name, f"groups:\n- name: g\n  rules:\n  - record: a:b:c\n    expr: {expression}\n")
        self._stack(name, {"prometheus": {"additionalRules": [{"name": name, "key": "a"}]}})

    def _file(self, name: str, text: str, labels: Object | None = None) -> None:
        config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels or {}}}
        self._api.apply({**config_map, "data": {"a": text}}, self._namespace)

    def _stack(self, name: str, spec: Object) -> None:
        self._api.apply(stack(name, spec), self._namespace)


def _endless(_request: Request) -> Response:
    def chunks() -> Iterator[bytes]:
        while True:
            yield _CHUNK

    return Response(chunks())
