"""/metrics: the Prometheus exposition. At the ingress's port it is 404."""

from __future__ import annotations

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from inventory_service.context import came_through_ingress, context

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
def metrics() -> Response:
    """Return the metrics in the format that the scraper prefers."""
    if came_through_ingress():
        raise NotFound
    body, content_type = context().exposition.render(request.headers.get("Accept", ""))
    return Response(body, content_type=content_type)
