"""The Alembic migrations of the service's schema.

They only ever expand what running older pods use; what nobody uses any more is dropped one version later.
"""
