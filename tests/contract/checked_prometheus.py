"""A real Prometheus with the configuration and the rules of a rendered stack, that scrapes a real service.

What Kubernetes would tell of targets is written by hand, and rules are evaluated each second. Of what can't be run here
the pages have the real names: bench/monitoring/standins.py.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from bench.monitoring import lab, standins
from tests.contract import alertmanager
from tests.framework.boards import RELOAD
from tests.framework.configurations import MOUNTED, prometheus
from tests.framework.http_ask import asking
from tests.framework.rendered import rendered, stack
from tests.framework.server import free_port, serving

from inventory_operator import metrics
from inventory_operator.api.stack import parse
from inventory_operator.verification import excuses
from inventory_operator.verification.dashboards import Dashboards, read_dashboards
from inventory_operator.verification.panel_judge import Judge
from inventory_operator.verification.series_query import ask_series

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.framework.server import Server

    from inventory_operator.api.stack import Spec
    from inventory_operator.verification.excuses import Excuse
    from inventory_operator.verification.panel_judge import Problem
    from inventory_operator.verification.panel_queries import PanelQuery

#: pkg/middleware/request_metrics.go of Grafana 12; no Grafana can be run here.
_GRAFANA = b'grafana_http_request_duration_seconds_count{handler="/",method="GET",status_code="200"} 5\n'
_POD = {"metadata": {"name": "prom-1"}, "status": {}}


@dataclass(frozen=True)
class Checked:
    """A Prometheus, and the spec of the stack that it watches."""

    url: str
    spec: Spec

    @property
    def dashboards(self) -> Dashboards:
        """Return the shipped dashboards."""
        texts = {file.name: file.read_text("utf-8") for file in RELOAD.iterdir()}
        return read_dashboards(texts, self.spec.prometheus.scrape_interval)

    def verdicts(self, queries: Iterable[PanelQuery]) -> dict[PanelQuery, Problem | Excuse | None]:
        """Return what is wrong with each of the queries, or why it may be empty."""
        return asyncio.run(self._verdicts(queries))

    async def _verdicts(self, queries: Iterable[PanelQuery]) -> dict[PanelQuery, Problem | Excuse | None]:
        async with asking(self.url) as ask:
            judge = Judge(self.spec, ask, _POD)
            return {query: await judge.judge(query) for query in queries}

    def holding(self) -> set[str]:
        """Return the names of the excuses of which Prometheus says that they hold."""
        return asyncio.run(self._holding())

    async def _holding(self) -> set[str]:
        async with asking(self.url) as ask:
            found = {one.name: await ask_series(ask, _POD, one.filled("4s")) for one in excuses.ALL if one.query}
        assert not any(result.refused for result in found.values()), found
        return {name for name, result in found.items() if result.found}


@contextmanager
def running_service(folder: Path) -> Iterator[Server]:
    """Run a service that has no products."""
    with serving(folder / "service.log", DATABASE_URL=f"sqlite:///{folder}/inventory.db", AUDIT_SECONDS="0") as server:
        yield server


@contextmanager
def running(folder: Path, service: Server, *, alone: bool, **spec: Any) -> Iterator[Checked]:
    """Run the Prometheus of a stack; `alone` is one without Alertmanager, container metrics and operator."""
    folder.mkdir()
    raw = stack(prometheus={"scrapeInterval": "1s"}, **spec)
    pages = {"/metrics": standins.operator(), "/metrics/cadvisor": standins.containers()}
    port = free_port()
    with ExitStack() as parts:
        parts.callback(metrics.STACK_CONDITIONS.clear)
        others = lab.Target(parts.enter_context(standins.serving(pages)))
        grafana = lab.Target(parts.enter_context(standins.serving({"/metrics": _GRAFANA})))
        targets = {
            "service": [lab.Target(f"127.0.0.1:{service.port}", standins.SERVICE_POD.format(0))],
            "prometheus": [lab.Target(f"127.0.0.1:{port}")],
            "grafana": [grafana],
        }
        alerting = ""
        if not alone:
            told = parts.enter_context(alertmanager.running(rendered(raw), folder / "alertmanager"))
            alerting = told._url.split("/")[2]
            targets |= {"operator": [others], "cadvisor": [others], "alertmanager": [lab.Target(alerting, "am-1")]}
        _configure(folder, raw, targets, alerting)
        parts.enter_context(lab.running(folder, port))
        yield Checked(f"http://127.0.0.1:{port}", parse(raw))


def _configure(folder: Path, raw: dict[str, Any], targets: dict[str, list[lab.Target]], alerting: str) -> None:
    """Write what a stack's Prometheus reads, with these targets; rules are evaluated each second."""
    objects = rendered(raw)
    lab.configure(folder, targets, objects)
    config = yaml.safe_load((folder / "prometheus.yml").read_text())
    config["rule_files"] = [name.replace(MOUNTED, f"{folder}/") for name in prometheus(objects)["rule_files"]]
    if alerting:
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alerting]}]}]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    for file in folder.glob("*.rules.yml"):
        file.write_text(re.sub(r"^(\s+interval: ).+$", r"\g<1>1s", file.read_text(), flags=re.MULTILINE))
