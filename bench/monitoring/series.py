"""How many series a stack makes and what they cost its Prometheus: memory, bytes on disk, time of the rules.

It never guesses: each number is read from a Prometheus that scraped a real service.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from bench.monitoring.lab import rendered_for, wait_until
from bench.monitoring.stack import running_stack
from tests.framework.rendered import one

from devcluster import traffic
from inventory_operator.api.quantities import quantity_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.monitoring.lab import Prometheus

SIZES: Final = (10, 1_000, 10_000)
REPLICAS: Final = (1, 5)
_RULES: Final = "inventory:.*|ALERTS.*"
#: part -> its series
PARTS: Final = {
    "requests": f'{{job="service", product_id="", __name__!~"{_RULES}"}}',
    "products": f'{{job="service", product_id!="", __name__!~"{_RULES}"}}',
    "recorded": '{__name__=~"inventory:.*"}',
    "prometheus": f'{{job="prometheus", __name__!~"{_RULES}"}}',
    "alertmanager": f'{{job="alertmanager", __name__!~"{_RULES}"}}',
    "operator": f'{{job="operator", __name__!~"{_RULES}"}}',
    "cadvisor": f'{{job="cadvisor", __name__!~"{_RULES}"}}',
}
#: So many scrapes of each pod; every rule was evaluated a few times by then.
_SCRAPES: Final = 3
#: Scraped twice as often as by default, so that it takes half the time; many series as often as they really are.
_MANY: Final = 20_000
#: Seconds between two evaluations of most rule groups: forecasts and long windows are evaluated less often.
_OFTEN: Final = 15
#: A chunk of the storage holds 120 samples: more than that, so that most are written as they stay.
_DENSE_SAMPLES: Final = 130


@dataclass(frozen=True, slots=True)
class Group:
    """A rule group: seconds of its median evaluation, and seconds from one to the next."""

    seconds: float
    interval: float

    @property
    def share(self) -> float:
        """Return how much of its interval it takes."""
        return self.seconds / self.interval


@dataclass(frozen=True, slots=True)
class Series:
    """One size of a stack: series by part, the longest scrape of the service, memory, index, rule groups."""

    products: int
    replicas: int
    parts: Mapping[str, int]
    total: int
    #: Samples of one scrape of one pod, and what the configuration allows.
    samples: int
    sample_limit: int
    memory_mb: float
    memory_limit_mb: float
    #: Bytes of the index of a block for one series: names and labels.
    index_bytes: float
    groups: Mapping[str, Group]


@dataclass(frozen=True, slots=True)
class Density:
    """Bytes of one sample on disk, from real scrapes; `part` is what was stored."""

    products: int
    series: int
    samples: int
    bytes_per_sample: float


def measure(folder: Path) -> list[Series]:
    """Return the series of each size and number of replicas."""
    return [_measure(folder / f"{size}-{pods}", size, pods) for size in SIZES for pods in REPLICAS]


def _measure(folder: Path, products: int, replicas: int) -> Series:
    interval = "10s" if products * replicas >= _MANY // 2 else "5s"
    with running_stack(folder, products, replicas, interval=interval) as (prometheus, server):
        for path in ("/api/products/1", "/api/products/low-stock", "/api/products/analytics", "/nowhere"):
            server.get(path)
        prometheus.wait(f'min(count_over_time(up{{job="service"}}[10m])) >= {_SCRAPES}', "scrapes of the service")
        _await_rules(prometheus)
        parts = {name: int(prometheus.value(f"count({selector})")) for name, selector in PARTS.items()}
        limits = prometheus.values('scrape_sample_limit{job="service"}')
        memory = prometheus.memory()
        block = _block(prometheus.snapshot())
        return Series(
            products,
            replicas,
            parts,
            total=int(prometheus.value("prometheus_tsdb_head_series")),
            samples=int(prometheus.value('max(scrape_samples_post_metric_relabeling{job="service"})')),
            sample_limit=int(max(limits.values(), default=0)) or _sample_limit(prometheus),
            memory_mb=memory,
            memory_limit_mb=_memory_limit(),
            index_bytes=block["index"] / block["series"],
            groups=rule_groups(prometheus),
        )


def density(folder: Path) -> Density:
    """Return the bytes of a sample on disk: scraped each second while people use the service."""
    products = SIZES[1]
    with running_stack(folder / "density", products, 1, interval="1s") as (prometheus, server):
        began = time.monotonic()
        while time.monotonic() - began < _DENSE_SAMPLES:
            traffic.send(server.url, 5)
        block = _block(prometheus.snapshot())
    return Density(products, block["series"], block["samples"], block["chunks"] / block["samples"])


def _await_rules(prometheus: Prometheus) -> None:
    """Return when each rule group that is evaluated often has seen what is scraped now."""
    now = datetime.now(UTC)

    def seen() -> bool:
        often = [it for it in prometheus.get("rules")["groups"] if it["interval"] <= _OFTEN]
        return all(datetime.fromisoformat(it["lastEvaluation"]) > now for it in often)

    wait_until(seen, "the rules to be evaluated")


def rule_groups(prometheus: Prometheus) -> dict[str, Group]:
    """Return the rule groups that were evaluated; their times are its own, not those of a made-up history."""
    own = f'instance="{prometheus.url.removeprefix("http://")}"'
    median = f"quantile_over_time(0.5, (prometheus_rule_group_last_duration_seconds{{{own}}} > 0)[2m:1s])"
    found = prometheus.values(median, "rule_group")
    every = {it["name"]: float(it["interval"]) for it in prometheus.get("rules")["groups"]}
    times = {group.rpartition(";")[2]: value for (group,), value in sorted(found.items())}
    return {name: Group(value, every[name]) for name, value in times.items() if name in every}


def _block(snapshot: Path) -> dict[str, int]:
    """Return series, samples and bytes of what a snapshot holds."""
    result = {"series": 0, "samples": 0, "index": 0, "chunks": 0}
    for meta in snapshot.glob("*/meta.json"):
        stats = json.loads(meta.read_text("utf-8"))["stats"]
        result["series"] += stats["numSeries"]
        result["samples"] += stats["numSamples"]
        result["index"] += (meta.parent / "index").stat().st_size
        result["chunks"] += sum(file.stat().st_size for file in (meta.parent / "chunks").iterdir())
    return result


def _sample_limit(prometheus: Prometheus) -> int:
    import yaml

    config = yaml.safe_load((prometheus.folder / "prometheus.yml").read_text("utf-8"))
    return next(int(job["sample_limit"]) for job in config["scrape_configs"] if job["job_name"] == "service")


def _memory_limit() -> float:
    """Return what the operator gives Prometheus where a spec says nothing, in MB."""
    pod = one(rendered_for("shop", "shop"), "Deployment", "shop-prometheus")["spec"]["template"]["spec"]
    return quantity_bytes(pod["containers"][0]["resources"]["limits"]["memory"]) / 1e6
