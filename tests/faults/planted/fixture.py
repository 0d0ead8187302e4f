"""The stack in which faults are planted: what a person, the cluster and the network do to it."""

from __future__ import annotations

import subprocess
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from tests.faults.fixture import STACK, StackFixture, merged
from tests.faults.misbehaviour import FILE
from tests.framework.api import condition
from tests.framework.stacks import is_replaced, pods

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.environment import Environment
    from tests.faults.planted.alerting import RefusingReceiver
    from tests.faults.planted.fault import Group
    from tests.framework.database import Databases

Object = dict[str, Any]
#: The end of the names of a component's children.
NAMES = {"service": "inventory", "prometheus": "prometheus", "alertmanager": "alertmanager", "grafana": "grafana"}
_SECONDS = 240.0
_EACH_SECOND = 1.0


class PlantedFixture(StackFixture):
    """A stack in a namespace of its own, that is broken again and again."""

    #: Of the groups that have such: the server of the database, the folder of Prometheus' volume, the receiver.
    databases: Databases
    volume: Path
    receiver: RefusingReceiver | None = None

    def __init__(self, environment: Environment, group: Group) -> None:
        images: Object = {"service": {"image": environment.faulty_image}} if group.faulty else {}
        images |= {"grafana": {"image": environment.recorded_image}} if group.recorded else {}
        super().__init__(environment, group.name, merged(group.spec, images), rate=1.0)
        self.environment = environment
        #: What ends when the fault does.
        self.undo = ExitStack()

    def receiver_url(self) -> str:
        """Return where the stack's notifications go: to the receiver of the group, where it has one."""
        return self.receiver.url(self.name) if self.receiver else super().receiver_url()

    def until(self, done: Callable[[], Any], seconds: float, what: str) -> Any:
        """Return the first true answer of `done`, asked each second."""
        return self.environment.until(done, seconds, what, every=_EACH_SECOND)

    def status(self) -> Object:
        """Return the stack's status, if it is about its newest spec; else nothing."""
        found = self.api.get("InventoryStack", self.namespace, STACK) or {"metadata": {}}
        status: Object = found.get("status", {})
        return status if status.get("observedGeneration") == found["metadata"].get("generation") else {}

    def pause(self) -> None:
        """Let the operator repair nothing until the spec is applied again."""
        self.apply(paused=True)

        def paused() -> bool:
            return condition({"status": self.status()}, "Reconciling").get("reason") == "Paused"

        self.until(paused, _SECONDS, "the stack to be paused")

    def is_well(self) -> bool:
        """Tell whether the stack is Ready and Verified, in its newest spec."""
        status = self.status()
        told = {one["type"]: one for one in status.get("conditions", ())}
        checks = status.get("verification", {}).get("checks", ())
        return (
            all(told.get(name, {}).get("status") == "True" for name in ("Ready", "Verified"))
            and told.get("Stalled", {}).get("status") != "True"
            and all(one["status"] in {"Passed", "Skipped"} for one in checks)
        )

    def name_of(self, component: str) -> str:
        """Return the name of a component's children."""
        return f"{STACK}-{NAMES[component]}"

    def pod(self, component: str) -> Object:
        """Return the one pod of a component."""
        found: list[Object] = self.until(
            lambda: pods(self.api, self.namespace, STACK, component), _SECONDS, f"a pod of {component}"
        )
        return found[0]

    def delete_pod(self, component: str) -> None:
        """Delete the pod of a component."""
        self.api.delete("Pod", self.namespace, self.pod(component)["metadata"]["name"])

    def replace_pod(self, component: str) -> None:
        """Delete the pod of a component, and wait until another one is ready in its place."""
        old = self.pod(component)["metadata"]
        self.api.delete("Pod", self.namespace, old["name"])
        replaced = partial(is_replaced, self.api, self.namespace, component, {old["uid"]}, STACK)
        self.until(replaced, _SECONDS, f"another pod of {component}")

    def change_container(self, component: str, **fields: Any) -> None:
        """Change the container of a component's Deployment."""
        container = {"name": component, **fields}
        self.change_pods(component, containers=[container])

    def change_pods(self, component: str, **fields: Any) -> None:
        """Change the template for the pods of a component."""
        patch = {"spec": {"template": {"spec": fields}}}
        self.api.strategic("Deployment", self.namespace, self.name_of(component), patch)

    def change_file(self, component: str, key: str, change: Callable[[str], str]) -> None:
        """Change a file in the ConfigMap of a component, and let the kubelet bring it into the pod at once."""
        name = self.name_of(component)
        found = self.api.get("ConfigMap", self.namespace, name)
        assert found, f"there is no ConfigMap {name}"
        new = change(found["data"][key])
        assert new != found["data"][key], f"{key} has nothing to change"
        self.api.patch("ConfigMap", self.namespace, name, {"data": {key: new}})
        touched = {"metadata": {"annotations": {"example.com/touched": str(time.time())}}}
        self.api.patch("Pod", self.namespace, self.pod(component)["metadata"]["name"], touched)

    def misbehave(self, how: str) -> None:
        """Let /metrics of the service be bad, as tests/faults/misbehaviour.py has it."""
        self.write("service", str(FILE), how)

    def behave(self) -> None:
        """Let /metrics of the service be good again."""
        self.misbehave("")

    def write(self, component: str, file: str, text: str) -> None:
        """Write a file in the pod of a component that has Python."""
        code = f"import pathlib; pathlib.Path({file!r}).write_text({text!r})"
        self.kubectl("exec", f"deployment/{self.name_of(component)}", "-c", component, "--", "python", "-c", code)

    @contextmanager
    def dropped(self, component: str, *match: str, chain: str = "INPUT") -> Iterator[None]:
        """Drop the packets that match, in the network namespace of a component's pod."""
        within = ["nsenter", f"--net=/proc/{self._process(component).pid}/ns/net", "iptables", "-w"]
        subprocess.run([*within, "-I", chain, *match, "-j", "DROP"], check=True, capture_output=True, text=True)
        try:
            yield
        finally:
            # The pod may be gone, and its network with it.
            subprocess.run([*within, "-D", chain, *match, "-j", "DROP"], check=False, capture_output=True)

    def _process(self, component: str) -> psutil.Process:
        """Return a process of the pod of a component, on this machine, which is the node."""
        uid = self.pod(component)["metadata"]["uid"]
        for process in psutil.process_iter():
            try:
                group = Path(f"/proc/{process.pid}/cgroup").read_text()
            except OSError:
                continue
            if uid in group or uid.replace("-", "_") in group:
                return process
        raise AssertionError(f"no process of {self.name_of(component)} runs on this machine")
