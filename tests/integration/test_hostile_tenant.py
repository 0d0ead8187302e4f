"""A tenant who attacks the operator for a while; another one is served. The times are in `make -C bench hostile`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.framework.api import condition, eventually
from tests.framework.hostile_tenant import HostileTenant
from tests.framework.neighbour import Neighbour, Watched
from tests.framework.operators import EXIT_RESTART, LEASE_LOST, USER, Operator, prepare

from devcluster.node.controlplane import ControlPlane

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("hostile")
#: What the pod of the operator is sized for, in bytes; its limit is twice as much.
MEMORY = 256 * 10**6
#: Each attack once at least, and so long at least.
SECONDS = 60.0
ATTACKS = 8
INVALID = "InvalidScrapeConfig"


def test_another_tenant_is_served_and_the_operator_lives(kubectl: Path, tmp_path: Path) -> None:
    with ControlPlane(tmp_path / "plane") as plane:
        api = prepare(plane, kubectl)
        for name in ("hostile", "quiet"):
            api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        kubeconfig = plane.user_kubeconfig(USER.format(namespace="inventory-system"))
        with Operator(kubeconfig, tmp_path / "operator.log", "--operator-namespace", "inventory-system") as operator:
            eventually(operator.leads, "the operator to lead")
            neighbour, tenant = Neighbour(plane.kubeconfig, "quiet"), HostileTenant(plane.kubeconfig, "hostile")
            watched = Watched(operator)
            watched.start()
            tenant.start()
            began, rounds = time.monotonic(), 0
            while time.monotonic() - began < SECONDS or (len(tenant.made) < ATTACKS and tenant.is_alive()):
                neighbour.round()
                rounds += 1
            tenant.stop()
            watched.stop()
            assert len(tenant.made) == ATTACKS
            assert operator.process is not None
            # Out of memory it is killed. By itself it ends where it loses its Lease, even now.
            assert operator.process.poll() in {None, EXIT_RESTART}, "it was never out of memory"
            # On a machine that does much else the API server itself is too slow for the Lease now and then.
            assert watched.failed_probes == 0 or watched.restarts or LEASE_LOST in operator.log.read_text()
            assert watched.memory < MEMORY
            assert rounds >= 1

            def judged() -> bool:
                return condition(api.get("InventoryStack", "hostile", "aliases"), "Ready").get("reason") == INVALID

            eventually(judged, "a file of the attacks to have come as far as the checks")
