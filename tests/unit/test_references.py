"""Which Secrets a spec refers to, what they lack, and the digest of what they hold."""

from __future__ import annotations

import pytest

from inventory_operator.api.metadata import Stack, names
from inventory_operator.api.stack import parse
from inventory_operator.components import references
from inventory_operator.components.references import Reference, digest
from inventory_operator.components.service import TOKEN_KEY

KEY = b"0123456789abcdef"
NAMES = names(Stack("ns", "shop", "uid"))


def spec(**fields):
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
    assert (reference.name, reference.keys, reference.created_by_stack) == ("shop-database-app", ("uri",), True)


TOKENS = Reference("service", "tokens", (), "path", shape=TOKEN_KEY)


NAMELESS = "Secret tokens has a key without a value: put one there, or remove the key"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"till-1.read": "eA==", "admin.Bob.admin": "eA=="}, None),
        (None, 'Secret "tokens" not found'),
        ({}, "Secret tokens is empty: expected at least one NAME.SCOPE with the scope read, write or admin"),
        ({"a.read": "eA==", "b.write": ""}, NAMELESS),
        ({"a.read": "eAo=", "b.write": "Cg=="}, NAMELESS),
        ({"a.read": "eAo=", "b.write": "IA0K"}, NAMELESS),
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
    assert TOKENS.missing_reason(data) == words


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


def test_what_pods_read_as_files_is_mounted() -> None:
    alerting = {
        "receivers": {
            "slack": {"secretKeyRef": {"name": "slack"}},
            "email": {
                "to": ["a@b"],
                "from": "a@b",
                "smarthost": "mail:25",
                "username": "shop",
                "secretKeyRef": {"name": "mail"},
            },
            "pagerDuty": {"secretKeyRef": {"name": "pager"}},
        },
        "heartbeat": {"secretKeyRef": {"name": "heart", "key": "link"}},
    }
    write = {"url": "http://a", "authorization": {"secretKeyRef": {"name": "bearer"}}}
    found = found_in(spec(alerting=alerting, prometheus={"secrets": ["jobs"], "remoteWrite": [write]}))
    assert all(one.mounted for one in found)
    assert {(one.component, one.path.removeprefix("spec."), one.name, one.keys) for one in found} == {
        ("prometheus", "prometheus.secrets[0]", "jobs", ()),
        ("prometheus", "prometheus.remoteWrite[0].authorization.secretKeyRef", "bearer", ("token",)),
        ("alertmanager", "alerting.receivers.slack.secretKeyRef", "slack", ("url",)),
        ("alertmanager", "alerting.receivers.email.secretKeyRef", "mail", ("password",)),
        ("alertmanager", "alerting.receivers.pagerDuty.secretKeyRef", "pager", ("routing-key",)),
        ("alertmanager", "alerting.heartbeat.secretKeyRef", "heart", ("link",)),
    }
    assert found_in(spec(alerting={**alerting, "enabled": False})) == ()
