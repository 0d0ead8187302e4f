"""The pages of the service's pods: all that they have to have, valid to the line, and bounded."""

from __future__ import annotations

import pytest
from tests.framework.verification import PAGE, Pods, part, pod, subject

from inventory_operator.verification.answer import Answer, Outcome, Unready
from inventory_operator.verification.ask import Reply
from inventory_operator.verification.exposition import CONTRACT, invalid_line, missing, stock_levels
from inventory_operator.verification.metrics_exposed import check, unready

GOOD = Reply(200, PAGE)
LINES = PAGE.count(b"\n")


async def said(second: Reply | str) -> tuple[Outcome, str, str]:
    pods = Pods(lambda name, _: second if name == "shop-2" else GOOD)
    answer = await check(subject(), pods)
    assert answer.check == "MetricsExposed"
    assert {(name, port, path) for name, port, path in pods.asked} == {
        ("shop-1", 5000, "/metrics"),
        ("shop-2", 5000, "/metrics"),
    }
    return answer.outcome, answer.reason, answer.message


async def test_every_pod_answers() -> None:
    assert await said(GOOD) == (Outcome.PASSED, "MetricsExposed", "every pod of the service answers /metrics")


@pytest.mark.parametrize("name", CONTRACT)
async def test_a_renamed_metric_is_named_with_its_pod(name: str) -> None:
    outcome, reason, message = await said(Reply(200, PAGE.replace(name.encode(), b"renamed")))
    assert (outcome, reason) == (Outcome.FAILED, "MetricMissing")
    assert message.startswith(f"pod shop-2 does not expose {name} at /metrics: ")


async def test_of_many_missing_metrics_the_first_are_named() -> None:
    _, reason, message = await said(Reply(200, b""))
    assert reason == "MetricMissing"
    assert f"{', '.join(CONTRACT[:3])} and 3 more" in message


async def test_an_invalid_line_has_its_number() -> None:
    assert await said(Reply(200, PAGE + b"x one\n")) == (
        Outcome.FAILED,
        "BadExposition",
        f"pod shop-2 exposes no valid metrics: line {LINES + 1} of /metrics is not valid: correct its image",
    )


async def test_what_was_cut_is_judged_as_far_as_it_was_read() -> None:
    assert (await said(Reply(200, PAGE[:-60], cut=True)))[0] is Outcome.PASSED
    assert (await said(Reply(200, b"1\n" + PAGE[:-60], cut=True)))[1] == "BadExposition"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ("can't be connected to", "pod shop-2 can't be connected to at port 5000: read its log"),
        (Reply(500, PAGE), "pod shop-2 answers /metrics with 500, expected 200: read its log, or correct its image"),
    ],
)
async def test_a_pod_without_an_answer(reply: Reply | str, words: str) -> None:
    assert await said(reply) == (Outcome.FAILED, "NotAnswered", words)


async def test_only_ready_pods_are_asked() -> None:
    pods = Pods(lambda *_: GOOD)
    starting = part("service", pod("shop-1", "service", ready=False))
    words = "no pod of the service is ready: see ServiceAvailable"
    assert await check(subject(*starting), pods) == Answer("MetricsExposed", Outcome.UNKNOWN, "PodsNotReady", words)
    assert pods.asked == []


NOT_READY = Reply(503, b'{"success": false, "error": "The database is read-only."}')


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (NOT_READY, "The database is read-only."),
        (Reply(503, b'{"error": "one\\ntwo"}'), "one two"),
        (Reply(503, b'{"error": 1}'), None),
        (Reply(503, b"[]"), None),
        (Reply(200, b'{"error": "?"}'), None),
        ("can't be connected to", None),
    ],
)
async def test_a_service_without_a_ready_pod_says_why(reply: Reply | str, said: str | None) -> None:
    waiting = pod("shop-0", "service", ready=False)
    waiting["status"]["phase"] = "Pending"
    pods = Pods(lambda *_: reply)
    found = await unready(subject(*part("service", waiting, pod("shop-1", "service", ready=False))), pods)
    assert found == (Unready("shop-1", said) if said else None)
    assert pods.asked == [("shop-1", 5000, "/readyz")]


async def test_a_service_with_a_ready_pod_is_not_asked_why() -> None:
    pods = Pods(lambda *_: NOT_READY)
    children = part("service", pod("shop-1", "service", ready=False), pod("shop-2", "service"))
    assert await unready(subject(*children), pods) is None
    assert pods.asked == []


VALID = (
    *("", "   ", "# a comment", "# HELP x", "# TYPE x gauge", "x 1", "x{} 1", 'x{a="b"} 1', 'x{a="b",} 1', "x 1e-05"),
    *("x +Inf", "x NaN", "x -1.5 1700000000000", 'x{a="\\"}\\\\\\n",b="<int:id>"} 1', "a:b:c 1", '{"a.b", c="d"} 1'),
    *("x  1", "\t", 'x{ a = "b" , c="d" } 1', "x .5", "x 1.", "x 0x1p-2"),
)
INVALID = (
    *("x", "x one", "1x 1", 'x{a="b"', 'x{a="b} 1', "x{a=b} 1", "x 1 2 3", "x 1 a", "# TYPE x thing", 'x{a="\\q"} 1'),
    *("x 1\r", "x=1", "<html>", 'x{"a"="b"} 1', "# TYPE 1x gauge", "x-y 1"),
)


@pytest.mark.parametrize("line", VALID)
def test_a_valid_line(line: str) -> None:
    assert invalid_line(f"a 1\n{line}\nb 2\n".encode()) is None


@pytest.mark.parametrize("line", INVALID)
def test_a_line_that_is_not_valid(line: str) -> None:
    assert invalid_line(f"a 1\n{line}\nb 2\n".encode()) == 2


HOSTILE = (
    *(b'x{a="', b"x{a=", b"x 1 ", b"# TYPE ", b'{"', b'product_stock_level{product_id="1"', b"x{" + b'a="b",' * 9),
    *(b"\\", b'"', b"1", b" ", b"\n", b"e", b'product_stock_level{product_id="1"} 1\n'),
)


@pytest.mark.parametrize("word", HOSTILE)
def test_a_hostile_page_costs_little(word: bytes) -> None:
    """More than linear time would be hours: the test would not end."""
    page = word * (2**20 // len(word))
    assert invalid_line(page) or missing(page)
    assert len(stock_levels(page, 20)) <= 1


def test_stock_levels_of_the_first_products() -> None:
    assert stock_levels(PAGE, 10) == {"1": 12.0, "2": 0.0}
    assert stock_levels(PAGE, 1) == {"1": 12.0}
    assert stock_levels(b"", 10) == stock_levels(b'\nproduct_stock_level{product_id="1"} e\n', 10) == {}
