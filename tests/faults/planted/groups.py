"""All groups of planted faults by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.planted.alerting import ALERTING
from tests.faults.planted.database import DATABASE
from tests.faults.planted.exposition import EXPOSITION
from tests.faults.planted.grafana import GRAFANA
from tests.faults.planted.pods import PODS
from tests.faults.planted.prometheus import PROMETHEUS

if TYPE_CHECKING:
    from tests.faults.planted.fault import Group

#: Those that take longest first.
GROUPS: dict[str, Group] = {group.name: group for group in (EXPOSITION, PODS, GRAFANA, PROMETHEUS, DATABASE, ALERTING)}
