"""`kubectl inventory open`: what it runs, prints and waits for, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.framework import processes
from tests.framework.api import Api, eventually, stack
from tests.framework.rendered import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from devcluster.node.controlplane import ControlPlane

pytestmark = [pytest.mark.usefixtures("operator"), pytest.mark.xdist_group("second-operator")]
#: Stands for kubectl: says how it was called, and serves on the local port as a forwarded part would.
KUBECTL = """#!{python}
import http.server, pathlib, sys
pathlib.Path({called!r}).write_text(" ".join(sys.argv[1:]))
if {fails}:
    sys.exit("error: lost connection to pod")
port = int(sys.argv[-1].split(":")[0])
http.server.HTTPServer(("127.0.0.1", port), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@pytest.fixture
def shop(api: Api, namespace: str, settled: Any) -> str:
    api.apply(stack("shop", {"alerting": {"enabled": False}}), namespace)
    settled(namespace)
    return namespace


def command(
    tmp_path: Path, control_plane: ControlPlane, namespace: str, *words: str, fails: bool = False
) -> dict[str, Any]:
    """How to call `open` with a kubectl of the test on the PATH."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL.format(python=sys.executable, called=str(tmp_path / "called"), fails=fails))
    kubectl.chmod(0o755)
    path = [str(ROOT / folder) for folder in ("operator", "service")]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": ":".join(path), "PYTHONUNBUFFERED": "1"}
    access = ["-n", namespace, f"--kubeconfig={control_plane.kubeconfig}", "--no-browser"]
    return {
        "args": [sys.executable, "-m", "inventory_cli", "open", *words, *access],
        "env": {**os.environ, **environment},
        "cwd": tmp_path,
    }


def test_it_prints_url_and_password_once_grafana_answers_and_ends_with_an_interrupt(
    tmp_path: Path, control_plane: ControlPlane, shop: str
) -> None:
    called = command(tmp_path, control_plane, shop, "grafana", "shop", "--show-password")
    out = tmp_path / "out"
    with out.open("wb") as file, processes.running(called.pop("args"), stdout=file, stderr=file, **called) as process:
        eventually(lambda: "Ctrl-C" in out.read_text() or process.poll() is not None, "the URL")
        said = out.read_text()
        assert re.search(r"grafana of stack shop: http://127\.0\.0\.1:\d+\n", said), said
        assert re.search(r"^user: \S+\npassword: \S{20,}$", said, re.MULTILINE), said
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    words = (tmp_path / "called").read_text()
    assert f"-n {shop} port-forward --address 127.0.0.1 service/shop-grafana " in words
    assert words.endswith(":3000")
    # The port is free again: what it ran has ended, too.
    port = int(words.split()[-1].split(":")[0])
    again = command(tmp_path, control_plane, shop, "grafana", "shop", "--port", str(port), fails=True)
    done = subprocess.run(**again, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 3
    assert done.stderr == "error: kubectl port-forward failed: error: lost connection to pod\n"
    assert "password:" not in done.stdout


def test_what_can_not_be_opened_is_one_sentence(tmp_path: Path, control_plane: ControlPlane, shop: str) -> None:
    for words, code, sentence in (
        (("alertmanager", "shop"), 1, f"error: alertmanager is switched off in stack {shop}/shop\n"),
        (("prometheus", "nobody"), 1, f'error: InventoryStack "nobody" not found in namespace {shop}: '),
        (("prometheus", "shop", "--show-password"), 2, "--show-password is for grafana"),
    ):
        called = command(tmp_path, control_plane, shop, *words)
        done = subprocess.run(**called, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == code, done.stderr
        assert sentence in done.stderr
        assert not (tmp_path / "called").exists()
