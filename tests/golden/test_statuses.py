"""What the status says in every kind of state: a change here is one for all that read statuses."""

from __future__ import annotations

import yaml
from tests.framework.stack_states import RECORDED, STATES, stack

from inventory_operator.api.status import Status

HINT = "If the change is wanted: python -m pytest tests/golden --update-golden, then read the diff."


def test_statuses_are_as_before(update_golden: bool) -> None:
    stacks = {name: stack(state) for name, state in STATES.items()}
    for one in stacks.values():
        Status.model_validate(one["status"])
    now = yaml.safe_dump(stacks, width=120, sort_keys=True)
    if update_golden:
        RECORDED.write_text(now, "utf-8")
    assert now == RECORDED.read_text("utf-8"), HINT
