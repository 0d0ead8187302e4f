"""What Alembic runs: the migrations, on the connection that `bootstrap.schema` hands over. There is no offline mode."""

from __future__ import annotations

from alembic import context

from inventory_service.db.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
