"""The time as the API server writes it (RFC 3339)."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp() -> str:
    """Return the time in seconds, as `metav1.Time`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp() -> str:
    """Return the time in microseconds, as `metav1.MicroTime`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
