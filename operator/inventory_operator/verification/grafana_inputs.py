"""Collects what the checks of Grafana must know beside the pods: its dashboards as they are mounted, its password."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inventory_operator.api.metadata import names
from inventory_operator.verification.dashboards import Dashboards, read_dashboards
from inventory_operator.verification.grafana_credentials import Credentials, credentials

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from inventory_operator.verification.subject import Object, Subject


@dataclass(slots=True)
class DashboardReader:
    """Reads the dashboards of one stack when their ConfigMap is another; what it holds is not kept, but for queries."""

    _seen: object = None
    _dashboards: Dashboards | None = None

    async def read(self, subject: Subject, get: Callable[[str], Awaitable[Object | None]]) -> Dashboards | None:
        """Return the dashboards; None where there is no ConfigMap. `get` returns the ConfigMap of a name, whole."""
        name, scrape_interval = names(subject.stack).grafana, subject.spec.prometheus.scrape_interval
        known = _child(subject, "ConfigMap", name)
        if known is None:
            return None
        metadata = known["metadata"]
        seen = (metadata["uid"], metadata["resourceVersion"], scrape_interval)
        if seen != self._seen:
            live = await get(name)
            if live is None:
                return None
            self._dashboards = read_dashboards(live.get("data") or {}, scrape_interval)
            self._seen = seen
        return self._dashboards


def administrator(subject: Subject, data: Callable[[str], Mapping[str, str] | None]) -> Credentials | None:
    """Return the administrator's credentials; None where the Secret is missing or not complete.

    `data` returns what a Secret that the spec names holds, in base64.
    """
    given = subject.spec.grafana.admin_secret_name
    if given:
        return credentials(given, data(given))
    name = names(subject.stack).grafana
    generated = _child(subject, "Secret", name)
    return credentials(name, generated.get("data") if generated else None)


def _child(subject: Subject, kind: str, name: str) -> Object | None:
    return next((one for one in subject.of_kind(kind) if one["metadata"]["name"] == name), None)
