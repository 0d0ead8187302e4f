"""What every view does at its two ends: learn who asks, and answer with the version that the client may name later.

It never knows what a view is about.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Response, g, request

from inventory_service.context import context
from inventory_service.http.errors import PreconditionNeeded
from inventory_service.inventory.ledger import Origin
from inventory_service.inventory.refusals import StaleVersion

if TYPE_CHECKING:
    from pydantic import BaseModel


def origin(*, replaces: bool = False) -> Origin:
    """Return who asks; a request that replaces what is there may have to say which version it saw.

    Raise PreconditionNeeded where the settings require If-Match of it.
    """
    conditional = "If-Match" in request.headers
    if replaces and not conditional and context().settings.require_if_match:
        raise PreconditionNeeded
    return Origin(g.request_id, g.get("actor"), _client_knows if conditional else None)


def answer(content: BaseModel, status: int = 200, *, version: int | None = None) -> Response:
    """Return `content` as JSON; a version becomes its strong ETag, and may turn the answer into a 304.

    Raise StaleVersion where a request that only reads insists on another version.
    """
    response = Response(content.model_dump_json(), status, content_type="application/json")
    if version is not None:
        response.set_etag(str(version))
        if request.method in {"GET", "HEAD"}:
            response.make_conditional(request)
        if response.status_code == HTTPStatus.PRECONDITION_FAILED:  # which is still the product's own body
            raise StaleVersion
    return response


def _client_knows(version: int) -> bool:
    return request.if_match.contains(str(version))
