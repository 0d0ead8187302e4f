"""The dashboards of a stack as its ConfigMap has them: ours, then those of users. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from inventory_operator.api.metadata import USER_FILE
from inventory_operator.verification.panel_queries import Dashboard, PanelQuery, read, read_shipped
from inventory_operator.verification.panel_times import PanelError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENDING = ".json"
#: Queries of all dashboards of users together.
MOST_OF_USERS: Final = 300


@dataclass(frozen=True, slots=True)
class Dashboards:
    """What is looked at of all dashboards of a stack."""

    #: Those that every stack has, by their files' names.
    shipped: tuple[Dashboard, ...]
    #: Of all dashboards, ours first.
    queries: tuple[PanelQuery, ...]
    #: Keys of the ConfigMap where one of ours should be, and none is.
    unreadable: tuple[str, ...] = ()


def read_dashboards(data: Mapping[str, str], scrape_interval: str) -> Dashboards:
    """Return the dashboards in the `data` of Grafana's ConfigMap, for `spec.prometheus.scrapeInterval`."""
    found: dict[bool, list[Dashboard]] = {True: [], False: []}
    unreadable = []
    for key in sorted(key for key in data if key.endswith(_ENDING)):
        shipped = not key.startswith(USER_FILE)
        try:
            text = data[key]
            one = read_shipped(text, scrape_interval) if shipped else read(text, scrape_interval, shipped=False)
            found[shipped].append(one)
        except PanelError:
            # What Grafana makes of a user's, the user sees there.
            unreadable += [key] if shipped else []
    of_users = islice(chain.from_iterable(one.queries for one in found[False]), MOST_OF_USERS)
    ours = chain.from_iterable(one.queries for one in found[True])
    return Dashboards(tuple(found[True]), (*ours, *of_users), tuple(unreadable))
