"""Peace and attacks in turns, and what a tenant who has nothing to do with them sees of each.

It measures; what is enough is said in the report.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.framework.api import eventually
from tests.framework.hostile_tenant import HostileTenant
from tests.framework.neighbour import Neighbour, Watched
from tests.framework.operators import USER, Operator, prepare

from devcluster.build.binaries import binary
from devcluster.errors import ClusterError
from devcluster.node.controlplane import ControlPlane

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.framework.api import Api
    from tests.framework.neighbour import Round

_HOME = "inventory-system"
#: Peace is shorter than the attacks: its numbers differ less.
_PEACE: float = 0.5
#: The garbage collector needs longer than the attacks took.
_GONE_SECONDS: float = 1800.0


@dataclass(slots=True)
class Phases:
    """Everything that was seen in peace, or under attack: rounds of a neighbour, seconds, bytes."""

    rounds: list[Round] = field(default_factory=list)
    probes: int = 0
    failed_probes: int = 0
    longest_probe: float = 0.0
    memory: int = 0
    restarts: int = 0


def measure(seconds: float, pairs: int) -> tuple[Phases, Phases, Mapping[str, int]]:
    """Return what was seen in peace and under `seconds` of attacks, and how often each attack was made."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ControlPlane(Path(folder) / "plane") as plane:
        api = prepare(plane, binary("kubectl"))
        for name in ("hostile", "quiet"):
            api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        kubeconfig = plane.user_kubeconfig(USER.format(namespace=_HOME))
        log = Path(folder) / "operator.log"
        with Operator(kubeconfig, log, "--operator-namespace", _HOME) as operator:
            eventually(operator.leads, "the operator to lead")
            neighbour = Neighbour(plane.kubeconfig, "quiet")
            neighbour.round()  # the first one fills caches
            peace, hostile = Phases(), Phases()
            made = Counter[str]()
            for _ in range(pairs):
                _phase(peace, neighbour, operator, seconds / pairs * _PEACE)
                tenant = HostileTenant(plane.kubeconfig, "hostile")
                tenant.start()
                _phase(hostile, neighbour, operator, seconds / pairs)
                tenant.stop()
                made.update(tenant.made)
                _wait_for_peace(api)
            if operator.process is None or operator.process.poll() is not None:
                raise ClusterError(f"the operator was killed: {log.read_text()[-2000:]}")
            return peace, hostile, made


def _phase(seen: Phases, neighbour: Neighbour, operator: Operator, seconds: float) -> None:
    watched = Watched(operator)
    watched.start()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        seen.rounds.append(neighbour.round())
    watched.stop()
    seen.probes += watched.probes
    seen.failed_probes += watched.failed_probes
    seen.longest_probe = max(seen.longest_probe, watched.longest_probe)
    seen.memory = max(seen.memory, watched.memory)
    seen.restarts += watched.restarts


def _wait_for_peace(api: Api) -> None:
    """Remove what the hostile tenant made, and wait until it is gone."""
    for stack in api.list("InventoryStack", "hostile"):
        api.delete("InventoryStack", "hostile", stack["metadata"]["name"])
    for config_map in api.list("ConfigMap", "hostile"):
        api.delete("ConfigMap", "hostile", config_map["metadata"]["name"])
    gone = "what the hostile tenant made to be gone"
    eventually(lambda: not api.list("Deployment", "hostile"), gone, _GONE_SECONDS)
