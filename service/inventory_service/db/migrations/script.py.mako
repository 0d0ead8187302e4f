"""${message}.

It never imports the models: they are of today, a migration is of its own day.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand the schema."""
    ${upgrades if upgrades else "raise NotImplementedError"}
