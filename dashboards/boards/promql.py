"""How the dashboards select series: by the variables of the dashboard, and by the job that a metric comes from.

It never knows what is shown, nor how.
"""

from __future__ import annotations

#: Grafana makes it at least four scrapes long, and as long as a step of the graph.
RATE = "$__rate_interval"
_STACK = 'namespace=~"$namespace", stack=~"$stack"'
#: What people ask for, not what machines ask again and again; recording.rules.yml leaves out the same.
USERS = 'endpoint!~"/livez|/readyz|/metrics|/api/health|<unmatched>"'
#: Some series have neither (an alert on what is absent, the target of a kubelet): they count, too.
_STACK_IF_ANY = 'namespace=~"$namespace|", stack=~"$stack|"'


def service(metric: str, *only: str) -> str:
    """Return the series of the inventory service's pods."""
    return _select(metric, 'job="service", job=~"$job"', _STACK, 'pod=~"$pod"', *only)


def container(metric: str, *only: str) -> str:
    """Return the series that the kubelets have of the stack's containers."""
    return _select(metric, 'job="cadvisor", job=~"$job"', _STACK, 'pod=~"$pod"', *only)


def part(job: str, metric: str, *only: str) -> str:
    """Return the series of another part: prometheus, alertmanager, grafana or operator."""
    return _select(metric, f'job="{job}", job=~"$job"', _STACK, *only)


def target(metric: str, *only: str) -> str:
    """Return what Prometheus itself notes of each scrape, such as `up`."""
    return _select(metric, 'job=~"$job"', _STACK_IF_ANY, *only)


def recorded(metric: str, *only: str) -> str:
    """Return a series that a rule records for the stack as a whole, without a job."""
    return _select(metric, _STACK, *only)


def alerts(*only: str) -> str:
    """Return the alerts that Prometheus evaluates; `alertstate` is pending or firing."""
    return _select("ALERTS", _STACK_IF_ANY, *only)


def firing(*only: str) -> str:
    """Return the alerts that fire; not Watchdog, which always does and has the severity none."""
    return alerts('alertstate="firing"', 'severity!="none"', *only)


def product(metric: str) -> str:
    """Return a gauge of products, each once: every replica exports the same numbers, from the database."""
    return _once(service(metric))


def product_events(metric: str, window: str = RATE) -> str:
    """Return how much a counter of products grew, each once."""
    return _once(f"increase({service(metric)}[{window}])")


def rate(selector: str) -> str:
    """Return how much a counter grows per second."""
    return f"rate({selector}[{RATE}])"


def increase(selector: str) -> str:
    """Return how much a counter grew since the point before."""
    return f"increase({selector}[{RATE}])"


def quantile(share: float, histogram: str, by: str = "") -> str:
    """Return the value that `share` of the observations stay below; `histogram` is a selector of its buckets."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) ({rate(histogram)}))"


def or_zero(expression: str, label: str = "") -> str:
    """Return 0 where there is nothing: a counter of failures may not exist before the first one.

    With a label the 0 has the name "none", for a legend that shows the label.
    """
    zero = f'label_replace(vector(0), "{label}", "none", "", "")' if label else "vector(0)"
    return f"{expression} or on () {zero}"


def share(some: str, all_of_them: str) -> str:
    """Return the share of `some` in `all_of_them`; 0 where there are none at all."""
    return f"{some} / ({all_of_them} > 0) or 0 * {all_of_them}"


def _once(expression: str) -> str:
    return f"max without (pod, instance) ({expression})"


def _select(metric: str, *matchers: str) -> str:
    return f"{metric}{{{', '.join(matchers)}}}"
