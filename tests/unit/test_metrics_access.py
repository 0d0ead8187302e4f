"""Who may read of which stacks, and what guessing tokens costs: other addresses nothing, the API server little."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import aiohttp
import pytest

from inventory_operator.api import metadata as meta
from inventory_operator.cache.store import Store
from inventory_operator.kube.client import ApiError
from inventory_operator.runtime import metrics_access
from inventory_operator.runtime.metrics_access import MetricsAccess, RefusedError

SHOP = ("shop", "shop")
GOOD, THEIRS = "good-token", "tenants-token"
ME = "10.0.0.1"


class Reviews:
    """An API server that knows two tokens, and lets one of their users get /metrics."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.under_way = self.most = 0
        self.fault: Exception | None = None

    async def request(self, _method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(path.rsplit("/", 1)[1])
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        if self.fault:
            raise self.fault
        spec = body["spec"]
        if body["kind"] == "TokenReview":
            known = spec["token"].startswith((GOOD, THEIRS))
            user = {"username": spec["token"], "uid": "1", "groups": ["g"], "extra": {"pod": ["p"]}}
            return {"status": {"authenticated": True, "user": user} if known else {"error": "unknown"}}
        assert spec["nonResourceAttributes"] == {"path": "/metrics", "verb": "get"}
        assert (spec["uid"], spec["groups"], spec["extra"]) == ("1", ["g"], {"pod": ["p"]})
        return {"status": {"allowed": spec["user"].startswith(GOOD)}}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    now = {"now": 1000.0}
    monkeypatch.setattr(metrics_access.time, "monotonic", lambda: now["now"])
    return now


def access(reviews: Reviews | None = None, store: Store | None = None) -> MetricsAccess:
    cluster: Any = reviews or Reviews()
    return MetricsAccess(cluster, store or Store(lambda _: None))


async def verdict(judge: MetricsAccess, authorization: str, address: str = ME) -> int:
    try:
        await judge.check_all(address, authorization)
    except RefusedError as error:
        return error.status
    return 200


def pod(name: str, *addresses: str, of: tuple[str, str] = SHOP, phase: str = "Running", **spec: Any) -> dict[str, Any]:
    metadata = {"namespace": of[0], "name": name, "uid": name, "resourceVersion": "1"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata | {"labels": {meta.STACK_LABEL: of[1]}},
        "spec": spec,
        "status": {"phase": phase, "podIPs": [{"ip": one} for one in addresses]},
    }


@pytest.mark.parametrize(
    ("asks", "key", "found"),
    [
        ("10.0.0.5", SHOP, True),
        ("::ffff:10.0.0.5", SHOP, True),
        ("fd00::5", SHOP, True),
        ("fd00:0:0:0::5", SHOP, True),
        ("10.0.0.6", SHOP, False),  # another stack's
        ("10.0.0.6", ("elsewhere", "shop"), True),
        ("10.0.0.5", ("elsewhere", "shop"), False),
        ("10.0.0.5", ("shop", ""), False),
        ("10.0.0.5", ("", ""), False),
        ("10.0.0.7", SHOP, False),  # ended: the address may be anybody's by now
        ("10.0.0.8", SHOP, False),  # on the node's network, as all that is there
        ("", SHOP, False),
        ("none", SHOP, False),
    ],
)
def test_a_pod_that_runs_is_of_its_own_stack_alone(asks: str, key: tuple[str, str], found: bool) -> None:
    store = Store(lambda _: None)
    for one in (
        pod("dual", "10.0.0.5", "fd00::5"),
        pod("other", "10.0.0.6", of=("elsewhere", "shop")),
        pod("ended", "10.0.0.7", phase="Succeeded"),
        pod("node", "10.0.0.8", hostNetwork=True),
        pod("new", phase="Pending"),
        pod("broken", "none", ""),
    ):
        store.observe(one)
    assert access(store=store).is_of(asks, key) is found


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {GOOD}", 200),
        (f"bearer  {GOOD} ", 200),
        (f"Bearer {THEIRS}", 403),
        ("Bearer x", 401),
        ("Bearer ", 401),
        ("Bearer", 401),
        (f"Basic {GOOD}", 401),
        (GOOD, 401),
    ],
)
async def test_a_token_is_judged_by_the_api_server(authorization: str, status: int) -> None:
    assert await verdict(access(), authorization) == status


async def test_an_allowed_token_is_reviewed_once_a_minute(clock: dict[str, float]) -> None:
    judge = access(reviews := Reviews())
    for _ in range(3):
        assert await verdict(judge, f"Bearer {GOOD}") == 200
    assert reviews.asked == ["tokenreviews", "subjectaccessreviews"]
    clock["now"] += metrics_access.ALLOWED_SECONDS
    assert await verdict(judge, f"Bearer {GOOD}") == 200
    assert len(reviews.asked) == 4


async def test_guessing_costs_one_review_a_second_and_others_nothing(clock: dict[str, float]) -> None:
    judge = access(reviews := Reviews())
    guesses = [verdict(judge, f"Bearer guess-{n}", "10.6.6.6") for n in range(50)]
    assert sorted(await asyncio.gather(*guesses)) == [401, *[429] * 49]
    assert (len(reviews.asked), reviews.most) == (1, 1)
    assert await verdict(judge, f"Bearer {GOOD}") == 200, "another address"
    assert await verdict(judge, f"Bearer {GOOD}", "10.6.6.6") == 200, "a token that is known to be good"
    assert await verdict(judge, f"Bearer {THEIRS}", "10.6.6.6") == 429
    clock["now"] += metrics_access.PAUSE_SECONDS
    assert await verdict(judge, f"Bearer {THEIRS}", "10.6.6.6") == 403


async def test_guesses_from_the_same_address_do_not_stop_a_token_that_was_allowed(clock: dict[str, float]) -> None:
    """As where a node's address hides those of its pods."""
    judge = access(Reviews())
    assert await verdict(judge, f"Bearer {GOOD}") == 200
    clock["now"] += metrics_access.ALLOWED_SECONDS
    assert await verdict(judge, "Bearer guess") == 401
    assert await verdict(judge, f"Bearer {GOOD}") == 200


async def test_a_token_that_is_allowed_no_more_waits_like_any_other(clock: dict[str, float]) -> None:
    judge = access(reviews := Reviews())
    judge._remember(hashlib.sha256(THEIRS.encode()).digest())
    assert await verdict(judge, f"Bearer {THEIRS}") == 200
    clock["now"] += metrics_access.ALLOWED_SECONDS
    assert [await verdict(judge, f"Bearer {THEIRS}") for _ in range(2)] == [403, 429]
    assert len(reviews.asked) == 2


async def test_many_addresses_have_few_reviews_at_once(clock: dict[str, float]) -> None:
    judge = access(reviews := Reviews())
    await asyncio.gather(*[verdict(judge, "Bearer x", f"10.2.0.{n}") for n in range(100)])
    assert (len(reviews.asked), reviews.most) == (100, metrics_access.REVIEWS)


async def test_of_two_scrapes_at_once_both_are_answered(clock: dict[str, float]) -> None:
    judge = access(reviews := Reviews())
    assert await asyncio.gather(*[verdict(judge, f"Bearer {GOOD}") for _ in range(2)]) == [200, 200]
    assert len(reviews.asked) == 2


async def test_what_is_kept_is_bounded(clock: dict[str, float]) -> None:
    judge = access(Reviews())
    for n in range(metrics_access.PAUSED_ADDRESSES):
        assert await verdict(judge, "Bearer x", f"10.1.{n // 250}.{n % 250}") == 401
    assert await verdict(judge, f"Bearer {GOOD}") == 429
    clock["now"] += metrics_access.PAUSE_SECONDS
    assert await verdict(judge, f"Bearer {GOOD}") == 200
    assert len(judge._paused) == 0
    for n in range(metrics_access.ALLOWED_TOKENS + 5):
        clock["now"] += 0.1
        assert await verdict(judge, f"Bearer {GOOD}-{n}") == 200
    assert len(judge._allowed) == metrics_access.ALLOWED_TOKENS


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (ApiError(403, "Forbidden", "tokenreviews.authentication.k8s.io is forbidden"), "is forbidden"),
        (aiohttp.ClientConnectionError("no route"), "no route"),
        (TimeoutError(), "TimeoutError"),
    ],
)
async def test_without_a_review_nothing_is_read_and_one_line_a_minute_is_logged(
    clock: dict[str, float], fault: Exception, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    reviews = Reviews()
    reviews.fault = fault
    judge = access(reviews)
    for _ in range(5):
        with pytest.raises(RefusedError) as refused:
            await judge.check_all(ME, f"Bearer {GOOD}")
        assert refused.value.status == 503
        assert why not in str(refused.value), "it may name the operator's account, or an address"
        clock["now"] += metrics_access.PAUSE_SECONDS
    logged = capsys.readouterr().out
    assert logged.count("could not be reviewed") == logged.count(why) == 1
    reviews.fault = None
    assert await verdict(judge, f"Bearer {GOOD}") == 200
