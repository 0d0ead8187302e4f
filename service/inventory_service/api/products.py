"""/api/products: the products, their restocks, and the reports on them, as the contract has them.

A deleted product is archived, and no longer shown here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiflask import APIBlueprint

from inventory_service.context import context
from inventory_service.http.conditional import answer, origin
from inventory_service.http.idempotency import changing
from inventory_service.inventory import lists, products, reports, stock
from inventory_service.inventory.ledger import RESTOCK, Change
from inventory_service.schemas import answers, records, requests
from inventory_service.schemas.records import ProductOut

if TYPE_CHECKING:
    from flask import Response
    from sqlalchemy.orm import Session

blueprint = APIBlueprint("products", __name__, url_prefix="/api/products", tag="Products")


@blueprint.get("")
@blueprint.input(requests.ProductQuery, location="query", arg_name="query")
@blueprint.output(answers.ProductList)
def list_products(query: requests.ProductQuery) -> Response:
    """List products.

    All that match at once, or page by page where a limit is given; `next_cursor` is null on the last page.
    """
    wanted = lists.ProductFilter(query.q, query.low_stock, query.out_of_stock)
    limit = query.limit or (requests.MAX_LIMIT if query.cursor else None)
    with context().database.reading() as session:
        found, total = lists.products(session, wanted, query.sort, lists.Window(limit, query.cursor))
    rows = [ProductOut.of(row) for row in found.rows]
    if limit is None:
        return answer(answers.ProductsAnswer(products=rows, total_count=total))
    return answer(answers.ProductsPage(products=rows, total_count=total, next_cursor=found.next_cursor))


@blueprint.post("")
@blueprint.input(requests.NewProduct, arg_name="body")
@blueprint.output(answers.ProductMessage, status_code=201)
@changing
def create_product(session: Session, body: requests.NewProduct) -> Response:
    """Create a product; its stock opens its ledger."""
    fields = dict(body) | {"min_stock_threshold": context().settings.low_stock_threshold} | body.given()
    product = products.create(session, fields, origin())
    said = answers.ProductMessage(message=f"Product {product.name} was created.", product=ProductOut.of(product))
    return answer(said, 201, version=product.version)


@blueprint.get("/<int:product_id>")
@blueprint.output(answers.ProductAnswer)
@blueprint.doc(responses=[304, 412])
def get_product(product_id: int) -> Response:
    """Show a product; its ETag is its version."""
    with context().database.reading() as session:
        product = stock.get(session, product_id)
    return answer(answers.ProductAnswer(product=ProductOut.of(product)), version=product.version)


@blueprint.put("/<int:product_id>")
@blueprint.input(requests.ProductChange, arg_name="body")
@blueprint.output(answers.ProductMessage)
@blueprint.doc(responses=[412, 428])
def change_product(product_id: int, body: requests.ProductChange) -> Response:
    """Change some fields of a product; a given stock_level is recorded as a count."""
    seen = origin(replaces=True)
    product = context().database.write(lambda session: products.change(session, product_id, body.given(), seen))
    said = answers.ProductMessage(message=f"Product {product.name} was updated.", product=ProductOut.of(product))
    return answer(said, version=product.version)


@blueprint.delete("/<int:product_id>")
@blueprint.output(answers.Message)
@blueprint.doc(responses=[412, 428])
def delete_product(product_id: int) -> Response:
    """Archive a product: it is gone, its SKU is free again, its movements stay."""
    seen = origin(replaces=True)
    context().database.write(lambda session: products.archive(session, product_id, seen))
    return answer(answers.Message(message=f"Product {product_id} was deleted."))


@blueprint.post("/<int:product_id>/restock")
@blueprint.input(requests.Restock, arg_name="body")
@blueprint.output(answers.RestockMessage)
@blueprint.doc(responses=[412])
@changing
def restock_product(session: Session, product_id: int, body: requests.Restock) -> Response:
    """Add to the stock of a product."""
    log = stock.restock(session, product_id, body.quantity, Change(RESTOCK, body.notes), origin())
    said = answers.RestockMessage(
        message=f"Added {body.quantity} to {log.product.name}; the stock is now {log.balance_after}.",
        product=ProductOut.of(log.product),
        restock_log=records.RestockOut.of(log),
    )
    return answer(said, version=log.product.version)


@blueprint.get("/low-stock")
@blueprint.output(answers.LowStockAnswer)
def list_low_stock() -> Response:
    """List the products at or below their threshold."""
    with context().database.reading() as session:
        found = reports.low_stock(session)
    return answer(answers.LowStockAnswer(products=[records.LowStockOut.of(product) for product in found]))


@blueprint.get("/analytics")
@blueprint.output(answers.AnalyticsAnswer)
def get_analytics() -> Response:
    """Show the figures of the whole inventory."""
    with context().database.reading() as session:
        figures = reports.analytics(session)
    return answer(answers.AnalyticsAnswer(analytics=records.AnalyticsOut.of(figures)))
