"""What checks say of a real Prometheus and a real Alertmanager that are broken, and of those that are well again."""

from __future__ import annotations

import asyncio
import resource
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from bench.monitoring import lab
from tests.contract import alertmanager
from tests.framework import processes
from tests.framework.api import eventually
from tests.framework.http_ask import asking
from tests.framework.rendered import rendered, stack
from tests.framework.server import free_port
from tests.framework.verification import subject
from tests.framework.webserver import Request, Response, WebServer

from devcluster.build.binaries import binary
from inventory_operator.kube.timestamps import timestamp
from inventory_operator.verification import alerts_delivered, configuration_loaded, history_stored
from inventory_operator.verification.answer import Answer, Outcome
from inventory_operator.verification.history_stored import History

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from inventory_operator.verification.ask import Ask
    from inventory_operator.verification.subject import Subject

    Run = Callable[[Subject, Ask], Awaitable[Answer]]

SPEC: dict[str, Any] = {
    "prometheus": {"scrapeInterval": "1s"},
    "alerting": {"receivers": {"webhook": {"secretKeyRef": {"name": "hook"}}}},
}
OF = subject(**SPEC)


@dataclass(frozen=True)
class Running:
    """A real Prometheus with the configuration of the stack, and its process."""

    folder: Path
    url: str
    process: subprocess.Popen[Any]
    history: History = field(default_factory=History)

    def asked(self, run: Run) -> Answer:
        async def ask() -> Answer:
            async with asking(self.url) as pods:
                return await run(OF, pods)

        return asyncio.run(ask())

    def says(self, run: Run, reason: str) -> Answer:
        """Wait until a check has this reason; return all of its answer."""

        def told() -> Answer | None:
            answer = self.asked(run)
            return answer if answer.reason == reason else None

        answer = eventually(told, f"the reason {reason}, see {self.folder}/log")
        assert answer
        return answer

    def delivered(self, reason: str) -> Answer:
        return self.says(lambda of, ask: alerts_delivered.check(of, ask, timestamp()), reason)

    def loaded(self, reason: str) -> Answer:
        return self.says(configuration_loaded.check, reason)

    def stored(self, reason: str) -> Answer:
        return self.says(lambda of, ask: history_stored.check(of, ask, self.history, timestamp()), reason)


@contextmanager
def running(folder: Path, *alertmanagers: str) -> Iterator[Running]:
    folder.mkdir()
    address = f"127.0.0.1:{free_port()}"
    targets = {"prometheus": [lab.Target(address)], "alertmanager": [lab.Target(one, "am-1") for one in alertmanagers]}
    lab.configure(folder, targets, rendered(stack(**SPEC)))
    command = [
        *(binary("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"),
        *(f"--web.listen-address={address}", "--config.auto-reload", "--config.auto-reload-interval=1s"),
    ]
    with (folder / "log").open("w") as log, processes.running(command, stdout=log, stderr=log) as process:
        lab.wait_until(lambda: alertmanager._ready(f"http://{address}"), f"Prometheus, see {folder}/log")
        yield Running(folder, f"http://{address}", process)


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "prometheus") as found:
        yield found


# Prometheus


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("prometheus.yml", "global: ["),
        ("prometheus.yml", "globe: {}"),
        ("prometheus.yml", "scrape_configs: [{job_name: a}, {job_name: a}]"),
        ("alerts.rules.yml", "groups: [{name: a, rules: [{alert: B, expr: up ==}]}]"),
        ("alerts.rules.yml", "groups: ["),
    ],
)
def test_a_configuration_that_is_refused(prometheus: Running, file: str, text: str) -> None:
    assert prometheus.loaded("ConfigurationLoaded").outcome is Outcome.PASSED
    before = (prometheus.folder / file).read_text()
    (prometheus.folder / file).write_text(text)
    assert prometheus.loaded("ConfigurationRefused").outcome is Outcome.FAILED
    (prometheus.folder / file).write_text(before)
    prometheus.loaded("ConfigurationLoaded")


def test_a_volume_that_takes_nothing_more(prometheus: Running) -> None:
    """No file may grow: as on a full volume, each write fails but for what a page still has room for."""
    prometheus.stored("TooYoung")
    limit = max(file.stat().st_size for file in (prometheus.folder / "data/wal").iterdir() if file.is_file())
    before = resource.prlimit(prometheus.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    answer = prometheus.stored("VolumeFull")
    assert answer.outcome is Outcome.FAILED
    resource.prlimit(prometheus.process.pid, resource.RLIMIT_FSIZE, before)
    assert prometheus.stored("TooYoung").outcome is Outcome.SKIPPED, "it goes on by itself"


# Alertmanager


class Receiver:
    """A receiver that answers with a status."""

    def __init__(self) -> None:
        self.status = 200
        self.server = WebServer("127.0.0.1", self._answer)

    def _answer(self, request: Request) -> Response:
        request.get_data()
        return Response("", self.status)


def test_a_receiver_that_refuses(tmp_path: Path) -> None:
    receiver = Receiver()
    secret = tmp_path / "alertmanager/secrets/webhook"
    secret.mkdir(parents=True)
    labels = {"namespace": "shop", "stack": "shop", "severity": "critical", "domain": "business"}
    with receiver.server, alertmanager.running(rendered(stack(**SPEC)), tmp_path / "alertmanager") as sender:
        with running(tmp_path / "prometheus", sender._url.split("/")[2]) as prometheus:
            # Without its Secret it is refused for good.
            assert prometheus.delivered("NothingSent").outcome is Outcome.SKIPPED
            sender.fire({"labels": {**labels, "alertname": "One"}})
            answer = prometheus.delivered("NotificationsFailing")
            assert answer.outcome is Outcome.FAILED
            assert "by webhook fail (other):" in answer.message
            (secret / "url").write_text(receiver.server.url("/hook"))
            sender.fire({"labels": {**labels, "alertname": "Two"}})
            assert prometheus.delivered("NotificationsSent").outcome is Outcome.PASSED
            for status, name in ((500, "Three"), (404, "Four")):
                receiver.status = status
                sender.fire({"labels": {**labels, "alertname": name}})
                assert prometheus.delivered("NotificationsFailing").message.startswith("some notifications by webhook")
                receiver.status = 200
                sender.fire({"labels": {**labels, "alertname": f"{name}Repaired"}})
                prometheus.delivered("NotificationsSent")
        assert prometheus.asked(configuration_loaded.check).reason == "PrometheusNotAnswering"
