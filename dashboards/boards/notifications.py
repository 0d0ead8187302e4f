"""The part of the monitoring dashboard about alerts: which are on, and whether somebody is told.

It never knows who: receivers are the spec's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.boards.panels import bars, graph, query, runbook
from dashboards.boards.promql import alerts, firing, increase, or_zero, part
from dashboards.boards.tables import Column, Rows, listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboards.boards.panels import Panel

GOOD, FAILED = (part("alertmanager", f"alertmanager_notifications_{kind}total") for kind in ("", "failed_"))
ACTIVE = 'state="active"'


def notifications() -> Iterator[Panel]:
    """Yield alerts, and the way that notifications go."""
    yield from on()
    yield from sent()


def on() -> Iterator[Panel]:
    """Yield the alerts that are on."""
    yield listing(
        "Alerts on now",
        "Alerts that are pending or firing; Watchdog always fires, and shows that alerting works.",
        Rows(
            {"alertname": "Alert", "alertstate": "State", "severity": "Severity", "domain": "Domain"},
            descending=True,
        ),
        Column("Alerts", "none", f"count by (alertname, alertstate, severity, domain) ({alerts()})"),
    )
    yield graph(
        "Alerts firing over time",
        "Alerts that fire, by severity; Watchdog is not counted.",
        "none",
        [query(or_zero(f"count by (severity) ({firing()})", "severity"), "{{severity}}")],
    ).height(10)


def sent() -> Iterator[Panel]:
    """Yield who was told of them."""
    yield bars(
        "Prometheus to Alertmanager",
        "Alerts per interval that Prometheus sent to Alertmanager, failed to send, and gave up.",
        "none",
        [
            query(or_zero(f"sum({increase(part('prometheus', f'prometheus_notifications_{kind}_total'))})"), kind)
            for kind in ("sent", "errors", "dropped")
        ],
    ).links(runbook("PrometheusNotificationsFailing"))
    yield bars(
        "Alertmanager to people",
        "Notifications per interval that Alertmanager sent, and those that failed, by kind of receiver.",
        "none",
        [
            query(or_zero(f"sum by (integration) ({increase(GOOD)}) > 0", "integration"), "{{integration}}"),
            query(or_zero(f"sum by (integration) ({increase(FAILED)}) > 0", "integration"), "{{integration}} failed"),
        ],
    ).links(runbook("AlertmanagerNotificationsFailing"))
    yield graph(
        "Alerts and silences in Alertmanager",
        "Alerts that Alertmanager knows, by state (suppressed: silenced or inhibited), and silences that are active.",
        "none",
        [
            query(f"max by (state) ({part('alertmanager', 'alertmanager_alerts')})", "alerts {{state}}"),
            query(f"max({part('alertmanager', 'alertmanager_silences', ACTIVE)})", "silences active"),
        ],
        8,
    )
