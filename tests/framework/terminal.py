"""Runs the commands of the pages as a reader would: bash, in a folder with what the pages name, kubectl on the path.

Other than for a reader: the namespace `shop` is one of the test's own, ports of this machine are free ones, and what
asks for input gets some.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from shutil import copytree
from typing import TYPE_CHECKING, Self

from tests.framework.documents import Block, blocks
from tests.framework.rendered import ROOT
from tests.framework.server import free_port

from devcluster.build.binaries import binary

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Only a command that hangs reaches them; the pages wait for a stack for 10 minutes at most.
SECONDS = 660
SECONDS_TO_ANSWER = 120
#: A reader who greps a log for trouble and finds none sees nothing: that is an answer. A refusal by a server is none.
PRELUDE = """
set -o pipefail
grep() { command grep "$@" || [ $? -eq 1 ]; }
curl() { command curl -sS --fail-with-body "$@"; }
"""
STDIN = "https://hooks.example.com/services/T0/B0/secret\n"
FILES = {
    "rules.yml": "groups: [{name: team, rules: [{record: 'team:up:sum', expr: sum(up)}]}]\n",
    "deliveries.json": '{"title": "Deliveries", "uid": "deliveries", "panels": []}\n',
}
#: A container that never ended before has no earlier log: kubectl says so, and the reader knows.
NO_EARLIER_LOG = "previous terminated container"
#: What the service answers with 503, as on a machine that gives its database no time; a reader does what it says.
NOT_NOW = "temporarily unavailable; retry in a few seconds"
_COPIED = ("crds", "examples", "operator/deploy")
_SERVICE = re.compile(r"python -m inventory_service$")
_FORWARD = re.compile(r"(port-forward \S+) (\d+)$")


@dataclass
class Terminal:
    """A context manager; what a page started in it ends with it."""

    kubeconfig: Path
    folder: Path
    namespace: str
    #: Words in capitals that a reader replaces.
    words: dict[str, str] = field(default_factory=dict)
    _ports: dict[str, int] = field(default_factory=dict)
    _variables: dict[str, str] = field(default_factory=dict)
    _started: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        self.folder.mkdir(exist_ok=True)
        for name in _COPIED:
            copytree(ROOT / name, self.folder / name)
        for name, text in {**FILES, **_named_files()}.items():
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).write_text(text)
        single = self.folder / "operator/deploy/single-namespace/kustomization.yaml"
        text = single.read_text()
        single.write_text(text.replace("namespace: shop\n", f"namespace: {self.namespace}\n"))
        (self.folder / "bin").mkdir()
        (self.folder / "bin/kubectl").symlink_to(binary("kubectl"))
        # These very sources, whatever is installed.
        plugin = self.folder / "bin/kubectl-inventory"
        plugin.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m inventory_cli "$@"\n')
        plugin.chmod(0o755)
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End what a page left running, and forget its variables and ports."""
        self._started.close()
        self._ports.clear()
        self._variables.clear()

    def run(self, page: Iterable[Block]) -> str:
        """Run the blocks of one page in their order and return what they print; the first that fails is the error."""
        said = []
        for block in page:
            for line, command in block.commands():
                said.append(self._run(f"{block.page}:{line}", command))
        return "".join(said)

    def _run(self, where: str, written: str) -> str:
        command = self._rewritten(written)
        if assignment := re.fullmatch(r"(\w+)=(\S+)", command):
            self._variables[assignment[1]] = assignment[2]
            return ""
        if forward := _FORWARD.search(command):
            return self._start(where, written, _FORWARD.sub(rf"\1 {self._free(forward[2])}:\2", command), forward[2])
        if _SERVICE.search(command):
            return self._start(
                where,
                written,
                f"PORT={self._free('5000')} INGRESS_PORT={free_port()} PROBE_PORT={free_port()} {command}",
                "5000",
            )
        done = self._ended(command)
        deadline = time.monotonic() + SECONDS_TO_ANSWER
        while done.returncode and NOT_NOW in done.stdout and time.monotonic() < deadline:
            time.sleep(2)  # as it says
            done = self._ended(command)
        no_log = "--previous" in command and NO_EARLIER_LOG in done.stdout
        # The API server drops a field that it does not know, and kubectl only warns of it.
        dropped = "Warning: unknown field" in done.stdout
        assert (done.returncode == 0 and not dropped) or no_log, _report(
            where, written, command, f"{done.returncode}", done.stdout
        )
        return done.stdout

    def _ended(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", PRELUDE + command],
            **self._surroundings(),
            input=STDIN,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def _rewritten(self, command: str) -> str:
        command = re.sub(r"\s+#\s.*$", "", command).strip()
        command = re.sub(r"((?:-n|--namespace|namespace)[ =])shop\b", rf"\g<1>{self.namespace}", command)
        command = command.replace("/tmp/", f"{self.folder}/")
        for port, free in self._ports.items() if " exec " not in command else ():
            command = command.replace(f"localhost:{port}", f"localhost:{free}")
        for word, value in self.words.items():
            command = re.sub(rf"\b{word}\b", value, command)
        return command

    def _free(self, port: str) -> int:
        self._ports[port] = free_port()
        return self._ports[port]

    def _surroundings(self) -> dict[str, object]:
        path = ":".join([str(self.folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
        database = f"sqlite:///{self.folder}/documents.db"
        own = {"KUBECONFIG": str(self.kubeconfig), "PATH": path, "EDITOR": "true", "DATABASE_URL": database}
        return {"cwd": self.folder, "env": {**os.environ, **own, **self._variables}}

    def _start(self, where: str, written: str, command: str, port: str) -> str:
        """Start what serves until it is interrupted, and ask it for one page."""
        log = self.folder / f"{port}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["bash", "-c", f"{command} & wait"],
                **self._surroundings(),
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._started.callback(_end, process)
        deadline = time.monotonic() + SECONDS_TO_ANSWER
        while not _answers(f"http://localhost:{self._ports[port]}/"):
            report = _report(where, written, command, "no answer", log.read_text())
            assert process.poll() is None, report
            assert time.monotonic() < deadline, report
            time.sleep(0.1)
        return ""


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    process.wait(60)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10):
            return True
    except urllib.error.HTTPError as answer:
        # 503: not ready yet. Anything else is an answer: the embedded cluster's Prometheus has no pages.
        return answer.code != HTTPStatus.SERVICE_UNAVAILABLE
    except OSError:
        return False


def _report(where: str, written: str, command: str, outcome: str, said: str) -> str:
    return f"{where}: {written.strip()}\nran as: {command}\nexit code: {outcome}\n{said[-3000:]}"


def _named_files() -> dict[str, str]:
    """The files that the pages show in full: an overlay, and a table of products."""
    (overlay,) = [block for block in blocks(ROOT / "docs/install.md") if "kind: Kustomization" in block.text]
    (products,) = [block for block in blocks(ROOT / "docs/import-export.md") if block.language == "csv"]
    return {"my-cluster/kustomization.yaml": overlay.text, "products.csv": products.text}
