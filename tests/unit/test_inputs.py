"""Which of a user's files get beside ours, and what is said of the others; the digests of Secrets."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from tests.framework.passes import NAMES, FakeChecker, Pass, child

from inventory_operator.api.metadata import RESTART_ANNOTATION
from inventory_operator.components.blocker import Blocker, Turn
from inventory_operator.components.user_files import LARGEST_TOGETHER
from inventory_operator.controller.scope import Scope

TARGET = "user-team_rules.yml.rules.yml"
RULES = {"additionalRules": [{"name": "team", "key": "rules.yml"}]}
KEY = base64.b64encode(b"0123456789abcdef").decode()
LIVE = child("ConfigMap", NAMES.prometheus, "prometheus", data={TARGET: "good"})


async def files(steps: Pass, **fields: Any) -> tuple[dict[str, str], tuple[Blocker, ...]]:
    """Return what the ConfigMap of the one component has of users, and what was refused."""
    scope = await steps.planned(**fields)
    (component,) = fields
    maps = {one["metadata"]["name"]: one["data"] for one in scope.desired if one["kind"] == "ConfigMap"}
    data = maps[getattr(NAMES, component)]
    return {key: text for key, text in data.items() if key.startswith("user-")}, scope.blockers


async def test_a_good_file_gets_beside_ours() -> None:
    assert await files(Pass({"team": {"rules.yml": "good"}}), prometheus=RULES) == ({TARGET: "good"}, ())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"team": {"rules.yml": "bad"}}, "line 1: bad"),
        ({"team": {"other.yml": "good"}}, "it has no key rules.yml"),
        ({}, "ConfigMap not found"),
        (
            {"team": {"rules.yml": "x" * (LARGEST_TOGETHER + 1)}},
            f"is too large: {LARGEST_TOGETHER + 1:,} bytes, expected at most {LARGEST_TOGETHER:,}",
        ),
    ],
)
async def test_of_a_refused_file_the_live_version_stays(data: dict[str, dict[str, str]], words: str) -> None:
    found, (blocker,) = await files(Pass(data, LIVE), prometheus=RULES)
    assert found == {TARGET: "good"}
    assert (blocker.component, blocker.reason, blocker.turn) == ("prometheus", "InvalidRules", Turn.USER)
    where = "spec.prometheus.additionalRules[0]: ConfigMap team, key rules.yml: "
    assert blocker.message == f"{where}{words}; its last good version stays in use"
    found, _ = await files(Pass(data), prometheus=RULES)
    assert found == {}, "there never was a good one"


async def test_a_file_that_is_too_large_is_read_by_nobody() -> None:
    checker = FakeChecker()
    await files(Pass({"team": {"rules.yml": "x" * (LARGEST_TOGETHER + 1)}}, checker=checker), prometheus=RULES)
    assert checker.asked == []


async def test_a_file_of_bytes_is_named_for_what_it_is() -> None:
    steps = Pass({"team": {}}, binary={"team": ["rules.yml"]})
    _, (blocker,) = await files(steps, prometheus=RULES)
    assert "key rules.yml: it is under binaryData, so it is not text in UTF-8: save it as such" in blocker.message


JOBS = {"additionalScrapeConfigs": [{"name": "team", "key": "a.yml"}, {"name": "team", "key": "b.yml"}]}


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([(("a", 1),), (("b", 2),)], None),
        ([(("a", 1),), (("b", 2), ("a", 3))], "key b.yml: line 3: job_name is taken already"),
        ([(("service", 1),), ()], "key a.yml: line 1: job_name is taken already"),
        ([(("a", 1), ("a", 2)), (("a", 1),)], "key a.yml: line 2: job_name is taken already"),
    ],
)
async def test_what_was_read_is_written_and_its_names_are_taken(names: Any, words: str | None) -> None:
    judged = {text: (f"written {text}", found) for text, found in zip(("one", "two"), names, strict=True)}
    steps = Pass({"team": {"a.yml": "one", "b.yml": "two"}}, checker=FakeChecker(judged=judged))
    found, blockers = await files(steps, prometheus=JOBS)
    written = {"user-team_a.yml.scrape.yml": "written one", "user-team_b.yml.scrape.yml": "written two"}
    if words is None:
        assert (found, blockers) == (written, ())
        return
    (blocker,) = blockers
    assert words in blocker.message
    assert len(found) == 1


async def test_what_stays_in_use_of_a_refused_file_keeps_its_names() -> None:
    live = child("ConfigMap", NAMES.prometheus, "prometheus", data={"user-team_a.yml.scrape.yml": "old"})
    checker = FakeChecker(judged={"old": (None, (("job", 1),)), "two": (None, (("job", 1),))})
    steps = Pass({"team": {"a.yml": "bad", "b.yml": "two"}}, live, checker=checker)
    found, blockers = await files(steps, prometheus=JOBS)
    assert found == {"user-team_a.yml.scrape.yml": "old"}
    assert ["line 1: bad" in blockers[0].message, "job_name is taken already" in blockers[1].message] == [True, True]


@pytest.mark.parametrize(
    ("written", "names"), [("bad", ()), ("old", (("service", 1),)), ("old", (("job", 1), ("job", 2)))]
)
async def test_what_stays_in_use_of_a_refused_file_is_judged_too(written: str, names: Any) -> None:
    live = child("ConfigMap", NAMES.prometheus, "prometheus", data={"user-team_a.yml.scrape.yml": written})
    checker = FakeChecker(judged={written: (None, names)})
    found, (blocker,) = await files(
        Pass({"team": {"a.yml": "bad"}}, live, checker=checker),
        prometheus={"additionalScrapeConfigs": JOBS["additionalScrapeConfigs"][:1]},
    )
    assert found == {}
    assert blocker.message.endswith("key a.yml: line 1: bad; no version of it is in use")


async def test_without_a_program_to_judge_what_is_in_use_stays() -> None:
    steps = Pass({"team": {"rules.yml": "new"}}, LIVE, checker=FakeChecker(missing=True))
    found, (blocker,) = await files(steps, prometheus=RULES)
    assert found == {TARGET: "good"}
    assert blocker.message.endswith("; its last good version stays in use")


async def test_without_a_program_to_judge_nothing_new_is_taken() -> None:
    steps = Pass({"team": {"rules.yml": "good"}}, checker=FakeChecker(missing=True))
    found, (blocker,) = await files(steps, prometheus=RULES)
    assert found == {}
    assert "can't be checked: promtool can't be run" in blocker.message


async def test_files_that_are_too_large_together_are_refused_in_their_order() -> None:
    def board(uid: str) -> str:
        # Two bytes each: what counts is what the ConfigMap holds, not how many characters that is.
        text = "ä" * (LARGEST_TOGETHER // 4)
        return json.dumps({"title": uid, "uid": uid, "description": text}, ensure_ascii=False)

    data = {"a.json": board("a"), "b.json": board("b")}
    grafana = {"dashboards": [{"name": "team", "key": key} for key in data]}
    found, (blocker,) = await files(Pass({"team": data}), grafana=grafana)
    assert list(found) == ["user-team_a.json.json"]
    assert blocker.reason == "InvalidDashboard"
    assert "spec.grafana.dashboards[1]" in blocker.message
    assert f"{LARGEST_TOGETHER:,} bytes" in blocker.message


def secrets(key: str = KEY, password: str = "cGFzcw==") -> tuple[dict[str, Any], dict[str, Any]]:
    data = {"key": key} if key else {}
    return (
        child("Secret", NAMES.digest_key, "stack", data=data),
        child("Secret", NAMES.grafana, "grafana", data={"admin-user": "YQ==", "admin-password": password}),
    )


async def digests(steps: Pass, **fields: Any) -> dict[str, str]:
    """Return what makes the pods of each Deployment restart."""
    scope = await steps.planned(**fields)
    assert scope.blockers == ()
    pods = {one["metadata"]["name"]: one["spec"]["template"] for one in scope.desired if one["kind"] == "Deployment"}
    found = {name: pod["metadata"].get("annotations", {}).get(RESTART_ANNOTATION, "") for name, pod in pods.items()}
    return {name: text for name, text in found.items() if text}


async def test_only_the_pods_that_start_with_a_secret_restart_for_another_value() -> None:
    database = {"service": {"database": {"external": {"secretKeyRef": {"name": "pg", "key": "uri"}}}}}
    before = await digests(Pass({"pg": {"uri": "YQ=="}}, *secrets()), **database)
    after = await digests(Pass({"pg": {"uri": "Yg=="}}, *secrets()), **database)
    assert {name for name in before if before[name] != after[name]} == {NAMES.service}
    rotated = await digests(Pass({"pg": {"uri": "YQ=="}}, *secrets(password="bmV3")), **database)
    assert {name for name in before if before[name] != rotated[name]} == {NAMES.grafana}


async def test_what_was_generated_in_this_pass_is_digested_in_it() -> None:
    steps = Pass()
    scope = await steps.planned()
    created = {name: child("Secret", name, "stack", data=data) for name, data in scope.generated.items()}
    created[NAMES.grafana] = child("Secret", NAMES.grafana, "grafana", data=scope.generated[NAMES.grafana])
    for obj in created.values():
        steps.store.observe(obj)
    again = await steps.plan(await steps.observe(Scope(raw=scope.raw, now=scope.now)))
    deployments = [[one for one in each.desired if one["kind"] == "Deployment"] for each in (scope, again)]
    assert deployments[0] == deployments[1], "the second pass would restart pods"


@pytest.mark.parametrize(
    ("broken", "name", "key"),
    [
        (secrets(key=""), NAMES.digest_key, "key"),
        (secrets(password=""), NAMES.grafana, "admin-password"),
        ([child("Secret", NAMES.grafana, "grafana")], NAMES.grafana, "admin-user"),
    ],
)
async def test_a_secret_of_ours_that_a_person_took_a_key_out_of_is_named(broken: Any, name: str, key: str) -> None:
    (blocker,) = (await Pass({}, *broken).planned()).blockers
    assert (blocker.target, blocker.reason, blocker.turn) == (("Secret", name), "InvalidSecret", Turn.USER)
    assert f"Secret {name} has no value under key {key}: put it back, or delete the Secret" in blocker.message
