"""/api/products: the products, their restocks, and the reports on them.

It never shows a product that was deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, g, jsonify, request

from inventory_service import schemas
from inventory_service.context import context
from inventory_service.store import products, reports, stock
from inventory_service.store.ledger import RESTOCK, Change, Origin

if TYPE_CHECKING:
    from inventory_service.models import Product

blueprint = Blueprint("products", __name__, url_prefix="/api/products")


@blueprint.get("")
def list_products() -> Response:
    """Return all products."""
    with context().database.reading() as session:
        found = products.all_products(session)
    return jsonify(success=True, products=[schemas.product_json(each) for each in found], total_count=len(found))


@blueprint.post("")
def create_product() -> tuple[Response, int]:
    """Create a product."""
    body = schemas.body_of(schemas.NewProduct)
    fields = dict(body) | {"min_stock_threshold": context().settings.low_stock_threshold} | body.given()
    with context().database.writing() as session:
        product = products.create(session, fields, _origin())
    return _with_etag(product, success=True, message=f"Product {product.name} was created."), 201


@blueprint.get("/<int:product_id>")
def get_product(product_id: int) -> Response:
    """Return one product."""
    with context().database.reading() as session:
        product = stock.get(session, product_id)
    return _with_etag(product, success=True)


@blueprint.put("/<int:product_id>")
def change_product(product_id: int) -> Response:
    """Change some fields of a product; a given stock_level is a count. Honours If-Match."""
    body = schemas.body_of(schemas.ProductChange)
    with context().database.writing() as session:
        product = products.change(session, product_id, body.given(), _origin())
    return _with_etag(product, success=True, message=f"Product {product.name} was updated.")


@blueprint.delete("/<int:product_id>")
def delete_product(product_id: int) -> Response:
    """Archive a product."""
    with context().database.writing() as session:
        products.archive(session, product_id, _origin())
    return jsonify(success=True, message=f"Product {product_id} was deleted.")


@blueprint.post("/<int:product_id>/restock")
def restock_product(product_id: int) -> Response:
    """Add to the stock of a product."""
    body = schemas.body_of(schemas.Restock)
    with context().database.writing() as session:
        log = stock.restock(session, product_id, body.quantity, Change(RESTOCK, body.notes), _origin())
    message = f"Added {body.quantity} to {log.product.name}; the stock is now {log.balance_after}."
    return _with_etag(log.product, success=True, message=message, restock_log=schemas.restock_json(log))


@blueprint.get("/low-stock")
def list_low_stock() -> Response:
    """Return the products at or below their threshold."""
    with context().database.reading() as session:
        found = reports.low_stock(session)
    return jsonify(success=True, products=[schemas.low_stock_json(product) for product in found])


@blueprint.get("/analytics")
def get_analytics() -> Response:
    """Return the figures of the whole inventory."""
    with context().database.reading() as session:
        figures = reports.analytics(session)
    return jsonify(success=True, analytics=schemas.analytics_json(figures))


def _origin() -> Origin:
    return Origin(request_id=g.request_id, actor=g.get("actor"), knows=_client_knows)


def _client_knows(version: int) -> bool:
    """Tell whether the client sent no If-Match, or one that names this version."""
    return "If-Match" not in request.headers or request.if_match.contains(str(version))


def _with_etag(product: Product, **fields: Any) -> Response:
    response = jsonify(**fields, product=schemas.product_json(product))
    response.set_etag(str(product.version))
    return response
