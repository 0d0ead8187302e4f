"""The dashboard `inventory-monitoring`: whether Prometheus, Alertmanager and Grafana themselves do their work.

It never shows the service; that is what the overview is for.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from dashboards.boards.board import Frame, Row, render
from dashboards.boards.notifications import notifications
from dashboards.boards.panels import bars, graph, number, query, runbook, thresholds, with_limits, with_words
from dashboards.boards.promql import increase, or_zero, part, rate, recorded, target
from dashboards.boards.storage import storage, volume_used

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboards.boards.board import Rendered
    from dashboards.boards.panels import Panel

FRAME = Frame(
    uid="inventory-monitoring",
    title="Inventory monitoring",
    description="Prometheus, Alertmanager and Grafana of the stack: what they scrape, evaluate, store and send.",
    choices=("namespace", "stack", "job"),
)
GRAFANA_REQUESTS = "grafana_http_request_duration_seconds_count"
LIMITS = {
    "samples": "prometheus_target_scrapes_exceeded_sample_limit_total",
    "size": "prometheus_target_scrapes_exceeded_body_size_limit_total",
    "labels": "prometheus_target_scrape_pool_exceeded_label_limits_total",
    "targets": "prometheus_target_scrape_pool_exceeded_target_limit_total",
}
UP = thresholds((None, "red"), (1, "green"))
NONE_IS_GOOD = thresholds((None, "green"), (1, "red"))
RELOADED = {0: ("refused", "red"), 1: ("loaded", "green")}


def prometheus(metric: str, *only: str) -> str:
    """Return series of Prometheus itself."""
    return part("prometheus", metric, *only)


def now() -> Iterator[Panel]:
    """Yield six numbers that say whether the monitoring can be trusted."""
    yield from reached()
    yield from working()


def reached() -> Iterator[Panel]:
    """Yield what Prometheus does not reach."""
    yield number(
        "Targets down",
        "Targets that Prometheus did not reach at the last scrape.",
        "none",
        f"sum({target('up')} == bool 0)",
        NONE_IS_GOOD,
    ).links(runbook("TargetDown"))
    yield number(
        "Alertmanagers missing",
        "Alertmanagers that the spec asks for and that Prometheus does not reach.",
        "none",
        or_zero(
            f"sum({recorded('inventory:alertmanager:replicas')}) - (sum({part('alertmanager', 'up')}) or vector(0))"
        ),
        NONE_IS_GOOD,
    ).links(runbook("AlertmanagerDown"))
    yield with_words(
        number(
            "Grafana",
            "Whether Prometheus reaches this Grafana.",
            "none",
            f"max({part('grafana', 'up')})",
            UP,
        ),
        {0: ("down", "red"), 1: ("up", "green")},
    ).links(runbook("GrafanaDown"))


def working() -> Iterator[Panel]:
    """Yield whether Prometheus itself is well."""
    yield with_words(
        number(
            "Configuration of Prometheus",
            "Whether Prometheus took its newest configuration; if not, it works on with the one before.",
            "none",
            f"min({prometheus('prometheus_config_last_reload_successful')})",
            UP,
        ),
        RELOADED,
    ).links(runbook("PrometheusConfigReloadFailed"))
    yield number(
        "Rule failures",
        "Evaluations of rules that failed in the last interval.",
        "none",
        or_zero(f"sum({increase(prometheus('prometheus_rule_evaluation_failures_total'))})"),
        NONE_IS_GOOD,
    ).links(runbook("PrometheusRuleFailures"))
    yield number(
        "Volume used",
        "How much of Prometheus' volume its data takes; at 80 % it deletes the oldest.",
        "percentunit",
        volume_used(),
        thresholds((None, "green"), (0.8, "orange"), (0.9, "red")),
    ).links(runbook("PrometheusStorageFilling"))


def scraping() -> Iterator[Panel]:
    """Yield what is scraped, and what it costs."""
    yield graph(
        "Targets reached by job",
        "Targets of each job that Prometheus reaches.",
        "none",
        [query(f"sum by (job) ({target('up')})", "{{job}}")],
        8,
    )
    yield graph(
        "Scrape duration by job",
        "How long the slowest target of each job takes to answer.",
        "s",
        [query(f"max by (job) ({target('scrape_duration_seconds')})", "{{job}}")],
        8,
    )
    yield graph(
        "Series by job",
        "Series that the last scrape of each job gave, after those that nobody needs were dropped.",
        "short",
        [query(f"sum by (job) ({target('scrape_samples_post_metric_relabeling')})", "{{job}}")],
        8,
    )


def sizes() -> Iterator[Panel]:
    """Yield what is too much to scrape, and what is in memory."""
    yield bars(
        "Scrapes over a limit",
        "Scrapes that were dropped for too many samples, labels or targets, or for their size, per interval.",
        "none",
        [query(f"sum({increase(prometheus(metric))})", name) for name, metric in LIMITS.items()],
        12,
    ).links(runbook("PrometheusSampleLimitHit"))
    yield graph(
        "Series in memory",
        "Series that Prometheus has in memory, and how many begin in an hour at the present pace: churn costs memory.",
        "short",
        [
            query(f"sum({prometheus('prometheus_tsdb_head_series')})", "in memory"),
            query(f"3600 * sum({rate(prometheus('prometheus_tsdb_head_series_created_total'))})", "begun in an hour"),
        ],
    )


def rules() -> Iterator[Panel]:
    """Yield how rules are evaluated."""
    took = prometheus("prometheus_rule_group_last_duration_seconds")
    interval = prometheus("prometheus_rule_group_interval_seconds")
    group = 'label_replace(max by (rule_group) ({}), "group", "$1", "rule_group", ".+;(.+)")'
    yield graph(
        "Rule evaluation time by group",
        "How long the last evaluation of each group of rules took.",
        "s",
        [query(group.format(took), "{{group}}")],
        8,
    )
    yield with_limits(
        graph(
            "Share of the interval that rules take",
            "Time that the slowest group took, as a share of its interval: at 100 % evaluations are missed.",
            "percentunit",
            [query(f"max({took} / {interval})", "slowest group")],
            8,
        ),
        thresholds((None, "green"), (0.5, "orange"), (1, "red")),
    )


def failures() -> Iterator[Panel]:
    """Yield what was not evaluated."""
    metrics = "prometheus_rule_evaluation_failures_total", "prometheus_rule_group_iterations_missed_total"
    yield bars(
        "Failed and missed evaluations",
        "Evaluations that failed, and rounds that were left out because the one before still ran, per interval.",
        "none",
        [
            query(or_zero(f"sum({increase(prometheus(metric))})"), name)
            for metric, name in zip(metrics, ("failed", "missed"), strict=True)
        ],
    ).links(runbook("PrometheusRuleFailures"))


def processes() -> Iterator[Panel]:
    """Yield what the programs need, and how fast Prometheus and Grafana answer."""
    jobs = 'job=~"prometheus|alertmanager|grafana"'
    yield graph(
        "Memory by program",
        "Resident memory of Prometheus, each Alertmanager and Grafana.",
        "bytes",
        [query(f"max by (job, instance) ({target('process_resident_memory_bytes', jobs)})", "{{job}} {{instance}}")],
        8,
    )
    slices = 'slice="inner_eval", quantile="0.9"'
    yield graph(
        "Query time (p90)",
        "Nine of ten queries of the last minutes, those of rules among them, were evaluated faster than this.",
        "s",
        [query(f"max({prometheus('prometheus_engine_query_duration_seconds', slices)})", "p90")],
        8,
    )
    yield graph(
        "Requests to Grafana",
        "Requests a second that Grafana answers, by status.",
        "reqps",
        [query(f"sum by (status_code) ({rate(part('grafana', GRAFANA_REQUESTS))})", "{{status_code}}")],
        8,
    )


def monitoring() -> Rendered:
    """Return the dashboard."""
    rows = [
        Row("Now", now()),
        Row("Alerts and notifications", notifications()),
        Row("Scraping", chain(scraping(), sizes())),
        Row("Rules", chain(rules(), failures())),
        Row("Storage", storage()),
        Row("Programs", processes()),
    ]
    return render(FRAME, rows)
