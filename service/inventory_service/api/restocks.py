"""/api/restocks: all restocks, page by page.

It never leaves out those of products that are gone.
"""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from inventory_service import schemas
from inventory_service.context import context
from inventory_service.store import lists

blueprint = Blueprint("restocks", __name__, url_prefix="/api/restocks")


@blueprint.get("")
def list_restocks() -> Response:
    """Return one page of the restocks, the newest first."""
    page = schemas.page_of_query()
    with context().database.reading() as session:
        logs, total = lists.restocks(session, page.page, page.per_page)
    return jsonify(
        success=True,
        restock_logs=[schemas.restock_json(log) for log in logs],
        pagination=schemas.pagination_json(page, total),
    )
