"""What Alembic runs: the migrations, on the connection that `schema` hands over.

It never opens a connection itself and has no offline mode.
"""

from __future__ import annotations

from alembic import context

from inventory_service.db.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
