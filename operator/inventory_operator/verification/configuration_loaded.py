"""The check ConfigurationLoaded: Prometheus has taken the configuration that its pod has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inventory_operator.api.metadata import names
from inventory_operator.verification import prometheus
from inventory_operator.verification.answer import Answer, Outcome
from inventory_operator.verification.prometheus import NoAnswerError

if TYPE_CHECKING:
    from inventory_operator.verification.ask import Ask
    from inventory_operator.verification.subject import Subject

CHECK = "ConfigurationLoaded"
#: Of https://prometheus.io/docs/prometheus/latest/querying/api/#runtime-information: what the metric
#: prometheus_config_last_reload_successful says, without the time until it is scraped.
_PATH, _LOADED = "status/runtimeinfo", "reloadConfigSuccess"


async def check(subject: Subject, ask: Ask) -> Answer:
    """Ask Prometheus whether its last reload was one; it tries again every few seconds while it was none."""
    try:
        loaded = (await prometheus.read(subject, ask, _PATH)).get(_LOADED)
    except NoAnswerError as error:
        return error.answer(CHECK)
    if loaded is True:
        return Answer(CHECK, Outcome.PASSED, "ConfigurationLoaded", "Prometheus has loaded its configuration")
    if loaded is not False:
        words = f"Prometheus does not answer /api/v1/{_PATH} as Prometheus does: see spec.prometheus.image"
        return Answer(CHECK, Outcome.UNKNOWN, "PrometheusNotAnswering", words)
    words = (
        "Prometheus refuses its configuration: it goes on with the one before, and would not start again; its log "
        f"names the file and the line; correct ConfigMap {names(subject.stack).prometheus}"
    )
    return Answer(CHECK, Outcome.FAILED, "ConfigurationRefused", words)
