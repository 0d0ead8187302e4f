"""What becomes of the answers of one stack's rounds: a bad one counts once it was confirmed, a good one at once.

While pods of a part are being replaced, what asks them may fail: its last answer stays for a while. Pure but for what
it remembers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inventory_operator.kube.pods import is_complete
from inventory_operator.verification.answer import Answer, Outcome
from inventory_operator.verification.result import UNCHECKED, Result
from inventory_operator.verification.service_scraped import CHECK as SERVICE_SCRAPED
from inventory_operator.verification.targets import NOT_SCRAPED_YET

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from inventory_operator.verification.answer import Unready
    from inventory_operator.verification.checklist import Check
    from inventory_operator.verification.subject import Subject
    from inventory_operator.verification.targets import Targets

Object = dict[str, Any]
#: Rounds in a row in which a check is not passed before that is said.
ROUNDS = 2
#: How long the last answers stay while pods are being replaced. A Prometheus that is restarted takes half a minute.
REPLACED_SECONDS = 60.0
GOOD = frozenset({Outcome.PASSED, Outcome.SKIPPED})


@dataclass(slots=True)
class Progress:
    """The rounds of one stack so far; times are in seconds and only ever grow."""

    result: Result = UNCHECKED
    #: The names of the checks, as the status has them one after the other.
    order: Sequence[str] = ()
    #: By check: in how many rounds in a row it was not passed.
    _bad: dict[str, int] = field(default_factory=dict)
    #: By component: since when its pods are being replaced.
    _since: dict[str, float] = field(default_factory=dict)

    @property
    def unsure(self) -> bool:
        """Whether an answer waits to be confirmed."""
        return bool(self._bad)

    @property
    def good(self) -> bool:
        """Whether every check is passed, or does not count."""
        return not self.unsure and all(one.outcome in GOOD for one in self.result.answers)

    def look(self, subject: Subject, components: Iterable[str], now: float) -> None:
        """Take in which components have pods that are being replaced."""
        for name in components:
            if all(map(is_settled, subject.deployments(name))):
                self._since.pop(name, None)
            else:
                self._since.setdefault(name, now)

    def take(
        self,
        generation: int,
        answers: Sequence[tuple[Check, Answer]],
        targets: Targets | None,
        now: float,
        unready: Unready | None = None,
    ) -> bool:
        """Take in the answers of a round, of those checks that were asked; returns whether the result is another.

        `targets` is what the check ServiceScraped found beside its answer, `unready` what MetricsExposed did.
        """
        before = self.result
        known = {one.check: one for one in before.answers}
        counted = [check.name for check, answer in answers if self._counts(check, answer, known.get(check.name), now)]
        known |= {answer.check: answer for _, answer in answers if answer.check in counted}
        self.result = Result(
            generation=generation if len(counted) == len(answers) else before.generation,
            answers=tuple(sorted(known.values(), key=lambda one: self.order.index(one.check))),
            targets=targets if SERVICE_SCRAPED in counted else before.targets,
            unready=unready,
        )
        return self.result != before

    def _counts(self, check: Check, answer: Answer, before: Answer | None, now: float) -> bool:
        if answer.outcome in GOOD:
            self._bad.pop(check.name, None)
            return True
        if before and (before.outcome, before.reason) == (answer.outcome, answer.reason):
            self._bad.pop(check.name, None)
            return True
        rounds = self._bad[check.name] = self._bad.get(check.name, 0) + 1
        replaced = [self._since[part] for part in check.parts if part in self._since]
        if answer.reason == NOT_SCRAPED_YET or rounds < ROUNDS or any(now - one < REPLACED_SECONDS for one in replaced):
            return False
        self._bad.pop(check.name)
        return True


def is_settled(deployment: Object) -> bool:
    """Tell whether a Deployment has all the pods that it wants, available, and no others."""
    wanted = int(deployment["spec"].get("replicas", 1))
    available: int = deployment.get("status", {}).get("availableReplicas", 0)
    return is_complete(deployment) and available >= wanted
