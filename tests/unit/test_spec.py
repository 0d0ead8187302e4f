"""The parser: defaults, errors with their path and words, and what stays out of messages."""

from __future__ import annotations

import json

import pydantic
import pytest
from tests.framework import specs

from inventory_operator.api.stack import InvalidSpec, parse

REFUSED = [case for case in specs.invalid() if case.by != "reference"]
ACCEPTED = specs.valid() + [case for case in specs.invalid() if case.by == "reference"]


def refusal(spec: object, name: str = "shop") -> InvalidSpec:
    with pytest.raises(InvalidSpec) as caught:
        parse(specs.stack(spec, name))
    return caught.value


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_each_invalid_spec_is_refused_with_its_path(case: specs.Case) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse(case.stack)
    assert any(problem.path.startswith(case.path) for problem in caught.value.problems)
    assert str(caught.value).isprintable(), "a message must never carry what can't be seen"
    assert len(caught.value.message) < 400


def test_the_data_is_worth_its_name() -> None:
    assert len(REFUSED) - len(specs.injections()) >= 60
    assert len(specs.injections()) > 300


@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_each_valid_spec_is_accepted(case: specs.Case) -> None:
    parse(case.stack)


def test_nothing_said_is_a_complete_stack() -> None:
    spec = parse(specs.stack())
    assert spec == parse(specs.stack({}))
    assert spec.service.database.sqlite is not None
    assert spec.service.database.sqlite.storage.size == "1Gi"
    assert spec.service.image is None
    assert spec.service.resources.requests == {"cpu": "100m", "memory": "128Mi"}
    assert spec.service.resources.limits == {"cpu": "500m", "memory": "256Mi"}
    assert (spec.prometheus.scrape_interval, spec.prometheus.retention) == ("10s", "200h")
    assert spec.prometheus.storage.size == "10Gi"
    assert spec.grafana.enabled
    assert spec.alerting.enabled
    assert spec.ingress is None


def test_the_status_and_foreign_metadata_do_not_matter() -> None:
    raw = specs.stack({}) | {"status": {"conditions": "garbage"}}
    raw["metadata"] |= {"labels": {"a": "b"}, "managedFields": [{}]}
    assert parse(raw) == parse(specs.stack({}))


def test_external_database_leaves_no_sqlite() -> None:
    spec = parse(specs.stack({"service": {"database": {"external": {"secretKeyRef": {"name": "db"}}}}}))
    assert spec.service.database.sqlite is None
    assert spec.service.database.external is not None
    assert spec.service.database.external.secret_key_ref.key == "url"


def test_a_single_amount_keeps_the_other_defaults() -> None:
    spec = parse(specs.stack({"service": {"resources": {"limits": {"cpu": 2}}}}))
    assert spec.service.resources.limits == {"cpu": "2", "memory": "256Mi"}
    assert spec.service.resources.requests == {"cpu": "100m", "memory": "128Mi"}


def test_stacks_do_not_share_their_defaults() -> None:
    first, second = parse(specs.stack({})), parse(specs.stack({}))
    as_before = second.model_dump()
    first.service.resources.limits["cpu"] = "9"
    first.prometheus.external_labels["a"] = "b"
    assert second.model_dump() == parse(specs.stack({})).model_dump() == as_before


def test_the_spec_is_frozen_and_what_was_given_is_untouched() -> None:
    given = {"service": {"resources": {"limits": {"cpu": 2}}, "database": {}}}
    before = json.dumps(given)
    spec = parse(specs.stack(given))
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        spec.paused = True
    assert json.dumps(given) == before


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (
            {"prometheus": {"retention": "soon"}},
            "spec.prometheus.retention: expected a duration like 200h (from 2h to 10y), got 'soon'",
        ),
        ({"service": {"replica": 2}}, "spec.service.replica: unknown field; did you mean replicas?"),
        ({"paused": "yes"}, "spec.paused: expected true or false, got 'yes'"),
        ({"deletionPolicy": "Keep"}, "spec.deletionPolicy: expected Retain or Delete, got 'Keep'"),
        ({"service": None}, "spec.service: expected an object, got nothing"),
        ({"service": {"replicas": True}}, "spec.service.replicas: expected a whole number from 1 to 100, got true"),
        ({"ingress": {}}, "spec.ingress.hosts: required, but missing"),
        (["x"], "spec: expected an object, got a list"),
        (
            {"grafana": {"storage": {"size": {"a": 1}}}},
            "spec.grafana.storage.size: expected a size from 64Mi to 1Pi in whole bytes like 10Gi, got an object",
        ),
        (
            {"service": {"replicas": 2}},
            (
                "spec.service.replicas: SQLite serves one pod only: set it to 1, or use database.external or "
                "database.cloudNativePG"
            ),
        ),
        (
            {"service": {"rateLimit": "100 per minute"}},
            "spec.service.rateLimit: expected a rate like 100/minute (second, minute or hour), got '100 per minute'",
        ),
        (
            {"service": {"rateLimitStore": {"secretKeyRef": {"name": "redis"}}}},
            "spec.service.rateLimitStore: there is no rateLimit to count for: set rateLimit, or leave this out",
        ),
        (
            {"service": {"database": {"external": {"secretKeyRef": {"name": "db"}}, "cloudNativePG": {}}}},
            "spec.service.database: choose at most one of sqlite, external and cloudNativePG",
        ),
        ({"service": {"authentication": {}}}, "spec.service.authentication.tokensSecretName: required, but missing"),
        (
            {"service": {"resources": {"requests": {"cpu": 2}}}},
            "spec.service.resources.requests.cpu: the request 2 is above the limit 500m",
        ),
        (
            {"prometheus": {"externalLabels": {f"label{n}": "x" for n in range(21)}}},
            "spec.prometheus.externalLabels: expected at most 20 entries, got 21",
        ),
        (
            {"service": {"resources": {"requests": {"cpu": 0.1}}}},
            (
                "spec.service.resources.requests.cpu: expected an amount of CPU from 1m to 1024 like 100m or 0.5; "
                "in quotes, because it has a decimal point, got 0.1"
            ),
        ),
    ],
)
def test_the_words(spec: object, sentence: str) -> None:
    assert str(refusal(spec)) == sentence


def test_an_unknown_field_without_a_near_one_lists_the_known_ones() -> None:
    assert refusal({"service": {"database": {"zzz": {}}}}).message == (
        "unknown field; known here: cloudNativePG, external, sqlite"
    )


def test_all_problems_are_reported_in_the_same_order() -> None:
    error = refusal({"paused": "no", "service": {"replicas": 0}, "grafana": {"storage": {"size": "x"}}}, name="Shop")
    paths = [problem.path for problem in error.problems]
    assert paths == ["metadata.name", "spec.grafana.storage.size", "spec.paused", "spec.service.replicas"]
    assert (error.path, error.message) == tuple(error.problems[0])


@pytest.mark.parametrize(
    "spec",
    [
        {"service": {"database": {"external": {"secretKeyRef": {"name": "postgresql://u:hunter2@h/d"}}}}},
        {"service": {"database": {"external": {"secretKeyRef": {"name": "db", "key": "hunter2 "}}}}},
        {"service": {"database": {"external": "hunter2"}}},
        {"service": {"database": {"external": {"url": "hunter2", "secretKeyRef": {"name": "db"}}}}},
        {"service": {"rateLimit": "1/hour", "rateLimitStore": {"secretKeyRef": {"name": "redis://:hunter2@h"}}}},
        {"service": {"authentication": {"tokensSecretName": "hunter2 "}}},
        {"service": {"authentication": "hunter2"}},
        {"service": {"image": "https://u:hunter2@registry.example"}},
        {"grafana": {"adminSecretName": "Hunter hunter2"}},
        {"grafana": {"adminPassword": "hunter2"}},
        {"ingress": {"hosts": {"service": "a.example"}, "tls": {"secretName": "hunter2 "}}},
        {"ingress": {"hosts": {"service": "a.example"}, "annotations": {"auth": "hunter2\n"}}},
    ],
)
def test_what_may_be_a_secret_is_never_repeated(spec: object) -> None:
    error = refusal(spec)
    assert "hunter2" not in "".join(map(str, error.problems))


def test_a_long_value_is_shortened() -> None:
    error = refusal({"service": {"image": "A" * 4000}})
    assert "(4000 characters)" in error.message
    assert len(error.message) < 200


def test_a_name_is_required() -> None:
    with pytest.raises(InvalidSpec, match=r"^metadata.name: expected a name"):
        parse({"spec": {}})


def test_a_wrong_entry_is_named_and_its_list_is_not() -> None:
    hook = {"secretKeyRef": {"name": "hook"}, "severities": ["page"]}
    with pytest.raises(InvalidSpec) as error:
        parse(specs.stack({"alerting": {"receivers": {"webhook": hook}}}))
    (problem,) = error.value.problems
    assert problem.path == "spec.alerting.receivers.webhook.severities[0]"
