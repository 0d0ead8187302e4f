"""/api/restocks: all restocks, page by page, those of deleted products included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiflask import APIBlueprint

from inventory_service.context import context
from inventory_service.http.conditional import answer
from inventory_service.inventory import lists
from inventory_service.inventory.ledger import RESTOCK
from inventory_service.schemas import answers, records, requests
from inventory_service.schemas.records import RestockOut

if TYPE_CHECKING:
    from flask import Response

blueprint = APIBlueprint("restocks", __name__, url_prefix="/api/restocks", tag="Stock")


@blueprint.get("")
@blueprint.input(requests.RestockQuery, location="query", arg_name="query")
@blueprint.output(answers.RestockList)
def list_restocks(query: requests.RestockQuery) -> Response:
    """List the restocks, the newest first.

    In numbered pages, or, where a limit or a cursor is given, page by key.
    """
    wanted = lists.MovementFilter(product_id=query.product_id, kind=RESTOCK)
    with context().database.reading() as session:
        if query.limit or query.cursor:
            page = lists.movements(session, wanted, lists.Window(query.limit or requests.MAX_LIMIT, query.cursor))
            logs = [RestockOut.of(row) for row in page.rows]
            return answer(answers.RestocksPage(restock_logs=logs, next_cursor=page.next_cursor))
        rows, total = lists.numbered(session, wanted, query.page, query.per_page)
    pagination = records.Pagination.of(query, total)
    return answer(answers.RestocksAnswer(restock_logs=[RestockOut.of(row) for row in rows], pagination=pagination))
