"""How the servers are built: digests, runs of go, progress and time left, programs that end with their parent."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import ClassVar

import pytest
from tests.framework import processes
from tests.framework.api import PATIENCE

from devcluster import bound, progress
from devcluster.build import gotool, recipes
from devcluster.errors import RefusedError
from devcluster.images import standins
from devcluster.kubectl import wait_until
from devcluster.node import nodeconfig
from devcluster.paths import REPO

#: What judges statuses in tests/contract.
GITOPS = REPO / "hack/gitopshealth/go.mod"


class TestRecipes:
    def test_a_digest_depends_on_the_pinned_versions_the_sources_and_the_flags(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(recipes, "MODULES", tmp_path)
        (tmp_path / "m" / "r").mkdir(parents=True)
        (tmp_path / "m" / "go.sum").write_text("one")
        recipe = recipes.Recipe("r", "m", {"r": "example.com/r"}, 1)
        digests = [recipe.digest]
        assert recipe.digest == recipes.Recipe("r", "m", {"r": "example.com/r"}, 99).digest
        digests.append(recipes.Recipe("r", "m", {"r": "example.com/r"}, 1, {"x.y": "1"}).digest)
        (tmp_path / "m" / "go.sum").write_text("two")
        digests.append(recipe.digest)
        (tmp_path / "m" / "r" / "main.go").write_text("package main")
        digests.append(recipe.digest)
        monkeypatch.setattr(recipes, "FLAGS", ("-race",))
        digests.append(recipe.digest)
        assert len(set(digests)) == len(digests)

    def test_a_group_is_built_in_order_and_an_unknown_word_refused(self) -> None:
        names = [recipe.name for recipe in recipes.select(["control-plane", "promtools"])]
        assert names == ["alertmanager", "kubernetes-control-plane", "etcd", "prometheus"]
        with pytest.raises(RefusedError, match="nothing here is called 'minikube'"):
            recipes.select(["minikube"])

    def test_each_module_is_one_run_of_go_but_for_what_must_be_alone(self) -> None:
        runs = [[recipe.name for recipe in run] for run in recipes.runs(recipes.select([]))]
        assert len(runs) == 3
        assert runs[0] == ["alertmanager"]
        assert runs[-1] == ["local-path-provisioner"]

    def test_each_binary_gets_its_name_from_go(self) -> None:
        packages = [pair for recipe in recipes.RECIPES for pair in recipe.packages.items()]
        assert [name for name, package in packages if package.rpartition("/")[2] != name] == []

    def test_the_stamped_versions_are_the_pinned_ones(self) -> None:
        version = "github.com/prometheus/common/version.Version"
        servers = (recipes.MODULES / "servers/go.mod").read_text()
        major, minor, patch = standins.PROMETHEUS.rpartition(":v")[2].split(".")
        assert f"github.com/prometheus/prometheus v0.{major}{minor}.{patch}" in servers
        assert recipes.recipe_of("prometheus").variables == {version: f"{major}.{minor}.{patch}"}
        tag = standins.ALERTMANAGER.rpartition(":")[2]
        assert f"prometheus/alertmanager {tag}" in (recipes.MODULES / "alertmanager/go.mod").read_text()
        assert recipes.recipe_of("amtool").variables == {version: tag[1:]}
        assert f"k8s.io/kubernetes {recipes.kubernetes_version()}" in servers
        staging = set(re.findall(r"^replace k8s\.io/(?:\S+) => k8s\.io/\S+ v0\.(\S+)$", servers, re.MULTILINE))
        assert staging == {recipes.kubernetes_version().removeprefix("v1.")}

    def test_the_modules_use_the_same_version_of_a_library(self) -> None:
        """Else Go's build cache has it twice, and it is compiled twice."""
        servers, alertmanager, gitops = (
            dict(re.findall(r"^\s*(?:require )?(\S+) (v\S+)(?: // indirect)?$", path.read_text(), re.MULTILINE))
            for path in (*(recipes.MODULES / f"{name}/go.mod" for name in ("servers", "alertmanager")), GITOPS)
        )
        different = {name for name in servers.keys() & alertmanager.keys() if servers[name] != alertmanager[name]}
        # Prometheus uses another Alertmanager as a library; Alertmanager 0.31 can't be compiled with automemlimit 1.0.
        assert different == {"github.com/prometheus/alertmanager", "github.com/KimMachineGun/automemlimit"}
        assert dict(gitops.items() - servers.items()).keys() == {"sigs.k8s.io/cli-utils"}

    def test_coredns_has_the_plugins_of_the_corefile(self) -> None:
        source = (recipes.MODULES / "servers/coredns/main.go").read_text()
        inside = re.search(r"\{(.*)\}", nodeconfig.corefile(Path("k")), re.DOTALL)
        assert inside
        named = set(re.findall(r"^  (\w+)", inside[1], re.MULTILINE))
        assert set(re.findall(r"coredns/plugin/(\w+)\"", source)) == named
        directives = re.search(r"directives = .*\{(.*)\}", source)
        assert directives
        assert set(re.findall(r'"(\w+)"', directives[1])) == named


class TestGoTool:
    PACKAGES = ("errors", "io", "example.com/a", "example.com/b")

    def test_it_is_as_far_as_the_packages_that_go_named(self) -> None:
        said = ["go: downloading example.com/a v1.0.0", "io", "errors"]
        assert gotool.progress([*self.PACKAGES], said) == (0.97 / 2, "2 of 4 packages")

    @pytest.mark.parametrize("cached", [0, 371])
    def test_packages_that_go_takes_early_from_further_down_count_as_one_each(self, cached: int) -> None:
        packages = [f"example.com/{number}" for number in range(733)]
        early = packages[cached + 60 :: 20]
        order = [*packages[cached : cached + 30], *early]
        order += [package for package in packages[cached:] if package not in set(order)]
        for said in range(30, len(order) + 1):
            share, words = gotool.progress(packages, order[:said])
            assert words == f"{cached + said} of 733 packages"
            assert share == pytest.approx(0.97 * (cached + said) / 733)

    def test_packages_in_go_s_cache_are_not_named_and_count(self) -> None:
        assert gotool.progress([*self.PACKAGES], ["example.com/b"]) == (0.97, "4 of 4 packages")
        assert gotool.progress([*self.PACKAGES], []) == (0.0, "0 of 4 packages")


class Clock:
    """Stands in for time.monotonic: tells the time that a test set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


class TestProgress:
    WEIGHTS: ClassVar = {"one": 60.0, "two": 200.0, "three": 10.0}

    @pytest.mark.parametrize(
        ("seconds", "said"), [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min"), (200, "3 min 20 s"), (-5, "0 s")]
    )
    def test_durations_read_well(self, seconds: float, said: str) -> None:
        assert progress.duration(seconds) == said

    @pytest.mark.parametrize("slower", [0.5, 1, 2, 5, 20])
    def test_the_time_left_is_true_at_any_pace(self, clock: Clock, slower: float) -> None:
        shown = progress.Progress(dict(self.WEIGHTS))
        began, end = clock.now, clock.now + slower * sum(self.WEIGHTS.values())
        for step, weight in self.WEIGHTS.items():
            shown.begin(step)
            for percent in range(1, 100):
                clock.now += slower * weight / 100
                shown.tick(percent / 100)
                if clock.now - began > slower * 10:  # before, it can't know how fast this machine is
                    assert 0.5 < shown.left() / (end - clock.now) < 2
            clock.now += slower * weight / 100
            shown.finish()

    def test_a_step_that_takes_longer_than_thought_never_has_a_moment_left(self, clock: Clock) -> None:
        shown = progress.Progress({"one": 10.0, "two": 100.0})
        shown.begin("one")
        clock.now += 10
        shown.finish(cpu=19.6)
        shown.begin("two")
        for _ in range(500):
            clock.now += 1
            shown.tick()
            assert shown.left() >= (clock.now - 1010) / 4
        assert 100 < shown.left() < 200

    @pytest.mark.parametrize("slower", [1, 5])
    def test_what_a_cache_had_and_a_wait_for_downloads_say_nothing_of_the_pace(
        self, clock: Clock, slower: float
    ) -> None:
        shown = progress.Progress({"cached": 100.0, "half": 200.0, "after": 100.0})
        shown.begin("cached")
        clock.now += 2
        shown.tick(0.0)
        shown.finish()
        shown.begin("half")
        clock.now += 90
        shown.tick(0.0, "downloading modules")
        assert shown.left() == pytest.approx(300, rel=0.1)
        end = clock.now + slower * 200
        shown.tick(0.5)
        for percent in range(50, 100):
            clock.now += slower * 2
            shown.tick((percent + 1) / 100)
            if percent > 55:
                assert 0.5 < shown.left() / (end - clock.now) < 2

    def test_it_starts_with_what_was_measured(self, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
        shown = progress.Progress(dict(self.WEIGHTS))
        shown.begin("one")
        clock.now += 1
        shown.tick(0.01, "1 of 30 packages")
        clock.now += 20
        shown.tick(0.35, "9 of 30 packages")
        clock.now += 39
        shown.finish(cpu=101.6)
        assert capsys.readouterr().err.splitlines() == [
            "[1/3] one ... about 4 min 30 s left for everything",
            "[1/3] one, 9 of 30 packages ... about 4 min 5 s left for everything",
            "one: done in 1 min (102 s CPU)",
        ]


SLEEPER = (
    "import subprocess, sys, time; subprocess.Popen(['sleep', '987']); print('ready', flush=True); time.sleep(987)"
)
PARENT = """\
import sys
from pathlib import Path
from devcluster import bound
bound.run([sys.executable, "-c", sys.argv[1]], Path(sys.argv[2]))
"""


def group_of(log: Path) -> set[int]:
    """Return the processes whose output is `log`."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "fd" / "1").readlink() == log:
                found.add(int(entry.name))
        except OSError:
            continue
    return found


class TestBound:
    def test_it_returns_the_exit_code_and_what_its_children_used(self, tmp_path: Path) -> None:
        burn = "import time\nwhile time.process_time() < 0.3: pass"
        inner = f"import subprocess, sys; print('hi'); subprocess.run([sys.executable, '-c', {burn!r}]); sys.exit(7)"
        code, cpu = bound.run([sys.executable, "-c", inner], tmp_path / "log")
        assert code == 7
        assert cpu >= 0.3
        assert (tmp_path / "log").read_text() == "hi\n"

    def test_an_exception_of_the_tick_ends_all_of_it(self, tmp_path: Path) -> None:
        log = tmp_path / "log"

        def tick() -> None:
            if log.read_text():
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            bound.run([sys.executable, "-c", SLEEPER], log, tick=tick)
        wait_until(lambda: not group_of(log), "its children to be gone", PATIENCE)

    def test_all_of_it_ends_when_the_parent_is_killed(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        command = [sys.executable, "-c", PARENT, SLEEPER, str(log)]
        with processes.running(command, cwd=REPO) as parent:
            wait_until(lambda: log.exists() and bool(log.read_text()), "the child to start", PATIENCE)
            assert len(group_of(log)) >= 3  # the shell, python, sleep
            os.kill(parent.pid, signal.SIGKILL)
            wait_until(lambda: not group_of(log), "its children to be gone", PATIENCE)
