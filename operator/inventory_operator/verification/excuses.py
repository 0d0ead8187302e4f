"""Why a query of a panel may return nothing in a stack where all is well: what the spec says, or what has not happened.

Which panels are allowed which is said where the dashboards are made (`Row.may_be_empty` in dashboards/boards), and
written to may_be_empty.json; which metrics do not exist meanwhile is said here. Pure.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from inventory_operator.api.stack import Spec

#: Written by `python -m dashboards`: uid of a dashboard -> number of a panel -> names of excuses.
FILE: Final = Path(__file__).with_name("may_be_empty.json")
#: What people ask for, as in dashboards/boards/promql.py.
_REQUESTS = 'http_requests_total{job="service", endpoint!~"/livez|/readyz|/metrics|/api/health|<unmatched>"}'
_RATE = f"rate({_REQUESTS}[$__rate_interval])"


@dataclass(frozen=True, slots=True)
class Excuse:
    """One reason why there are no series."""

    name: str
    #: In words, after "because".
    message: str
    #: Metrics that have no series at all while it holds: a regular expression.
    metrics: str = "(?!)"
    #: Whether the spec says that it holds.
    in_spec: Callable[[Spec], bool] = lambda _: False
    #: A query that returns a series while it holds; empty where only the spec tells.
    query: str = ""

    def of_metric(self, metric: str) -> bool:
        """Tell whether a metric has no series while it holds."""
        return re.fullmatch(self.metrics, metric) is not None

    def filled(self, rate_interval: str) -> str:
        """Return the query for a panel with this $__rate_interval."""
        return self.query.replace("$__rate_interval", rate_interval)


ALERTING_OFF: Final = Excuse(
    "AlertingDisabled",
    "spec.alerting.enabled is false",
    metrics="ALERTS|alertmanager_.*|prometheus_notifications_.*|inventory:alertmanager:replicas",
    in_spec=lambda spec: not spec.alerting.enabled,
)
NO_OBJECTIVES: Final = Excuse(
    "NoObjectives",
    "there is no spec.alerting.slo",
    metrics="inventory:slo_.*",
    in_spec=lambda spec: spec.alerting.slo is None,
)
NO_CONTAINER_METRICS: Final = Excuse(
    "ContainerMetricsDisabled",
    "container metrics are off",
    metrics="container_.*",
    in_spec=lambda spec: spec.container_metrics == "none",
    query='absent(up{job="cadvisor"})',
)
OPERATOR_NOT_SCRAPED: Final = Excuse(
    "OperatorNotScraped",
    "Prometheus does not reach the operator",
    metrics="inventory_operator_.*",
    query='absent(up{job="operator"} == 1)',
)
#: Where nobody can look at a dashboard anyway; other checks say why.
GRAFANA_NOT_SCRAPED: Final = Excuse(
    "GrafanaNotScraped",
    "Prometheus does not reach Grafana",
    metrics="grafana_.*",
    query='absent(up{job="grafana"} == 1)',
)
#: An operator that was started again and had nothing to change has not counted a write yet.
NO_WRITES: Final = Excuse(
    "NoWrites",
    "the operator has written nothing since it started",
    metrics="inventory_operator_api_writes_total",
    query='absent(inventory_operator_api_writes_total{job="operator"}) and on () max(up{job="operator"}) == 1',
)
NO_PRODUCTS: Final = Excuse(
    "NoProducts",
    "the service has no products",
    metrics=(
        "product_stock_level|product_low_stock_threshold|inventory:product_.*|"
        "(low_stock_alerts|out_of_stock_alerts|restock_operations|product_operations)_total"
    ),
    query=(
        'absent(product_stock_level{job="service"}) and on () max(inventory_stock_collector_up{job="service"}) == 1'
    ),
)
#: Until there was traffic for three minutes without a gap: rules record once a minute at least.
NO_TRAFFIC: Final = Excuse(
    "NoTraffic",
    "nobody has used the service in the last minutes",
    metrics=(
        "inventory:http_requests_errors:ratio_rate5m|inventory:http_request_duration_seconds:p[0-9]+_5m|"
        "inventory:slo_errors:(rate5m|ratio)|inventory:slo_requests:rate5m"
    ),
    query=(
        f"absent(min_over_time(((sum({_RATE}) or vector(0)) > bool 0)[3m:30s]) > 0 and sum({_RATE}) > 0) "
        'and on () group(http_requests_total{job="service"})'
    ),
)
NO_ERRORS: Final = Excuse(
    "NoErrors",
    "the service has refused and failed no request yet",
    query=(
        'absent(http_requests_total{job="service", status=~"[45].."}) '
        'and on () group(http_requests_total{job="service"})'
    ),
)
ALL: Final = (
    ALERTING_OFF,
    NO_OBJECTIVES,
    NO_CONTAINER_METRICS,
    OPERATOR_NOT_SCRAPED,
    GRAFANA_NOT_SCRAPED,
    NO_WRITES,
    NO_PRODUCTS,
    NO_TRAFFIC,
    NO_ERRORS,
)


def of_metric(metric: str) -> list[Excuse]:
    """Return the excuses of a metric that has no series at all."""
    return [one for one in ALL if one.of_metric(metric)]


def of_panel(uid: str, panel_id: int) -> list[Excuse]:
    """Return the excuses of a panel of a shipped dashboard whose metrics all have series."""
    names = _of_panels().get(uid, {}).get(str(panel_id), ())
    return [one for one in ALL if one.name in names]


@cache
def _of_panels() -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = json.loads(FILE.read_text("utf-8"))
    return found
