"""Products, and the append-only ledger of their stock.

The tables are written out here: the models are those of today, a migration stays as it was.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables and the triggers that keep the ledger append-only."""
    _create_products()
    _create_stock_movements()
    if op.get_bind().dialect.name == "sqlite":
        _protect_ledger_on_sqlite()
    else:
        _protect_ledger_on_postgresql()


def _create_products() -> None:
    op.create_table(
        "products",
        # autoincrement: the id of a row is never given again, not even on SQLite.
        sa.Column("id", _ID, primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("sku", sa.String(20), nullable=False),
        sa.Column("description", sa.String(1000), nullable=False),
        sa.Column("stock_level", sa.Integer, nullable=False),
        sa.Column("min_stock_threshold", sa.Integer, nullable=False),
        sa.Column("price", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("low_stock_alerts", sa.Integer, nullable=False),
        sa.Column("restock_operations", sa.Integer, nullable=False),
        sa.Column("update_operations", sa.Integer, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("archived_at", _TIME),
        sa.CheckConstraint("stock_level >= 0", name="ck_products_stock_level"),
        sa.CheckConstraint("min_stock_threshold >= 0", name="ck_products_min_stock_threshold"),
        sa.CheckConstraint("price >= 0", name="ck_products_price"),
        sqlite_autoincrement=True,
    )
    active = sa.text("archived_at IS NULL")
    op.create_index(
        "uq_products_active_sku", "products", ["sku"], unique=True, sqlite_where=active, postgresql_where=active
    )


def _create_stock_movements() -> None:
    op.create_table(
        "stock_movements",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("product_id", _ID, sa.ForeignKey("products.id"), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("delta", sa.Integer, nullable=False),
        sa.Column("balance_after", sa.Integer, nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("reference", sa.String(255)),
        sa.Column("actor", sa.String(255)),
        sa.Column("request_id", sa.String(64)),
        sa.Column("at", _TIME, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_stock_movements_product_id", "stock_movements", ["product_id", "id"])
    op.create_index("ix_stock_movements_kind_at", "stock_movements", ["kind", "at"])


def _protect_ledger_on_sqlite() -> None:
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER stock_movements_no_{verb.lower()} BEFORE {verb} ON stock_movements "
            "BEGIN SELECT RAISE(ABORT, 'stock_movements is append-only'); END"
        )


def _protect_ledger_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION stock_movements_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'stock_movements is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER stock_movements_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON stock_movements "
        "FOR EACH STATEMENT EXECUTE FUNCTION stock_movements_append_only()"
    )
