"""The check AlertsDelivered: which counters of Alertmanager mean that a receiver refuses, and until when.

A real Alertmanager and a real Prometheus have them in tests/integration/test_verification_alerts.py.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.framework.verification import NOW, Pods, data, part, pod, subject, working

from inventory_operator.verification import alerts_delivered
from inventory_operator.verification.answer import Answer, Outcome
from inventory_operator.verification.ask import Reply

Object = dict[str, Any]
#: Seconds since 1970; a sample comes every ten.
FIRST, STEP = 1_769_990_000, 10
SECRET = {"secretKeyRef": {"name": "a"}}
RECEIVERS = {"webhook": SECRET, "email": {"to": ["a@x.example"], "from": "b@x.example", "smarthost": "mail:25"}}
ALERTING = {"receivers": RECEIVERS}
TRIES, REFUSED = "alertmanager_notification_requests_total", "alertmanager_notification_requests_failed_total"
GIVEN_UP = "alertmanager_notifications_failed_total"


class Counters:
    """What Prometheus has of Alertmanagers: each `then` is a scrape, with what was counted since the one before."""

    def __init__(self) -> None:
        self.series: dict[tuple[str, str, str, str], list[int]] = {}
        self._scrapes = 0

    def then(self, integration: str = "webhook", *, instance: str = "a", reason: str = "", **counted: int) -> Counters:
        """Count tries that were `refused`, `given_up` and `taken`."""
        self._scrapes += 1
        refused, given_up, taken = (counted.get(name, 0) for name in ("refused", "given_up", "taken"))
        new = {(TRIES, ""): refused + taken, (REFUSED, ""): refused, (GIVEN_UP, reason): given_up}
        for (metric, why), by in new.items():
            if by or metric != GIVEN_UP:
                of = self.series.setdefault((metric, integration, instance, why), [0])
                of += [of[-1]] * (self._scrapes - len(of)) + [of[-1] + by]
        return self

    def quiet(self, scrapes: int) -> Counters:
        """Scrape without anything new."""
        self._scrapes += scrapes
        return self

    def restarted(self) -> Counters:
        """Have every counter begin at 0 again."""
        self._scrapes += 1
        for key, of in self.series.items():
            self.series[key] = of + [of[-1]] * (self._scrapes - len(of)) + [0]
        return self

    def __call__(self, _: str, path: str) -> Reply:
        (expression,) = parse_qs(urlsplit(path).query)["query"]
        return self._samples(expression) if "integration=~" in expression else self._sums()

    def _sums(self) -> Reply:
        tried = {name for (metric, name, *_), of in self.series.items() if metric == TRIES and of[-1]}
        failed = {name for (metric, name, *_), of in self.series.items() if metric == REFUSED and max(of)}
        found = [("scraped", ""), *(("tried", one) for one in tried), *(("failed", one) for one in failed)]
        series = [{"metric": {"of": of, "integration": name}, "value": [0, "1"]} for of, name in found]
        return data(resultType="vector", result=series)

    def _samples(self, expression: str) -> Reply:
        found = []
        for (metric, name, instance, reason), of in self.series.items():
            labels = {"__name__": metric, "integration": name, "instance": instance, "reason": reason}
            whole = of + [of[-1]] * (self._scrapes + 1 - len(of))
            values = [[FIRST + STEP * at, str(value)] for at, value in enumerate(whole)]
            if name in expression:
                found.append({"metric": labels, "values": values})
        return data(resultType="matrix", result=found)


def stack(*others: Object) -> list[Object]:
    return [*working(), *part("alertmanager", pod("am-1", "alertmanager")), *others]


async def said(counters: Any, alerting: Object | None = None, *children: Object, **spec: Any) -> Answer:
    of = subject(*(children or stack()), alerting=ALERTING if alerting is None else alerting, **spec)
    answer = await alerts_delivered.check(of, Pods(counters), NOW)
    assert answer.check == "AlertsDelivered"
    return answer


async def outcome(counters: Counters, alerting: Object | None = None) -> tuple[Outcome, str]:
    answer = await said(counters, alerting)
    return answer.outcome, answer.reason


PASSED, FAILING = (Outcome.PASSED, "NotificationsSent"), (Outcome.FAILED, "NotificationsFailing")


async def test_notifications_that_get_through() -> None:
    assert await outcome(Counters().then(taken=1).quiet(30)) == PASSED


async def test_until_something_was_sent_nothing_is_known() -> None:
    assert await outcome(Counters().then()) == (Outcome.SKIPPED, "NothingSent")


@pytest.mark.parametrize("alerting", [{}, {"enabled": False}, {"enabled": False, "receivers": RECEIVERS}])
async def test_without_a_receiver_nobody_is_asked(alerting: Object) -> None:
    pods = Pods(lambda *_: "never")
    answer = await alerts_delivered.check(subject(alerting=alerting), pods, NOW)
    assert (answer.outcome, answer.reason, pods.asked) == (Outcome.SKIPPED, "NoReceivers", [])


async def test_a_receiver_that_refuses_for_good() -> None:
    counters = Counters().then(refused=1, given_up=1, reason="clientError")
    answer = await said(counters)
    assert (answer.outcome, answer.reason) == FAILING
    assert answer.message == (
        "notifications by webhook fail (clientError): read the log of Alertmanager, and look at the receiver that "
        "spec.alerting.receivers.webhook names"
    )
    message = (await said(counters.quiet(29))).message
    assert message == answer.message, "the next try is in a minute or five"


async def test_a_receiver_that_is_tried_again_and_again() -> None:
    counters = Counters().then(refused=3)
    assert await outcome(counters) == FAILING
    assert await outcome(counters.quiet(8)) == FAILING, "the next try is in a minute and a half"
    assert await outcome(counters.then(refused=1)) == FAILING
    answer = await said(counters.then(given_up=1, reason="serverError"))
    assert "(serverError)" in answer.message


async def test_what_was_refused_at_first_and_then_taken_is_sent() -> None:
    assert await outcome(Counters().then(refused=2, taken=1)) == PASSED


@pytest.mark.parametrize("reason", ["clientError", "serverError", "contextDeadlineExceeded", "other"])
async def test_it_ends_when_a_later_one_gets_through(reason: str) -> None:
    counters = Counters().then(refused=1, given_up=1, reason=reason).quiet(3)
    assert await outcome(counters) == FAILING
    assert await outcome(counters.then(taken=1)) == PASSED
    assert await outcome(counters.then(refused=1, given_up=1, reason=reason)) == FAILING
    assert (await said(counters)).message.startswith(f"some notifications by webhook fail ({reason}):")


async def test_some_that_were_taken_in_the_same_scrape_as_one_was_given_up_end_nothing() -> None:
    assert await outcome(Counters().then(refused=1, given_up=1, taken=4, reason="clientError")) == FAILING


async def test_a_reload_that_interrupts_is_no_refusal() -> None:
    counters = Counters().then(refused=1, given_up=1, reason="contextCanceled")
    assert await outcome(counters.then(taken=1)) == PASSED
    assert await outcome(Counters().then(taken=1).then(given_up=1, reason="contextCanceled")) == PASSED


async def test_each_kind_of_receiver_is_judged_by_itself() -> None:
    counters = Counters().then("email", refused=1, given_up=1, reason="other").then("webhook", taken=1)
    answer = await said(counters)
    assert (answer.outcome, answer.reason) == FAILING
    assert "by email fail" in answer.message
    assert "webhook" not in answer.message
    both = counters.then("webhook", refused=1, given_up=1, reason="clientError")
    assert "some notifications by email, webhook fail (clientError, other):" in (await said(both)).message


async def test_any_alertmanager_may_fail_and_any_may_deliver() -> None:
    counters = Counters().then(instance="a", refused=1, given_up=1, reason="other").then(instance="b")
    assert await outcome(counters) == FAILING
    assert await outcome(counters.then(instance="b", taken=1)) == PASSED


async def test_a_heartbeat_that_gets_through_says_nothing_of_the_webhook() -> None:
    beating = {**ALERTING, "heartbeat": SECRET}
    counters = Counters().then(refused=1, given_up=1, reason="clientError").then(taken=1)
    assert await outcome(counters, beating) == FAILING
    answer = await said(counters, beating)
    assert "spec.alerting.receivers.webhook, spec.alerting.heartbeat" in answer.message
    assert await outcome(Counters().then(refused=2).then(taken=1), beating) == PASSED, "it was taken in the end"
    assert await outcome(counters, {"heartbeat": SECRET}) == PASSED, "only the heartbeat is a webhook"


async def test_counters_that_begin_anew_are_no_failure() -> None:
    assert await outcome(Counters().then(refused=1).then(taken=2).restarted().then(taken=1)) == PASSED
    assert await outcome(Counters().then(taken=2).restarted().then(refused=1)) == FAILING


async def test_what_the_window_no_longer_has_is_over() -> None:
    asked: list[str] = []

    def answer(_: str, path: str) -> Reply:
        asked.append(parse_qs(urlsplit(path).query)["query"][0])
        return Counters().then(taken=1)._sums()

    assert (await said(answer)).outcome is Outcome.PASSED
    await said(answer, {**ALERTING, "heartbeat": {**SECRET, "interval": "1h"}}, prometheus={"scrapeInterval": "1m"})
    windows = [one.split("increase(")[1].split("[")[1].split("]")[0] for one in asked]
    assert windows == ["410s", "2010s"], "what was given up is tried again within it"


async def test_an_alertmanager_that_is_not_scraped() -> None:
    nothing = data(resultType="vector", result=[])
    answer = await said(lambda *_: nothing)
    assert (answer.outcome, answer.reason) == (Outcome.UNKNOWN, "AlertmanagerNotScraped")
    young = part("alertmanager", pod("am-1", "alertmanager", since="2026-02-02T00:09:30Z"))
    answer = await said(lambda *_: nothing, None, *working(), *young)
    assert (answer.outcome, answer.reason) == (Outcome.SKIPPED, "TooYoung")
    answer = await said(lambda *_: Reply(500, b""))
    assert (answer.outcome, answer.reason) == (Outcome.UNKNOWN, "PrometheusNotAnswering")


@pytest.mark.parametrize("name", ['x"}) or vector(1', "a|b", "", "W" * 10, "x" * 31])
async def test_a_label_that_no_integration_has_is_not_asked_for(name: str) -> None:
    found = [("scraped", ""), ("tried", "webhook"), ("failed", name)]
    series = [{"metric": {"of": of, "integration": label}, "value": [0, "1"]} for of, label in found]
    pods = Pods(lambda *_: data(resultType="vector", result=series))
    answer = await alerts_delivered.check(subject(*stack(), alerting=ALERTING), pods, NOW)
    assert (answer.outcome, len(pods.asked)) == (Outcome.PASSED, 1)


@pytest.mark.parametrize(
    "values",
    [None, "x", [1, 2], [[1]], [["x", "y"]], [[{}, []]], [[1, "NaN"], [2, "NaN"]], [[1, "2"], [2, None]]],
)
async def test_samples_that_are_none_are_left_out(values: object) -> None:
    def answer(name: str, path: str) -> Reply:
        if "integration%3D~" not in path:
            return Counters().then(refused=1)(name, path)
        labels = {"__name__": REFUSED, "integration": "webhook"}
        return data(resultType="matrix", result=[{"metric": labels, "values": values}, {}, 5])

    assert (await said(answer)).outcome is Outcome.PASSED


async def test_a_strange_reason_is_quoted_short_and_on_one_line() -> None:
    answer = await said(Counters().then(refused=1, given_up=1, reason="a\nb" + "c" * 500))
    assert "(a b" in answer.message
    assert len(answer.message) < 300
