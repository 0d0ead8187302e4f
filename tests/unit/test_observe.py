"""A spec that can't be followed is a Blocker of the whole stack, and nothing is planned."""

from __future__ import annotations

from tests.framework.passes import NOW, Pass, raw

from inventory_operator.cache.reference_watcher import ALLOWED, ReferenceLimitError
from inventory_operator.components.blocker import Turn
from inventory_operator.controller.scope import Scope


async def test_a_spec_that_can_not_be_read_is_told_with_its_first_problem() -> None:
    scope = await Pass().observe(Scope(raw=raw(service={"replicas": 0}, paused="no"), now=NOW))
    (blocker,) = scope.blockers
    assert (blocker.target, blocker.reason, blocker.turn) == (("InventoryStack", "shop"), "InvalidSpec", Turn.USER)
    assert blocker.message.endswith("(and 1 more)")
    assert scope.spec is None


async def test_more_references_than_a_namespace_may_have_are_told() -> None:
    scope = await Pass(refusal=ReferenceLimitError("ns", ALLOWED)).planned()
    (blocker,) = scope.blockers
    assert (blocker.reason, blocker.turn) == ("TooManyReferences", Turn.USER)
    assert "namespace ns refer to more than 300 Secrets and ConfigMaps" in blocker.message
    assert scope.desired == ()
