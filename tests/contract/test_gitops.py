"""Flux, with the expressions of the example, and kstatus find of each recorded status what they have to."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from typing import Any

import pytest
from tests.framework.gitops import expressions
from tests.framework.rendered import ROOT
from tests.framework.specs import schema
from tests.framework.stack_states import MEANS, STATES, recorded

from devcluster.build.gotool import ENVIRONMENT
from devcluster.build.recipes import FLAGS
from devcluster.preflight import require_go

#: Judges with kstatus and with Flux's CEL; Go has built what it needs with the servers of the cluster.
PROGRAM = ROOT / "hack/gitopshealth"
#: As a schema without a default for the status would have a new stack.
WITHOUT_STATUS = "without a status"


@cache
def verdicts() -> dict[str, dict[str, str]]:
    """What both say of each recorded stack, and of one without a status."""
    stacks = recorded()
    stacks[WITHOUT_STATUS] = {key: value for key, value in stacks["creating"].items() if key != "status"}
    given = json.dumps({"expressions": expressions(), "resources": stacks})
    command = [str(require_go()), "run", *FLAGS, "."]
    environment = {**os.environ, **ENVIRONMENT}
    done = subprocess.run(
        command, cwd=PROGRAM, env=environment, input=given, text=True, check=True, stdout=subprocess.PIPE
    )
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    assert found.keys() == {*STATES, WITHOUT_STATUS}
    return found


@pytest.mark.parametrize("name", STATES)
def test_flux_finds_what_is_so(name: str) -> None:
    assert verdicts()[name]["flux"] == MEANS[STATES[name].means][1]


@pytest.mark.parametrize("name", STATES)
def test_kstatus_finds_what_is_so_and_says_why(name: str) -> None:
    found, means = verdicts()[name], STATES[name].means
    assert found["kstatus"] == MEANS[means][2]
    told = {one["type"]: one["message"] for one in recorded()[name]["status"].get("conditions", ())}
    if means in {"moving", "stalled"}:
        assert found["message"] == told["Ready"] == told["Reconciling" if means == "moving" else "Stalled"]


def test_kstatus_would_take_a_stack_without_a_status_for_done() -> None:
    """Which is why the schema has a default: the generation that was looked at is none."""
    found: dict[str, Any] = verdicts()[WITHOUT_STATUS]
    assert (found["kstatus"], found["flux"]) == ("Current", "Unknown")
    assert schema()["properties"]["status"]["default"] == {"observedGeneration": -1}
    assert verdicts()["not-looked-at"]["kstatus"] == "InProgress"
