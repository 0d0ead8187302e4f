"""Conditional requests: reads If-Match, and answers with ETags and 304."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Response, g, request
from werkzeug.http import parse_etags

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
    return Origin(g.request_id, g.get("actor"), _matches if conditional else None)


def answer(content: BaseModel, status: int = 200, *, version: int | None = None) -> Response:
    """Return `content` as JSON; a version becomes its strong ETag, and may turn the answer into a 304.

    Raise StaleVersion where a request that only reads insists on another version.
    """
    response = Response(content.model_dump_json(), status, content_type="application/json")
    if version is not None:
        response.set_etag(str(version))
        if request.method in {"GET", "HEAD"}:
            if_match = request.headers.get("If-Match")
            response.make_conditional({**request.environ, "HTTP_IF_MATCH": _strong(if_match)} if if_match else request)
        if response.status_code == HTTPStatus.PRECONDITION_FAILED:  # which is still the product's own body
            raise StaleVersion
    return response


def _matches(version: int) -> bool:
    return request.if_match.contains_weak(str(version))


def _strong(if_match: str) -> str:
    """Return If-Match with weak ETags as strong ones: a proxy that compresses answers weakens ours (RFC 9110, 8.8.3.3).

    A version is the whole content of a product, so that a weakened ETag still names exactly one. Any version will do
    where If-Match is `*`.
    """
    etags = parse_etags(if_match)
    return "" if etags.star_tag else ", ".join(f'"{etag}"' for etag in etags.as_set(include_weak=True)) or if_match
