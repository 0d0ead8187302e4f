"""The checks in their order, with what each of them needs: a check is a module and an entry here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inventory_operator.verification import (
    alerts_delivered,
    business_metrics,
    configuration_loaded,
    container_metrics,
    dashboards_live,
    grafana_connected,
    history_stored,
    metrics_exposed,
    service_scraped,
)
from inventory_operator.verification.grafana_inputs import DashboardReader, administrator

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from inventory_operator.settings import Settings
    from inventory_operator.verification.answer import Answer, Unready
    from inventory_operator.verification.ask import Ask
    from inventory_operator.verification.network_policies import Policies
    from inventory_operator.verification.subject import Object, Subject
    from inventory_operator.verification.targets import Targets

#: Seconds between two turns of what costs more, or changes less often, than each round.
_OFTEN, _SELDOM = 25.0, 55.0


@dataclass(slots=True)
class Memory:
    """What the checks of one stack remember from round to round."""

    stock: business_metrics.Stock = field(default_factory=business_metrics.Stock)
    history: history_stored.History = field(default_factory=history_stored.History)
    dashboards: DashboardReader = field(default_factory=DashboardReader)
    grafana: grafana_connected.State = field(default_factory=grafana_connected.State)
    panels: dashboards_live.State = field(default_factory=dashboards_live.State)


async def _no_config_map(_: str) -> Object | None:
    return None


@dataclass(slots=True)
class Round:
    """Everything that the checks of one stack may look at, and what they find beside their answers."""

    subject: Subject
    ask: Ask
    #: RFC 3339, and seconds that only ever grow.
    now: str
    at: float
    settings: Settings
    policies: Policies | None = None
    #: Return a ConfigMap of the stack's namespace, and the data of a Secret that its spec names, in base64.
    config_map: Callable[[str], Awaitable[Object | None]] = _no_config_map
    secret: Callable[[str], Mapping[str, str] | None] = lambda _: None
    memory: Memory = field(default_factory=Memory)
    targets: Targets | None = None
    unready: Unready | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One check."""

    name: str
    #: The components whose pods it asks: while these are being replaced it may fail.
    parts: tuple[str, ...]
    #: How often it is asked while it passes and nothing changes; 0 for each round.
    every_seconds: float
    run: Callable[[Round], Awaitable[Answer]]
    #: Whether it asks with a password, which the API server does not pass on to a pod.
    password: bool = False


async def _metrics_exposed(of: Round) -> Answer:
    of.unready = await metrics_exposed.unready(of.subject, of.ask)
    return await metrics_exposed.check(of.subject, of.ask)


async def _service_scraped(of: Round) -> Answer:
    answer, of.targets = await service_scraped.check(of.subject, of.ask, of.now, of.policies)
    return answer


async def _grafana_connected(of: Round) -> Answer:
    dashboards = await of.memory.dashboards.read(of.subject, of.config_map)
    login, shipped = administrator(of.subject, of.secret), dashboards.shipped if dashboards else ()
    return await grafana_connected.check(of.subject, of.ask, login, shipped, of.memory.grafana)


async def _dashboards_live(of: Round) -> Answer:
    dashboards = await of.memory.dashboards.read(of.subject, of.config_map)
    return await dashboards_live.check(of.subject, of.ask, dashboards, of.memory.panels)


CHECKS = (
    Check(metrics_exposed.CHECK, ("service",), 0, _metrics_exposed),
    Check(service_scraped.CHECK, ("service", "prometheus"), 0, _service_scraped),
    Check(configuration_loaded.CHECK, ("prometheus",), 0, lambda of: configuration_loaded.check(of.subject, of.ask)),
    # These two know by themselves what of theirs is due.
    Check(grafana_connected.CHECK, ("grafana", "prometheus"), 0, _grafana_connected, password=True),
    Check(dashboards_live.CHECK, ("service", "prometheus", "alertmanager", "grafana"), 0, _dashboards_live),
    Check(
        business_metrics.CHECK,
        ("service", "prometheus"),
        _OFTEN,
        lambda of: business_metrics.check(of.subject, of.ask, of.memory.stock, of.at),
    ),
    Check(
        container_metrics.CHECK,
        container_metrics.COMPONENTS,
        _SELDOM,
        lambda of: container_metrics.check(of.subject, of.ask, of.settings, of.now),
    ),
    Check(
        history_stored.CHECK,
        ("prometheus",),
        0,
        lambda of: history_stored.check(of.subject, of.ask, of.memory.history, of.now),
    ),
    Check(
        alerts_delivered.CHECK,
        ("alertmanager", "prometheus"),
        0,
        lambda of: alerts_delivered.check(of.subject, of.ask, of.now),
    ),
)
