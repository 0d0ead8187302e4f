"""Checks that Grafana's own health check of its data source passes, and that it has the stack's dashboards.

After Grafana refused the administrator's password it is not asked again until the password or the pod is another one:
five wrong tries lock the account.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from inventory_operator.api.metadata import names
from inventory_operator.kube.pods import is_ready
from inventory_operator.verification.answer import Answer, Outcome
from inventory_operator.verification.ask import UnansweredError
from inventory_operator.verification.panel_queries import DATASOURCE
from inventory_operator.verification.prometheus import objects
from inventory_operator.verification.words import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from inventory_operator.verification.ask import Ask, Object, Reply
    from inventory_operator.verification.grafana_credentials import Credentials
    from inventory_operator.verification.panel_queries import Dashboard
    from inventory_operator.verification.subject import Subject

CHECK: Final = "GrafanaConnected"
PORT: Final = 3000
#: Seconds from one look at the data source and the dashboards to the next, while nothing changes. Its health is asked
#: for each time.
EVERY_SECONDS: Final = 5 * 60.0
#: Seconds after which a dashboard that Grafana does not have is missing: it reads them after its start, and anew every
#: 10 s (updateIntervalSeconds in templates/grafana/config/restart/dashboard-provider.yaml).
PROVISIONED_SECONDS: Final = 30.0
#: Characters of an address in a message.
_URL: Final = 80
_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 200, 401, 403, 404
#: What Grafana says of a data source that does not answer, and how we say it: its own words have a port that changes.
_CAUSES: Final = (
    ("connection refused", "the connection is refused"),
    ("no such host", "its name can't be resolved"),
    ("server misbehaving", "its name can't be resolved"),
    ("no route to host", "there is no route to it"),
    ("timeout", "it does not answer in time"),
    ("deadline exceeded", "it does not answer in time"),
    ("EOF", "it closes the connection"),
    ("connection reset", "it closes the connection"),
)


class _RefusedError(Exception):
    """Grafana does not take the user and the password."""


class _ForbiddenError(Exception):
    """The user is not an administrator of Grafana."""


@dataclass(slots=True)
class State:
    """What is remembered of one stack's Grafana from round to round."""

    #: Seconds that only ever grow.
    clock: Callable[[], float] = time.monotonic
    #: What was refused, and the uid of the pod that did.
    refused: tuple[Credentials, str] | None = field(default=None, repr=False)
    #: Until when data source and dashboards count as looked at, and of what that is true.
    _seen_until: float = float("-inf")
    _seen: object = field(default=None, repr=False)
    #: Since when a dashboard is missing.
    _missing_since: float | None = None

    def is_due(self, seen: object) -> bool:
        """Tell whether data source and dashboards must be looked at."""
        return seen != self._seen or self.clock() >= self._seen_until

    def looked_at(self, seen: object) -> None:
        """Take in that data source and dashboards are as they should be."""
        self._seen, self._seen_until, self._missing_since = seen, self.clock() + EVERY_SECONDS, None

    def missing_seconds(self) -> float:
        """Return for how long a dashboard has been missing."""
        if self._missing_since is None:
            self._missing_since = self.clock()
        return self.clock() - self._missing_since


async def check(
    subject: Subject, ask: Ask, credentials: Credentials | None, dashboards: Iterable[Dashboard], state: State
) -> Answer:
    """Ask Grafana; `dashboards` are those that every stack has, `credentials` is None where the Secret has none."""
    pod = next((pod for pod in subject.pods("grafana") if is_ready(pod)), None)
    if not subject.spec.grafana.enabled or pod is None or credentials is None:
        return _not_asked(subject, pod)
    name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
    if state.refused == (credentials, uid):
        return _wrong_password(name, credentials)
    state.refused = None
    grafana = _Grafana(ask, pod, credentials, f"http://{names(subject.stack).prometheus}:9090")
    try:
        return await _ask(grafana, tuple(dashboards), state)
    except UnansweredError as error:
        return _failed("GrafanaNotAnswering", f"port {PORT} of pod {name} {error}: read its log")
    except _RefusedError:
        state.refused = (credentials, uid)
        return _wrong_password(name, credentials)
    except _ForbiddenError:
        words = f"the user of Secret {credentials.secret} is not an administrator of Grafana"
        return _failed("AccessDenied", f"{words}: make it one, or name another Secret in spec.grafana.adminSecretName")


def _not_asked(subject: Subject, pod: Object | None) -> Answer:
    if not subject.spec.grafana.enabled:
        return Answer(CHECK, Outcome.SKIPPED, "GrafanaDisabled", "spec.grafana.enabled is false")
    if pod is None:
        return Answer(CHECK, Outcome.UNKNOWN, "GrafanaNotReady", "no pod of Grafana is ready: see GrafanaAvailable")
    words = "the Secret with the administrator's password is not there or not complete: see GrafanaAvailable"
    return Answer(CHECK, Outcome.UNKNOWN, "CredentialsMissing", words)


def _wrong_password(pod: str, credentials: Credentials) -> Answer:
    words = f"Grafana does not take the user and the password of Secret {credentials.secret}"
    return _failed("WrongPassword", f"{words}: delete pod {pod}, which sets that password when it starts")


async def _ask(grafana: _Grafana, dashboards: tuple[Dashboard, ...], state: State) -> Answer:
    problem = await grafana.unhealthy()
    seen = (grafana.credentials, grafana.pod["metadata"]["uid"], dashboards)
    if problem or state.is_due(seen):
        # What is wrong with the data source itself is the cause of its bad health.
        problem = await grafana.changed() or problem
        if problem:
            return problem
        missing = await grafana.missing(dashboards)
        if missing and state.missing_seconds() < PROVISIONED_SECONDS:
            return Answer(CHECK, Outcome.UNKNOWN, "Provisioning", "Grafana has not read all of its dashboards yet")
        if missing:
            words = f'Grafana does not have the dashboard "{quoted(missing.title)}" (uid {quoted(missing.uid)})'
            return _failed("DashboardMissing", f"{words}: read the log of pod {grafana.pod['metadata']['name']}")
        state.looked_at(seen)
    words = f"Grafana's own check of its data source passes, and it has all {len(dashboards)} dashboards"
    return Answer(CHECK, Outcome.PASSED, CHECK, words)


def _failed(reason: str, message: str) -> Answer:
    return Answer(CHECK, Outcome.FAILED, reason, message)


@dataclass(frozen=True, slots=True)
class _Grafana:
    """One Grafana, and where its Prometheus should be."""

    ask: Ask
    pod: Object
    credentials: Credentials
    prometheus: str

    async def unhealthy(self) -> Answer | None:
        """Return why Grafana's own check of the data source does not pass.

        https://grafana.com/docs/grafana/latest/developers/http_api/data_source/#check-data-source-health-by-uid
        """
        reply = await self._get(f"/api/datasources/uid/{DATASOURCE}/health")
        said = reply.json_object()
        if reply.status == _OK and said.get("status") == "OK":
            return None
        told = str(said.get("message", ""))
        unknown = f"Grafana answers with {reply.status}: read its log"
        cause = next((words for part, words in _CAUSES if part in told), unknown)
        return _failed("DatasourceUnhealthy", f"Grafana can't query Prometheus at {self.prometheus}: {cause}")

    async def changed(self) -> Answer | None:
        """Return what of the data source is not as it was provisioned."""
        path = f"/api/datasources/uid/{DATASOURCE}"
        reply = await self._get(path)
        restart = f"delete pod {self.pod['metadata']['name']}, which reads it anew when it starts"
        if reply.status == _NOT_FOUND:
            return _failed("DatasourceMissing", f"Grafana does not have the data source {DATASOURCE}: {restart}")
        if reply.status != _OK:
            raise UnansweredError(f"answered GET {path} with {reply.status}, expected {_OK}")
        source = reply.json_object()
        for name, expected in (("type", "prometheus"), ("url", self.prometheus)):
            value = str(source.get(name, ""))
            if value.rstrip("/") != expected:
                words = f"the data source {DATASOURCE} of Grafana has the {name} {quoted(value, _URL)}"
                return _failed("DatasourceChanged", f"{words}, expected {expected}: {restart}")
        return None

    async def missing(self, dashboards: Iterable[Dashboard]) -> Dashboard | None:
        """Return the first of these dashboards that Grafana does not have.

        https://grafana.com/docs/grafana/latest/developers/http_api/folder_dashboard_search/
        """
        uids = [one.uid for one in dashboards]
        path = "/api/search"
        reply = await self._get(f"{path}?{urlencode({'type': 'dash-db', 'dashboardUIDs': uids}, doseq=True)}")
        if reply.status != _OK:
            raise UnansweredError(f"answered GET {path} with {reply.status}, expected {_OK}")
        there = {one.get("uid") for one in objects(reply.json())}
        return next((one for one in dashboards if one.uid not in there), None)

    async def _get(self, path: str) -> Reply:
        reply = await self.ask(self.pod, PORT, path, authorization=self.credentials.authorization)
        if reply.status == _UNAUTHORIZED:
            raise _RefusedError
        if reply.status == _FORBIDDEN:
            raise _ForbiddenError
        return reply
