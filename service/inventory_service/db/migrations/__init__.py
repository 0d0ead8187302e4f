"""The Alembic migrations of the service's schema.

A migration only adds to what running older pods use; what no pod uses any more is dropped one version later.
"""
