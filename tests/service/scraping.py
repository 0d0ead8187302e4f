"""Reads /metrics as Prometheus does, in both of its formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask.testing import FlaskClient
    from prometheus_client.metrics_core import Metric

OPENMETRICS = "application/openmetrics-text"

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def families(client: FlaskClient, accept: str = "") -> Iterable[Metric]:
    answer = client.get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.content_type.startswith(accept or "text/plain")
    return list((parse_openmetrics if accept == OPENMETRICS else parse_text)(answer.text))


def scrape(client: FlaskClient, accept: str = "") -> Samples:
    """Return {(name, labels): value}, the labels as a sorted tuple of pairs; no series may come twice."""
    found = [
        ((sample.name, tuple(sorted(sample.labels.items()))), sample.value)
        for family in families(client, accept)
        for sample in family.samples
    ]
    assert len(dict(found)) == len(found)
    return dict(found)


def value(samples: Samples, name: str, **labels: Any) -> float:
    return samples[name, tuple(sorted((label, str(text)) for label, text in labels.items()))]


def business(samples: Samples) -> Samples:
    """Return what is told of products, and must be the same on every replica."""
    ours = ("product_", "low_", "out_of_", "restock_", "inventory_products_")
    return {key: number for key, number in samples.items() if key[0].startswith(ours)}
