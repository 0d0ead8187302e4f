"""What a check answers, in words for programs and in one sentence for people. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What became of a check."""

    PASSED = "Passed"
    FAILED = "Failed"
    #: It does not apply, or it is too early for it: not counted.
    SKIPPED = "Skipped"
    #: It could not be found out.
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one check."""

    #: The name of the check: "MetricsExposed".
    check: str
    outcome: Outcome
    #: Why, in one word for programs: "MetricMissing"; docs/status.md has them.
    reason: str
    #: Why, in one sentence for people, which says the same as long as nothing changes.
    message: str


@dataclass(frozen=True, slots=True)
class Unready:
    """What a pod that runs and is not ready says of itself: a tenant's words, short and on one line."""

    pod: str
    said: str
