"""Which Secrets a spec refers to, the digest of what they hold, and when a change concerns which stack."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from inventory_operator.naming import Stack, names
from inventory_operator.references import TOKEN_KEY, Reference, ReferenceWatcher, digest, references
from inventory_operator.spec import parse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Object = dict[str, Any]
KEY = b"0123456789abcdef"
NAMES = names(Stack("ns", "shop", "uid"))
SHOP, OTHER = ("ns", "shop"), ("ns", "other")


def spec(**fields: Any):
    return parse({"metadata": {"name": "shop"}, "spec": fields})


def found_in(parsed) -> tuple[Reference, ...]:
    return references(parsed, NAMES)


def test_an_empty_spec_refers_to_nothing() -> None:
    assert found_in(spec()) == ()


def test_every_reference_names_its_component_its_keys_and_its_place() -> None:
    database = {"external": {"secretKeyRef": {"name": "pg", "key": "uri"}}}
    found = found_in(spec(service={"database": database}, grafana={"adminSecretName": "admin"}))
    assert found == (
        Reference("service", "pg", ("uri",), "spec.service.database.external.secretKeyRef"),
        Reference("grafana", "admin", ("admin-user", "admin-password"), "spec.grafana.adminSecretName"),
    )


def test_what_the_service_counts_in_and_whom_it_lets_in_are_references() -> None:
    service = {
        "rateLimit": "5/second",
        "rateLimitStore": {"secretKeyRef": {"name": "redis"}},
        "authentication": {"tokensSecretName": "tokens"},
    }
    assert found_in(spec(service=service)) == (
        Reference("service", "redis", ("url",), "spec.service.rateLimitStore.secretKeyRef"),
        Reference("service", "tokens", (), "spec.service.authentication.tokensSecretName", shape=TOKEN_KEY),
    )


def test_the_secret_of_a_cluster_of_ours_is_waited_for_by_the_service_only() -> None:
    (reference,) = found_in(spec(service={"database": {"cloudNativePG": {}}}))
    assert (reference.name, reference.keys, reference.made_here) == ("shop-database-app", ("uri",), True)


TOKENS = Reference("service", "tokens", (), "path", shape=TOKEN_KEY)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"till-1.read": "eA==", "admin.Bob.admin": "eA=="}, None),
        (None, "there is no Secret tokens in the stack's namespace"),
        ({}, "Secret tokens is empty: expected at least one NAME.SCOPE with the scope read, write or admin"),
        ({"a.read": "eA==", "b.write": ""}, "Secret tokens has no value under key b.write"),
        (
            {"a.read": "eA==", "hunter2": "eA=="},
            "Secret tokens has a key of another kind: expected only NAME.SCOPE with the scope read, write or admin",
        ),
        (
            {"a.reader": "eA=="},
            "Secret tokens has a key of another kind: expected only NAME.SCOPE with the scope read, write or admin",
        ),
    ],
)
def test_what_a_secret_of_any_keys_lacks(data: dict[str, str] | None, words: str | None) -> None:
    assert TOKENS.lacks(data) == words


def test_what_is_used_of_a_secret() -> None:
    data = {"url": "x", "other": "y"}
    assert Reference("service", "db", ("url",), "path").used(data) == {"url": "x"}
    assert TOKENS.used(data) == data


def test_a_component_that_is_off_needs_nothing() -> None:
    assert found_in(spec(grafana={"enabled": False, "adminSecretName": "admin"})) == ()


def test_the_digest_tells_a_change_and_not_the_order() -> None:
    assert digest(KEY, {"a": "1", "b": "2"}) == digest(KEY, {"b": "2", "a": "1"})
    different = [{"a": "1", "b": "3"}, {"a": "1"}, {"a": "1", "c": "2"}, {"a": "2", "b": "1"}, {"a1": "", "b": "2"}]
    assert len({digest(KEY, values) for values in [{"a": "1", "b": "2"}, *different]}) == 1 + len(different)


def test_the_digest_needs_the_key() -> None:
    assert digest(KEY, {"a": "1"}) != digest(b"another key", {"a": "1"})


class FakeCluster:
    """One namespace of Secrets; events are handed to the watch that is open for the name."""

    def __init__(self) -> None:
        self.secrets: dict[str, Object] = {}
        self.lists: list[str] = []
        self.events: dict[str, asyncio.Queue[Object]] = {}

    async def list(self, _: Any, __: str, **query: str) -> tuple[list[Object], int]:
        name = query["fieldSelector"].removeprefix("metadata.name=")
        self.lists.append(name)
        return [self.secrets[name]] if name in self.secrets else [], 1

    async def watch(self, _: Any, __: str, ___: int, **query: str) -> AsyncIterator[Object]:
        queue = self.events.setdefault(query["fieldSelector"].removeprefix("metadata.name="), asyncio.Queue())
        while True:
            yield await queue.get()

    async def tell(self, name: str, kind: str, data: dict[str, str] | None = None) -> None:
        self.events.setdefault(name, asyncio.Queue()).put_nowait({"type": kind, "object": {"data": data or {}}})
        for _ in range(20):
            await asyncio.sleep(0)


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def changed() -> list[Any]:
    return []


@pytest.fixture
async def watcher(cluster, changed) -> AsyncIterator[ReferenceWatcher]:
    watcher = ReferenceWatcher(cluster, changed.append)
    yield watcher
    await watcher.close()


async def test_what_a_wanted_secret_holds_is_known_before_want_returns(cluster, watcher, changed) -> None:
    cluster.secrets["pg"] = {"data": {"url": "x"}}
    await watcher.want(SHOP, {"pg", "missing"})
    assert watcher.data("ns", "pg") == {"url": "x"}
    assert watcher.data("ns", "missing") is None
    assert changed == [], "the one who asked knows"


async def test_only_a_change_of_the_data_is_told_and_to_every_stack_that_wants_it(cluster, watcher, changed) -> None:
    cluster.secrets["pg"] = {"data": {"url": "x"}}
    await watcher.want(SHOP, {"pg"})
    await watcher.want(OTHER, {"pg"})
    assert cluster.lists == ["pg"], "one watch for both"
    await cluster.tell("pg", "MODIFIED", {"url": "x"})
    assert changed == []
    await cluster.tell("pg", "MODIFIED", {"url": "y"})
    assert sorted(changed) == [OTHER, SHOP]
    assert watcher.data("ns", "pg") == {"url": "y"}


async def test_a_secret_that_comes_or_goes_is_told(cluster, watcher, changed) -> None:
    await watcher.want(SHOP, {"pg"})
    await cluster.tell("pg", "ADDED", {"url": "x"})
    await cluster.tell("pg", "DELETED", {"url": "x"})
    assert changed == [SHOP, SHOP]
    assert watcher.data("ns", "pg") is None


async def test_what_nobody_wants_any_more_is_not_watched(cluster, watcher, changed) -> None:
    cluster.secrets["pg"] = {"data": {"url": "x"}}
    await watcher.want(SHOP, {"pg"})
    await watcher.want(OTHER, {"pg"})
    await watcher.want(SHOP, ())
    await cluster.tell("pg", "MODIFIED", {"url": "y"})
    assert changed == [OTHER]
    await watcher.want(OTHER, ())
    await cluster.tell("pg", "MODIFIED", {"url": "z"})
    assert changed == [OTHER]
    assert watcher.data("ns", "pg") is None
