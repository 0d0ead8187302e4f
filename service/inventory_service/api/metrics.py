"""/metrics: the Prometheus exposition, on the inner port only."""

from __future__ import annotations

from flask import Blueprint, Response, request
from prometheus_client.exposition import choose_encoder
from werkzeug.exceptions import NotFound

from inventory_service.context import context

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
def metrics() -> Response:
    """Return the metrics in the format that the scraper prefers."""
    # Decided here, after routing, so that no spelling of the path gets around it.
    if request.environ.get("SERVER_PORT") == str(context().settings.ingress_port):
        raise NotFound
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(context().registry), content_type=content_type)
