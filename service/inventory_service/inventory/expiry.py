"""Deletes the answers kept under expired idempotency keys, in small batches, so that no request waits for it long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import CursorResult, delete, select, tuple_

from inventory_service.db.models import IdempotencyKey

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session


def delete_expired_keys(session: Session, now: datetime, most: int) -> int:
    """Delete at most so many answers that have expired, and return how many."""
    key = tuple_(IdempotencyKey.actor, IdempotencyKey.key)
    expired = select(IdempotencyKey.actor, IdempotencyKey.key).where(IdempotencyKey.expires_at <= now)
    # A key that a request is just using again is left to that request.
    batch = expired.order_by(IdempotencyKey.expires_at).limit(most).with_for_update(skip_locked=True)
    deleted = session.execute(
        delete(IdempotencyKey).where(key.in_(batch)), execution_options={"synchronize_session": False}
    )
    assert isinstance(deleted, CursorResult)
    return deleted.rowcount
