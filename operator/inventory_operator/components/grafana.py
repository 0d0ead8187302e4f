"""Grafana as a component: its administrator's Secret, and the dashboards of users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inventory_operator.components.component import Component
from inventory_operator.components.references import Reference
from inventory_operator.components.user_files import FileKind, UserFile, files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inventory_operator.api.metadata import Names
    from inventory_operator.api.stack import Spec

NAME = "grafana"
DASHBOARDS = FileKind(
    ".json",
    "InvalidDashboard",
    "dashboard",
    "its uid is taken already: expected one that no other dashboard has, for one would silently replace the other",
)


def _references(spec: Spec, _: Names) -> Iterator[Reference]:
    if spec.grafana.admin_secret_name:
        keys = ("admin-user", "admin-password")
        yield Reference(NAME, spec.grafana.admin_secret_name, keys, "spec.grafana.adminSecretName")


def _user_files(spec: Spec) -> Iterator[UserFile]:
    return files(DASHBOARDS, NAME, "spec.grafana.dashboards", spec.grafana.dashboards)


GRAFANA = Component(
    name=NAME,
    condition="GrafanaAvailable",
    section="spec.grafana",
    storage="spec.grafana.storage",
    port=3000,
    enabled=lambda spec: spec.grafana.enabled,
    host=lambda hosts: hosts.grafana,
    references=_references,
    user_files=_user_files,
)
