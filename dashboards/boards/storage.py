"""The part of the monitoring dashboard about Prometheus' volume: what is stored, against what may be.

It never knows the sizes: volume and retention are recorded from the spec.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.boards.panels import bars, graph, query, runbook, with_bounds
from dashboards.boards.promql import increase, part, rate, recorded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboards.boards.panels import Panel

VOLUME = recorded("inventory:prometheus_volume:bytes")
BLOCKS, LOG, HEAD = (
    part("prometheus", f"prometheus_tsdb_{kind}_bytes")
    for kind in ("storage_blocks", "wal_storage_size", "head_chunks_storage_size")
)
LIMIT = part("prometheus", "prometheus_tsdb_retention_limit_bytes")
SIZES = {
    "blocks": f"sum({BLOCKS})",
    "write-ahead log": f"sum({LOG})",
    "newest two hours": f"sum({HEAD})",
    "limit": f"max({LIMIT})",
    "volume": f"max({VOLUME})",
}


def volume_used() -> str:
    """Return the share of the volume that is used."""
    return f"(sum({BLOCKS}) + sum({LOG}) + sum({HEAD})) / max({VOLUME})"


def storage() -> Iterator[Panel]:
    """Yield what is stored, and what comes and goes."""
    yield from bounds()
    yield from changes()


def bounds() -> Iterator[Panel]:
    """Yield size and age, beside what the spec says."""
    yield with_bounds(
        graph(
            "Storage against the volume",
            "What Prometheus stores, and the size of its volume; at the limit it deletes the oldest, however young.",
            "bytes",
            [query(expression, name) for name, expression in SIZES.items()],
        ),
        {"limit": "orange", "volume": "red"},
    ).links(runbook("PrometheusStorageFilling", "PrometheusHistoryCut"))
    oldest = part("prometheus", "prometheus_tsdb_lowest_timestamp_seconds")
    yield with_bounds(
        graph(
            "Age of the oldest sample against the retention",
            "How far back the history goes; it grows until it reaches the retention of the spec, and stays there.",
            "s",
            [
                query(f"time() - min({oldest})", "oldest sample"),
                query(f"max({recorded('inventory:prometheus_retention:seconds')})", "retention"),
            ],
        ),
        {"retention": "blue"},
    )


def changes() -> Iterator[Panel]:
    """Yield what comes and goes."""
    appended = part("prometheus", "prometheus_tsdb_head_samples_appended_total")
    yield graph(
        "Samples stored",
        "Samples that are stored each second, from scrapes and from rules.",
        "cps",
        [query(f"sum({rate(appended)})", "samples")],
        12,
    )
    yield bars(
        "Blocks deleted, compactions failed",
        "Blocks that went because of their age, or because of the size limit; and compactions that failed.",
        "none",
        [
            query(f"sum({increase(part('prometheus', f'prometheus_tsdb_{metric}_total'))})", name)
            for metric, name in (
                ("time_retentions", "deleted for their age"),
                ("size_retentions", "deleted for the size"),
                ("compactions_failed", "failed compactions"),
            )
        ],
        12,
    ).links(runbook("PrometheusHistoryCut"))
