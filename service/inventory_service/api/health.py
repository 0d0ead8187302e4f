"""Health: /api/health for old clients, /livez and /readyz for Kubernetes.

/readyz names the reason why the service is not ready to callers inside of the cluster only.
"""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, jsonify

from inventory_service.background.readiness import ready_reason
from inventory_service.context import came_through_ingress, context
from inventory_service.http.conditional import answer
from inventory_service.http.errors import NOT_NOW, Unavailable
from inventory_service.schemas import answers

blueprint = APIBlueprint("health", __name__, tag="Health")


@blueprint.get("/api/health")
@blueprint.output(answers.Health)
def health() -> Response:
    """Say that the process answers."""
    return answer(answers.Health(message="The inventory service is running."))


@blueprint.get("/livez")
@blueprint.doc(hide=True)
def livez() -> Response:
    """Say that the process answers: a database that is down is no reason to restart it."""
    return jsonify(status="alive")


@blueprint.get("/readyz")
@blueprint.doc(hide=True)
def readyz() -> Response:
    """Say whether requests should come here, and if not, why."""
    reason = ready_reason(context())
    if reason:
        raise Unavailable(NOT_NOW if came_through_ingress() else reason)
    return jsonify(status="ready")
