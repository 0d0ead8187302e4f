"""On SQLite: no line of the ledger can be replaced, for REPLACE deletes without asking the triggers of 0001.

Pods of 0002 go on working: they insert lines with new ids, and undo a movement once.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a trigger against a line with the id, or the `reverses`, of another one; PostgreSQL has no REPLACE."""
    if op.get_bind().dialect.name == "sqlite":
        # Where no id is given, that of NEW is -1 before the row is inserted: no line has it.
        op.execute(
            "CREATE TRIGGER stock_movements_no_replace BEFORE INSERT ON stock_movements "
            "WHEN EXISTS (SELECT 1 FROM stock_movements WHERE id = NEW.id OR reverses = NEW.reverses) "
            "BEGIN SELECT RAISE(ABORT, 'stock_movements is append-only'); END"
        )
