"""Reservations, idempotency keys, API tokens, and what a movement tells of alerts and of what it compensates.

Pods of 0001 go on working: every new column has a default or may be null.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add columns and tables; nothing that is there changes its meaning."""
    _extend_products()
    _extend_stock_movements()
    _create_reservations()
    _create_idempotency_keys()
    _create_api_tokens()


def _extend_products() -> None:
    op.add_column("products", sa.Column("out_of_stock_alerts", sa.Integer, nullable=False, server_default="0"))
    op.add_column("products", sa.Column("low_stock_since", _TIME))
    op.execute("UPDATE products SET low_stock_since = updated_at WHERE stock_level <= min_stock_threshold")
    op.create_index("ix_products_name", "products", ["name", "id"])
    op.create_index("ix_products_updated_at", "products", ["updated_at", "id"])
    low = sa.text("archived_at IS NULL AND stock_level <= min_stock_threshold")
    op.create_index("ix_products_low_stock", "products", ["stock_level", "id"], sqlite_where=low, postgresql_where=low)


def _extend_stock_movements() -> None:
    # Alembic would add the foreign key in a statement of its own, which SQLite doesn't know.
    kind = _ID.compile(op.get_bind().dialect)
    op.execute(f"ALTER TABLE stock_movements ADD COLUMN reverses {kind} REFERENCES stock_movements (id)")
    for alert in ("low_stock_alert", "out_of_stock_alert"):
        op.add_column("stock_movements", sa.Column(alert, sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("uq_stock_movements_reverses", "stock_movements", ["reverses"], unique=True)


def _create_reservations() -> None:
    op.create_table(
        "reservations",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reference", sa.String(255)),
        sa.Column("actor", sa.String(255)),
        sa.Column("request_id", sa.String(64)),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_reservations_state_expires_at", "reservations", ["state", "expires_at"])
    op.create_table(
        "reservation_lines",
        sa.Column("reservation_id", _ID, sa.ForeignKey("reservations.id"), primary_key=True),
        sa.Column("product_id", _ID, sa.ForeignKey("products.id"), primary_key=True),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.CheckConstraint("quantity > 0", name="ck_reservation_lines_quantity"),
    )
    op.create_index("ix_reservation_lines_product_id", "reservation_lines", ["product_id"])


def _create_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("actor", sa.String(255), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("content_type", sa.String(100), nullable=False),
        sa.Column("etag", sa.String(64)),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"])


def _create_api_tokens() -> None:
    op.create_table(
        "api_tokens",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("scope", sa.String(10), nullable=False),
        sa.Column("source", sa.String(10), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME),
        sa.Column("revoked_at", _TIME),
        sa.Column("last_used_at", _TIME),
        sqlite_autoincrement=True,
    )
    active = sa.text("revoked_at IS NULL")
    op.create_index(
        "uq_api_tokens_active_name", "api_tokens", ["name"], unique=True, sqlite_where=active, postgresql_where=active
    )
    op.create_index("uq_api_tokens_digest", "api_tokens", ["digest"], unique=True)
