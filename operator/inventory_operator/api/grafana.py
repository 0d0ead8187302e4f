"""The part of a stack's spec that is about Grafana."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from inventory_operator.api.markers import Doc, NotStored
from inventory_operator.api.placement import Placement, placement_of
from inventory_operator.api.references import UserFiles
from inventory_operator.api.resources import (
    RESOURCES_EXAMPLE,
    Model,
    Resources,
    Storage,
    resources,
    with_defaults,
)
from inventory_operator.api.strings import Image, ObjectName

GRAFANA_IMAGE = "docker.io/grafana/grafana:12.3.0"

_RESOURCES = resources(requests=("100m", "128Mi"), limits=("500m", "512Mi"))


class Grafana(Model):
    """The Grafana of the stack."""

    enabled: Annotated[
        bool, Doc("Whether the stack has a Grafana. Its volume is kept when it is switched off.", example=False)
    ] = True
    image: Annotated[Image, Doc(f"Image of Grafana. Without it: {GRAFANA_IMAGE}.", GRAFANA_IMAGE), NotStored()] = (
        GRAFANA_IMAGE
    )
    storage: Annotated[
        Storage, Doc("The volume of Grafana (users, preferences).", {"size": "2Gi", "storageClassName": "fast"})
    ] = Storage()
    admin_secret_name: Annotated[
        ObjectName | None,
        Doc(
            "A Secret in the stack's namespace with the keys admin-user and admin-password. When left out, the "
            "operator generates one.",
            "shop-grafana-login",
        ),
    ] = None
    resources: Annotated[
        Resources,
        with_defaults(_RESOURCES),
        Doc("CPU and memory of Grafana. What is left out keeps its default.", RESOURCES_EXAMPLE),
    ] = _RESOURCES
    placement: Annotated[Placement, placement_of("the pods of Grafana"), NotStored()] = Placement()
    dashboards: Annotated[
        UserFiles,
        Doc(
            "Your own dashboards, each a JSON model as Grafana exports it (the classic one, with a uid of its own). "
            "One that is no such model is named in the status, and its last good version stays in use.",
            [{"name": "team-dashboards", "key": "orders.json"}],
        ),
    ] = Field((), strict=False)
