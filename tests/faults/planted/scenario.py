"""Plants the faults of a group one after the other in one stack, and sees what is said of each, and afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.faults.fixture import STACK
from tests.faults.planted.evidence import PlantedRow, action, named, not_explained, not_well, row_of, told
from tests.faults.planted.fixture import PlantedFixture

from devcluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.environment import Environment
    from tests.faults.planted.fault import Group, Planted

#: Seconds: until a new stack is Verified, until a fault is named at all, until its repair is seen.
_VERIFIED, _NAMED, _WELL = 600.0, 150.0, 300.0
_EXPLAIN_SECONDS = 120


class Planting:
    """The faults of one group, or some of them."""

    def __init__(self, environment: Environment, group: Group, faults: Sequence[Planted]) -> None:
        self.environment = environment
        self.group = group
        self.rows = [row_of(fault) for fault in faults]
        self._faults = faults
        self.fixture = PlantedFixture(environment, group)

    def run(self) -> list[PlantedRow]:
        """Plant all of them; what breaks the stack's own start is in each row."""
        try:
            with self.group.around(self.fixture), self.fixture.undo:
                self._start()
                for fault, row in zip(self._faults, self.rows, strict=True):
                    self._run(fault, row)
        except (AssertionError, OSError, ClusterError, subprocess.SubprocessError) as error:
            for row in self.rows:
                row.problems += [] if row.after is not None or row.problems else [str(error)]
            self.say(f"broke off: {error}")
        return self.rows

    def _start(self) -> None:
        try:
            self.say("starting")
            self.fixture.make(self.group.prepare)
        finally:
            self.environment.ready.arrive()
        self._until_well(_VERIFIED, "the new stack")
        self.say("Ready and Verified")
        settled = time.monotonic() + self.group.settles
        self.fixture.until(lambda: time.monotonic() >= settled, self.group.settles + 60, "the stack to settle")

    def _run(self, fault: Planted, row: PlantedRow) -> None:
        for step in (self._plant, self._repair):
            try:
                step(fault, row)
            except InterruptedError:
                raise
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                row.problems.append(f"{error}{self._seen(fault)}")
        said = "as expected" if not row.problems else f"NOT as expected: {'; '.join(row.problems)}"
        self.say(f"{fault.name}: {said}")

    def _plant(self, fault: Planted, row: PlantedRow) -> None:
        if fault.paused:
            self.fixture.pause()
            self._until_well(_WELL, "the paused stack")
        self.say(f"{fault.name}: planted")
        began = time.monotonic()
        fault.plant(self.fixture)
        what = f"{fault.about} to be {fault.reason} with {' ... '.join(fault.words)}"
        row.message = self.fixture.until(lambda: named(self.fixture.status(), fault), _NAMED, what)
        row.after = time.monotonic() - began
        self.say(f"{fault.name}: named after {row.after:.0f} s: {fault.reason}: {row.message}")
        if row.after > fault.limit:
            row.problems.append(f"named after {row.after:.0f} s, expected within {fault.limit:.0f} s")
        code, text = self._explain()
        row.explained = action(text, fault.about)
        row.problems += not_explained(code, text, fault)

    def _repair(self, fault: Planted, row: PlantedRow) -> None:
        began = time.monotonic()
        fault.repair(self.fixture)
        self._until_well(_WELL, "the repaired stack")
        row.well_after = time.monotonic() - began
        self.say(f"{fault.name}: well again after {row.well_after:.0f} s")
        row.problems += not_well(*self._explain())

    def _until_well(self, seconds: float, what: str) -> None:
        self.fixture.until(self.fixture.is_well, seconds, f"{what} to be Ready and Verified")

    def _explain(self) -> tuple[int, str]:
        """Run `kubectl inventory explain`; return its exit code and what it printed."""
        command = [sys.executable, "-m", "inventory_cli", "explain", STACK, "-n", self.fixture.namespace]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_EXPLAIN_SECONDS,
            env={**os.environ, "KUBECONFIG": str(self.environment.kubeconfig)},
        )
        return done.returncode, f"{done.stdout}{done.stderr}"

    def _seen(self, fault: Planted) -> str:
        """Return what the status says instead."""
        status = self.fixture.status()
        bad = {one["type"]: one for one in status.get("conditions", ()) if one["status"] != "True"}
        checks = [one for one in status.get("verification", {}).get("checks", ()) if one["status"] == "Failed"]
        listed = [f"{name} {one['reason']}: {one['message']}" for name, one in bad.items()]
        listed += [f"{one['check']} {one['reason']}: {one['message']}" for one in checks]
        return f"; {fault.about} says {told(status, fault.about)}; in all: {'; '.join(listed)}"

    def say(self, what: str) -> None:
        """Print what happens in this group."""
        self.environment.say(self.group.name, what)
