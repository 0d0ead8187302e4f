"""The demo: whether it has Grafana, what it waits for, what it says at its end."""

from __future__ import annotations

import json
import shlex
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from devcluster import __main__, demo, demoreport, demostack, targets
from devcluster.demoreport import Commands, Grafana
from devcluster.errors import ClusterError, RefusedError
from devcluster.images import nodeimages, registry
from devcluster.paths import REPO
from inventory_operator.api.grafana import GRAFANA_IMAGE as IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOKUP = (
    'failed to do request: Head "https://registry.example.com/v2/grafana/manifests/1":'
    " dial tcp: lookup registry.example.com on 192.0.2.53:53: no such host"
)
PULL = f'Back-off pulling image "{IMAGE}": ErrImagePull: failed to pull and unpack image "{IMAGE}": '
GOOD = dict.fromkeys(demostack._PARTS, ("True", "Available"))
READY = {"Ready": ("True", "Available")}


def stack(*, grafana: dict[str, Any] | None = None, **conditions: tuple[str, str]) -> dict[str, Any]:
    listed = [
        {"type": name, "status": status, "reason": reason, "message": reason, "observedGeneration": 2}
        for name, (status, reason) in conditions.items()
    ]
    return {
        "metadata": {"generation": 2},
        "spec": {"grafana": grafana} if grafana else {},
        "status": {"conditions": listed},
    }


def pod(reason: str = "", message: str = "", *, kind: str = "initContainerStatuses", **metadata: str) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}} if reason else {"running": {}}
    return {"metadata": {"name": "g", **metadata}, "status": {kind: [{"name": "c", "state": state}]}}


class TestPending:
    def test_it_waits_for_what_is_not_reported_or_not_available(self) -> None:
        assert demostack.pending({"metadata": {"generation": 1}, "spec": {}}) == "ServiceAvailable: not reported yet"
        said = demostack.pending(stack(**{**GOOD, "PrometheusAvailable": ("False", "Starting")}))
        assert said == "PrometheusAvailable: Starting"

    def test_it_waits_for_grafana_and_then_for_ready(self) -> None:
        assert demostack.pending(stack(**GOOD, **READY)) == "GrafanaAvailable: not reported yet"
        assert demostack.pending(stack(**GOOD, GrafanaAvailable=("False", "Starting"))) == "GrafanaAvailable: Starting"
        available = stack(**GOOD, GrafanaAvailable=("True", "Available"), Ready=("False", "RollingOut"))
        assert demostack.pending(available) == "Ready: RollingOut"
        assert demostack.pending(stack(**GOOD, GrafanaAvailable=("True", "Available"), **READY)) == ""

    def test_a_grafana_that_is_off_is_not_waited_for(self) -> None:
        off = {"enabled": False}
        assert demostack.pending(stack(grafana=off, **GOOD)) == "Ready: not reported yet"
        assert demostack.pending(stack(grafana=off, **GOOD, **READY)) == ""

    def test_what_was_said_of_an_earlier_generation_does_not_count(self) -> None:
        old = stack(grafana={"enabled": False}, **GOOD, **READY, Stalled=("True", "spec.x: no"))
        old["metadata"]["generation"] = 3
        assert demostack.pending(old) == "ServiceAvailable: not reported yet"

    def test_a_stalled_stack_ends_it(self) -> None:
        with pytest.raises(ClusterError, match="stalled: spec"):
            demostack.pending(stack(Stalled=("True", "spec.x: no")))


class TestPullError:
    @pytest.mark.parametrize("kind", ["initContainerStatuses", "containerStatuses"])
    @pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
    def test_a_container_says_why(self, reason: str, kind: str) -> None:
        pods = [pod(), pod(reason, f"{PULL}failed to resolve image: {LOOKUP}", kind=kind)]
        assert demostack.pull_error(pods) == "lookup registry.example.com: no such host"

    def test_a_pod_that_starts_or_is_being_deleted_says_nothing(self) -> None:
        assert demostack.pull_error([]) == ""
        assert demostack.pull_error([{"metadata": {"name": "g"}}]) == ""
        assert demostack.pull_error([pod("PodInitializing"), pod("CrashLoopBackOff", "back-off 10s"), pod()]) == ""
        assert demostack.pull_error([pod("ImagePullBackOff", "x", deletionTimestamp="2026-01-01T00:00:00Z")]) == ""

    def test_without_a_message_the_reason_is_given(self) -> None:
        assert demostack.pull_error([pod("ErrImagePull")]) == "ErrImagePull"


class TestImage:
    def test_the_default_is_the_operators(self) -> None:
        assert demostack.grafana_image(stack()) == IMAGE
        assert demostack.grafana_image(stack(grafana={"enabled": True})) == IMAGE
        assert demostack.grafana_image(stack(grafana={"image": "r.example.com/g:1"})) == "r.example.com/g:1"

    def test_a_constant_that_is_gone_is_named(self) -> None:
        with pytest.raises(ClusterError, match=r"api/grafana\.py has no LOKI_IMAGE"):
            demostack._default("LOKI_IMAGE")

    @pytest.mark.parametrize(
        ("image", "name"),
        [
            (IMAGE, IMAGE),
            ("grafana/grafana:1", "docker.io/grafana/grafana:1"),
            ("grafana/grafana", "docker.io/grafana/grafana:latest"),
            ("grafana", "docker.io/library/grafana:latest"),
            ("grafana:12", "docker.io/library/grafana:12"),
            ("localhost/grafana", "localhost/grafana:latest"),
            ("localhost:5000/g/grafana:1", "localhost:5000/g/grafana:1"),
            ("r.example.com/grafana", "r.example.com/grafana:latest"),
            (f"r.example.com/g@sha256:{'0' * 64}", f"r.example.com/g@sha256:{'0' * 64}"),
        ],
    )
    def test_names_are_completed_as_the_node_completes_them(self, image: str, name: str) -> None:
        assert registry.qualified(image) == name

    @pytest.mark.parametrize(
        ("said", "cause"),
        [
            (
                f"ctr content fetch-object x ... failed with exit code 1: level=info\nctr: {LOOKUP}\n",
                "lookup registry.example.com: no such host",
            ),
            (f"{PULL}failed to resolve image: {LOOKUP}", "lookup registry.example.com: no such host"),
            (f'{PULL}failed to resolve reference "{IMAGE}": {IMAGE}: not found', "not found"),
            (f"... failed with exit code 1: ctr: {IMAGE}: not found", "not found"),
            (
                'ctr: failed to do request: Head "https://r/v2/": dial tcp 192.0.2.1:443: connect: connection refused',
                "dial tcp 192.0.2.1:443: connect: connection refused",
            ),
            ("ctr: pull access denied, authorization failed", "pull access denied, authorization failed"),
            (f'Back-off pulling image "{IMAGE}"', f'Back-off pulling image "{IMAGE}"'),
            ("", ""),
        ],
    )
    def test_the_cause_is_short(self, said: str, cause: str) -> None:
        assert registry.cause(said) == cause


class Program:
    """A `ctr` that does what a line of shell does, on a node whose store has the images `store`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store: set[str] = set()
        self._path = folder / "ctr"
        monkeypatch.setattr(nodeimages, "has", self.store.__contains__)
        monkeypatch.setattr(registry, "binary", lambda _: self._path)
        self.does("exit 9")

    def does(self, line: str) -> None:
        self._path.write_text(f"#!/bin/sh\n{line}\n")
        self._path.chmod(0o755)


@pytest.fixture
def ctr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    return Program(tmp_path, monkeypatch)


class TestRegistry:
    def test_the_node_has_it(self, ctr: Program) -> None:
        ctr.store.add(IMAGE)
        assert registry.missing_reason(IMAGE.removeprefix("docker.io/")) == ""

    def test_the_registry_has_it(self, ctr: Program) -> None:
        ctr.does(f'test "$*" = "content fetch-object {IMAGE}"')
        assert registry.missing_reason(IMAGE.removeprefix("docker.io/")) == ""

    def test_the_registry_does_not_have_it(self, ctr: Program) -> None:
        ctr.does("echo progress; echo ctr: $3: not found >&2; exit 1")
        assert registry.missing_reason(IMAGE) == "not found"

    def test_a_registry_that_does_not_answer_in_time(self, ctr: Program) -> None:
        ctr.does("exec sleep 60")
        assert registry.missing_reason(IMAGE, 0.1) == "no answer from its registry within 0.1 s"

    @pytest.mark.parametrize("kind", [targets.Kind, targets.Current])
    def test_where_the_nodes_pull_no_registry_is_asked(self, kind: type[targets.Kind | targets.Current]) -> None:
        assert object.__new__(kind).missing_reason(IMAGE) == ""


class Shop:
    """kubectl in front of the stack `shop`: Grafana works, or its pods say why its image can't be pulled."""

    def __init__(self, pull_error: str = "", *, for_good: bool = False) -> None:
        self.pull_error = pull_error
        self.for_good = for_good
        self.applied: list[bool] = []
        self.deleted: list[str] = []

    def __call__(self, *words: str, stdin: str = "") -> str:
        if words[0] == "patch":
            assert words[words.index("-f") + 1] == str(demostack.EXAMPLE)
            return words[words.index("-p") + 1]
        if "delete" in words:
            self.deleted.append(words[words.index("pod") + 1])
            self.pull_error = self.pull_error if self.for_good else ""
            return ""
        if "--dry-run=server" not in words:
            self.applied.append(json.loads(stdin)["spec"]["grafana"]["enabled"])
        return stdin

    def json(self, *words: str) -> Any:
        if "pods" in words:
            return {"items": [pod("ErrImagePull", f"ctr: {self.pull_error}") if self.pull_error else pod()]}
        if self.applied and not self.applied[-1]:
            return stack(grafana={"enabled": False}, **GOOD, **READY)
        there = ("False", "ImagePullBackOff") if self.pull_error else ("True", "Available")
        return stack(**GOOD, GrafanaAvailable=there, Ready=there)


def target(answer: Callable[[str], str]) -> Any:
    return SimpleNamespace(missing_reason=answer)


def never(image: str) -> str:
    raise AssertionError(f"asked for {image}")


class TestGrafana:
    def test_auto_asks_for_the_image_and_goes_without_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        shop = Shop()
        found = demo.find_grafana(target({IMAGE: "no such host"}.__getitem__), shop, "auto")
        assert (found.enabled, found.missing) == (False, "no such host")
        assert shop.applied == [], "nothing is applied before it is known"
        assert "applied without Grafana" in capsys.readouterr().err

    def test_auto_takes_an_image_that_is_there(self) -> None:
        found = demo.find_grafana(target({IMAGE: ""}.__getitem__), Shop(), "auto")
        assert found == Grafana("auto", IMAGE)
        assert found.works

    @pytest.mark.parametrize(("asked", "enabled"), [("on", True), ("off", False)])
    def test_on_and_off_ask_no_registry(self, asked: str, enabled: bool) -> None:
        assert demo.find_grafana(target(never), Shop(), asked).enabled is enabled

    def test_auto_switches_it_off_when_its_image_cannot_be_pulled_after_all(self) -> None:
        shop = Shop("no such host", for_good=True)
        found = demo.await_stack(shop, Grafana("auto", IMAGE))
        assert found == Grafana("auto", IMAGE, "no such host")
        assert shop.applied == [False]

    def test_on_keeps_it_and_says_why_it_does_not_work(self) -> None:
        shop = Shop("no such host", for_good=True)
        found = demo.await_stack(shop, Grafana("on", IMAGE))
        assert (found.enabled, found.works, found.missing) == (True, False, "no such host")
        assert shop.applied == []

    def test_a_pod_that_waits_since_an_earlier_run_is_replaced(self) -> None:
        shop = Shop("no such host")
        assert demo.await_stack(shop, Grafana("auto", IMAGE)).works
        assert shop.deleted == ["g"]
        assert demo.await_stack(shop, Grafana("auto", IMAGE)).works
        assert shop.deleted == ["g"], "one that works is left alone"

    def test_the_stack_is_the_example_and_one_field(self) -> None:
        shop = Shop()
        assert demostack.apply(shop, grafana=False) == {"spec": {"grafana": {"enabled": False}}}
        demostack.apply(shop, grafana=True)
        demostack.apply(shop, grafana=False, dry_run=True)
        assert shop.applied == [False, True]

    @pytest.mark.parametrize("word", ["yes", "ON", "auto "])
    def test_another_word_is_refused(self, word: str) -> None:
        with pytest.raises(RefusedError, match=f"GRAFANA={word} is not known: it is one of auto, on, off"):
            demo.check_grafana(word)

    def test_nothing_means_auto(self) -> None:
        assert [demo.check_grafana(word) for word in ("", *demo.GRAFANA)] == ["auto", *demo.GRAFANA]

    def test_the_command_line_refuses_before_anything_starts(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(targets, "choose", never)
        monkeypatch.setenv("GRAFANA", "maybe")
        assert __main__.main(["demo"]) == 3
        assert capsys.readouterr().err == "devcluster: GRAFANA=maybe is not known: it is one of auto, on, off\n"

    def test_an_argument_comes_before_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        runs: list[tuple[str, dict[str, str]]] = []
        monkeypatch.setattr(targets, "choose", lambda _: None)
        monkeypatch.setattr(demo, "run", lambda _, asked, variables: runs.append((asked, variables)))
        monkeypatch.setenv("GRAFANA", "on")
        monkeypatch.setenv("REGISTRY", "r.example.com")
        assert __main__.main(["--cluster", "kind", "demo", "--grafana", "off"]) == 0
        assert runs == [("off", {"CLUSTER": "kind", "REGISTRY": "r.example.com", "GRAFANA": "off"})]


COMMANDS = Commands(("kubectl", "--kubeconfig=/tmp/a b/config"), MappingProxyType({"CLUSTER": "embedded"}))
OUTCOMES = {
    "works": Grafana("auto", IMAGE),
    "not available": Grafana("auto", IMAGE, "no such host"),
    "insisted": Grafana("on", IMAGE, "no such host"),
    "not wanted": Grafana("off", IMAGE),
}


def pasted(text: str) -> list[list[str]]:
    """The commands among the lines, as a shell would read them."""
    return [shlex.split(line) for line in text.splitlines() if line.startswith("  ")]


class TestReport:
    @pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)
    def test_only_a_grafana_that_works_is_to_be_opened(self, outcome: Grafana) -> None:
        text = demoreport.what_next(outcome, COMMANDS)
        assert ("Grafana" in text) == ("password" in text) == ("shop-grafana" in text) == outcome.works
        assert "svc/shop-inventory 5000" in text

    @pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)
    def test_each_command_is_whole_and_has_no_comment(self, outcome: Grafana) -> None:
        text = demoreport.about_grafana(outcome, COMMANDS) + demoreport.what_next(outcome, COMMANDS)
        for words in pasted(text):
            if words[0] == str(REPO / ".venv/bin/inventory"):
                assert words[-3:] == ["--kubeconfig=/tmp/a b/config", "-n", "shop"]
                continue
            assert words[0] in {"kubectl", "make"}, words
            made = (["-C", str(REPO), target] for target in ("demo-down", "venv"))
            assert words[1:4] in (["--kubeconfig=/tmp/a b/config", "-n", "shop"], *made)
            assert "#" not in " ".join(words)

    def test_one_sentence_says_what_is_missing_why_and_what_to_do(self) -> None:
        said = demoreport.about_grafana(OUTCOMES["not available"], COMMANDS)
        sentence, command = said.rstrip().split("\n")
        assert sentence == (
            f"Grafana is off, because its image {IMAGE} can't be pulled here (no such host):"
            f" `make -C {REPO} dashboards-preview CLUSTER=embedded` draws the dashboards meanwhile,"
            " and this switches Grafana on once the image can be pulled:"
        )
        assert shlex.split(command)[-1] == '{"spec":{"grafana":{"enabled":true}}}'
        assert pasted(said)[0][2:8] == ["-n", "shop", "patch", "invstack", "shop", "--type=merge"]

    def test_with_on_the_report_says_how_to_switch_it_off(self) -> None:
        said = demoreport.about_grafana(OUTCOMES["insisted"], COMMANDS)
        assert said.startswith(f"All but Grafana works: its image {IMAGE} can't be pulled here (no such host)")
        assert pasted(said)[0][-1] == '{"spec":{"grafana":{"enabled":false}}}'

    def test_with_off_the_report_says_so(self) -> None:
        said = demoreport.about_grafana(OUTCOMES["not wanted"], COMMANDS)
        assert said.startswith("Grafana is off, because GRAFANA=off was asked for")
        assert "can't" not in said
        assert pasted(said)[0][-1] == '{"spec":{"grafana":{"enabled":true}}}'

    def test_a_grafana_that_works_is_no_news(self) -> None:
        assert demoreport.about_grafana(OUTCOMES["works"], COMMANDS) == ""


# The checks


def test_it_waits_until_the_stack_is_verified(capsys, monkeypatch) -> None:
    waiting = stack(Verified=("Unknown", "NotChecked"))
    verified = stack(Verified=("True", "AllChecksPassed"))
    answers = [stack(), waiting, waiting, verified]
    monkeypatch.setattr("time.sleep", lambda _: None)
    kubectl: Any = SimpleNamespace(json=lambda *_: answers.pop(0))
    assert demostack.wait_verified(kubectl) == verified
    assert capsys.readouterr().err == "waiting for Verified: not reported yet\nwaiting for Verified: NotChecked\n"


def test_a_stack_that_is_never_verified_fails_with_what_is_wrong(monkeypatch) -> None:
    monkeypatch.setattr(demostack, "_WAIT_SECONDS", 0.2)
    kubectl: Any = SimpleNamespace(json=lambda *_: stack(Verified=("False", "MetricMissing")))
    with pytest.raises(ClusterError, match=r"after 0.2 s the stack still waits for Verified: MetricMissing"):
        demostack.wait_verified(kubectl)


def test_it_tells_what_each_check_answered() -> None:
    answers = [
        {"check": "MetricsExposed", "status": "Passed", "reason": "MetricsExposed", "message": "2 pods have them"},
        {
            "check": "ConfigurationLoaded",
            "status": "Failed",
            "reason": "ConfigurationRefused",
            "message": "see its log",
        },
    ]
    text = demoreport.checks({"status": {"verification": {"checks": answers}}})
    assert "  MetricsExposed       Passed   2 pods have them\n  ConfigurationLoaded  Failed   see its log\n" in text
