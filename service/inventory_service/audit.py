"""The self-audit: tells whether the stock still equals the sum of its ledger.

It never mends anything: which of the two is wrong is for a person to find out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(slots=True)
class LastAudit:
    """What the last finished audit of this process found; plain attributes, read by the metrics at each scrape."""

    #: Products whose stock and ledger disagree; None until an audit finished (for ever, with AUDIT_SECONDS=0).
    drift: int | None = None
    finished_at: datetime | None = None
