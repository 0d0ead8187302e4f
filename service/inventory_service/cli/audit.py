"""`audit`: compares the stock with its ledger, once, and reports the differences."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from inventory_service.background import audit
from inventory_service.bootstrap import schema
from inventory_service.cli.output import DONE, FAILED, UNKNOWN, report, write, write_json
from inventory_service.db.database import Database
from inventory_service.db.faults import describe

if TYPE_CHECKING:
    from argparse import Namespace

    from inventory_service.inventory.audit import Findings, ProductDrift
    from inventory_service.settings import Settings


def run(arguments: Namespace, settings: Settings) -> int:
    """Run `audit`; return 0 if nothing was found, 1 if something was, 3 if it can't be told."""
    database = Database(settings.database_url, connections=1)
    try:
        if not schema.is_current(database):
            return report(
                "The database is not prepared for this version; run `python -m inventory_service migrate` first.",
                UNKNOWN,
            )
        findings = audit.run(database)
    except SQLAlchemyError as error:
        return report(f"The ledger can't be audited: {describe(error)}", UNKNOWN)
    finally:
        database.close()
    _show(findings, as_json=arguments.output == "json")
    return FAILED if findings else DONE


def _show(findings: Findings, *, as_json: bool) -> None:
    if as_json:
        products = [asdict(drift) for drift in findings.products]
        write_json({"drift": len(products), "products": products, "reservations": list(findings.reservations)})
        return
    for drift in findings.products:
        write(_sentence(drift))
    for reservation in findings.reservations:
        write(f"Reservation {reservation} holds nothing, or its end contradicts its state.")
    if not findings:
        write("The stock of every product is the sum of its movements.")


def _sentence(drift: ProductDrift) -> str:
    archived = ", deleted" if drift.archived else ""
    balances = ""
    if drift.wrong_balances:
        balances = f"; {drift.wrong_balances} movements have a wrong balance, the first is {drift.first_wrong_movement}"
    return (
        f"Product {drift.product_id} ({drift.sku}{archived}): the stock is {drift.stock_level}, "
        f"its movements add up to {drift.ledger_sum}{balances}."
    )
