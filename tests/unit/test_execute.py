"""What is held back when a generated Secret can't be saved: everything that was planned with its values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.framework.faulty_cluster import BROKEN, FaultyCluster
from tests.framework.passes import NAMES, Pass

from inventory_operator.components.blocker import Turn
from inventory_operator.controller.applier import Applier
from inventory_operator.controller.execute import Executor

if TYPE_CHECKING:
    from inventory_operator.controller.scope import Scope

DEPLOYMENTS = {NAMES.service, NAMES.prometheus, NAMES.alertmanager, NAMES.grafana}


async def executed(cluster: FaultyCluster) -> Scope:
    steps = Pass()
    execute = Executor(steps.store, Applier(cluster, steps.store), ())  # type: ignore[arg-type]
    return await execute(await steps.planned())


def applied(cluster: FaultyCluster) -> set[str]:
    return {one.removeprefix("apply Deployment ") for one in cluster.writes if one.startswith("apply Deployment")}


async def test_everything_is_applied_in_one_pass() -> None:
    cluster = FaultyCluster()
    assert (await executed(cluster)).blockers == ()
    assert applied(cluster) == DEPLOYMENTS


@pytest.mark.parametrize(
    ("secret", "others"), [(NAMES.digest_key, set()), (NAMES.grafana, DEPLOYMENTS - {NAMES.grafana})]
)
async def test_a_secret_that_can_not_be_created_holds_back_what_was_planned_with_it(
    secret: str, others: set[str]
) -> None:
    cluster = FaultyCluster()
    cluster.fault = lambda verb, obj: BROKEN if (verb, obj["metadata"]["name"]) == ("create", secret) else None
    (blocker,) = (await executed(cluster)).blockers
    assert (blocker.target, blocker.turn) == (("Secret", secret), Turn.CLUSTER)
    assert applied(cluster) == others


async def test_a_secret_that_holds_something_else_than_was_planned_holds_the_same_back() -> None:
    """It was there, without our labels, so that no watch had shown it."""
    cluster = FaultyCluster()
    planned = await Pass().planned()
    (key,) = [one for one in planned.desired if one["metadata"]["name"] == NAMES.digest_key]
    await cluster.create(key)
    cluster.writes.clear()
    assert (await executed(cluster)).blockers == ()
    assert applied(cluster) == set(), "they would roll in the next pass, which has the right key"
