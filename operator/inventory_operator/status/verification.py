"""What the checks of a stack answered, as its status tells it: the condition Verified, the checklist, the targets.

Pure, as the status is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inventory_operator.status.parts import Condition
from inventory_operator.verification.answer import Answer, Outcome
from inventory_operator.verification.result import NOT_CHECKED, NOT_PROBED, VERIFIED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inventory_operator.verification.result import Result
    from inventory_operator.verification.targets import Targets

Object = dict[str, Any]
#: Targets that are not up and are told one by one.
MOST_TARGETS = 10


def verified_condition(result: Result, generation: int) -> Condition:
    """Return whether every check that counts is passed; of checks that are not, the first failed one speaks."""
    if not result.probed:
        words = "the operator does not ask the pods of stacks: it runs outside of the cluster, or was told not to"
        return Condition(VERIFIED, "Unknown", NOT_PROBED, words)
    if result.generation != generation:
        words = "the checks have not answered since the last change of the spec"
        return Condition(VERIFIED, "Unknown", NOT_CHECKED, words)
    failed = [one for one in result.answers if one.outcome is Outcome.FAILED]
    if failed:
        return _condition("False", failed)
    unknown = [one for one in result.answers if one.outcome is Outcome.UNKNOWN]
    if unknown:
        return _condition("Unknown", unknown)
    skipped = ", ".join(one.check for one in result.answers if one.outcome is Outcome.SKIPPED)
    words = f"every check is passed; skipped: {skipped}" if skipped else "every check is passed"
    return Condition(VERIFIED, "True", "AllChecksPassed", words)


def _condition(status: str, answers: list[Answer]) -> Condition:
    first, more = answers[0], len(answers) - 1
    words = f"{first.check}: {first.message}"
    return Condition(VERIFIED, status, first.reason, f"{words}; and {more} more" if more else words)


def told(result: Result, previous: Mapping[str, Any], now: str) -> Object:
    """Return the fields of the status; `previous` is the status before, `now` the time of what changes."""
    found: Object = {}
    if result.answers:
        before = {one["check"]: one for one in previous.get("verification", {}).get("checks", ())}
        checks = [_check(one, before.get(one.check, {}), now) for one in result.answers]
        found["verification"] = {"summary": _summary(result.answers), "checks": checks}
    if result.targets:
        found["targets"] = _targets(result.targets)
    return found


def _summary(answers: tuple[Answer, ...]) -> str:
    counted = [one for one in answers if one.outcome is not Outcome.SKIPPED]
    return f"{sum(one.outcome is Outcome.PASSED for one in counted)}/{len(counted)}"


def _check(answer: Answer, before: Mapping[str, str], now: str) -> Object:
    return {
        "check": answer.check,
        "status": answer.outcome.value,
        "reason": answer.reason,
        "message": answer.message,
        "since": before.get("since", now) if before.get("status") == answer.outcome else now,
    }


def _targets(targets: Targets) -> Object:
    others = [{"pod": one.pod, "reason": one.reason, "message": one.message} for one in targets.others[:MOST_TARGETS]]
    if more := len(targets.others) - len(others):
        others[-1]["message"] += f"; and {more} more"
    summary = f"{targets.up}/{targets.expected}"
    return {"summary": summary, "expected": targets.expected, "up": targets.up, "others": others}
