"""The advisory locks of PostgreSQL that the pods of a service meet at, each with a number of its own."""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class AdvisoryLock(IntEnum):
    """Any numbers, the same for ever: pods of two versions meet at them during an update."""

    MIGRATION = 5_180_924_713
    AUDIT = 5_180_924_714
    IMPORT = 5_180_924_715
