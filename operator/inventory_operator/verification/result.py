"""What is known of a stack from its checks, and how to take it up again from a status. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inventory_operator.verification.answer import Answer, Outcome, Unready
from inventory_operator.verification.reasons import REASONS
from inventory_operator.verification.targets import Target, Targets
from inventory_operator.verification.words import sentence

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

#: The condition that sums the checks up, and its reasons where they say nothing.
VERIFIED, NOT_CHECKED, NOT_PROBED = "Verified", "NotChecked", "NotProbed"


@dataclass(frozen=True, slots=True)
class Result:
    """What the checks of one stack have answered."""

    #: The generation of the spec that every check has answered for; None where not all of them have.
    generation: int | None = None
    #: In the order of the checks, the last of each.
    answers: tuple[Answer, ...] = ()
    targets: Targets | None = None
    #: Whether pods are asked at all: an operator outside of the cluster does not reach them.
    probed: bool = True
    #: Of a service without a ready pod: why, in its own words.
    unready: Unready | None = None


UNCHECKED = Result()
UNPROBED = Result(probed=False)


def recorded(status: Mapping[str, Any], checks: Collection[str]) -> Result:
    """Return what a status says of these checks, so that an operator that was started again goes on from there.

    Whoever may write a status may write anything into it: what no check could have answered is left out.
    """
    conditions = {one.get("type"): one for one in status.get("conditions", ())}
    verified = conditions.get(VERIFIED, {})
    if verified.get("reason") in {None, NOT_PROBED}:
        return UNCHECKED
    found = {one.get("check"): one for one in status.get("verification", {}).get("checks", ())}
    answers = tuple(_answer(found[name]) for name in checks if name in found and _is_answer(found[name]))
    whole = len(answers) == len(checks) and verified.get("reason") != NOT_CHECKED
    generation = verified.get("observedGeneration") if whole else None
    return Result(generation, answers, _targets(status.get("targets", {})))


def _is_answer(entry: Mapping[str, Any]) -> bool:
    return entry.get("status") in set(Outcome) and entry.get("reason") in REASONS


def _answer(entry: Mapping[str, Any]) -> Answer:
    return Answer(entry["check"], Outcome(entry["status"]), entry["reason"], sentence(str(entry.get("message", ""))))


def _targets(entry: Mapping[str, Any]) -> Targets | None:
    if not {"expected", "up"} <= entry.keys():
        return None
    others = [one for one in entry.get("others", ()) if one.get("reason") in REASONS]
    told = tuple(Target(str(one.get("pod")), one["reason"], sentence(str(one.get("message")))) for one in others)
    return Targets(entry["expected"], entry["up"], told)
