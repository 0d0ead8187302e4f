"""The service's next version for tests: the image of this one, and one more migration in a layer of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.framework import derivedimage

from inventory_service.bootstrap import schema

if TYPE_CHECKING:
    from pathlib import Path

    from tests.framework.derivedimage import Archive

REVISION = "9999"
MIGRATION = f'''"""One more column and one more index, as a next version might bring."""

import sqlalchemy as sa
from alembic import op

revision = "{REVISION}"
down_revision = "{{before}}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("products", sa.Column("shelf", sa.String(40), nullable=False, server_default=""))
    op.create_index("products_by_shelf", "products", ["shelf"])
'''
_MIGRATIONS = re.compile(r"(.*/inventory_service/db/migrations/versions)/r\d+_\w+\.py")


def write(source: Path, target: Path, name: str) -> None:
    """Write an archive of an image `name`: all that is in the one image of `source`, and the migration."""
    derivedimage.write(source, target, name, _migration)


def _migration(image: Archive) -> dict[str, bytes]:
    found, _ = image.find(_MIGRATIONS)
    return {f"{found[1]}/r9999_next.py": MIGRATION.format(before=schema.newest()).encode()}
