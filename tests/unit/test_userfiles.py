"""What a user's file is called among ours, and what is refused before any program reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from tests.framework.rendered import stack

from inventory_operator.api.stack import parse
from inventory_operator.components.user_files import JOBS, dashboard_error, scrape_config_error, user_files

BOARD = {"title": "Orders", "uid": "orders"}


def spec(*refs: tuple[str, str], field: str = "additionalRules") -> Any:
    return parse(stack(prometheus={field: [{"name": name, "key": key} for name, key in refs]}))


def jobs(**job: Any) -> str:
    return yaml.safe_dump({"scrape_configs": [{"job_name": "mine", **job}]})


def test_files_are_named_after_where_they_come_from() -> None:
    one, other = user_files(spec(("a-b", "c.yml"), ("a", "b-c.yml")))
    assert (one.target, one.path) == ("user-a-b_c.yml.rules.yml", "spec.prometheus.additionalRules[0]")
    assert one.target != other.target
    (job,) = user_files(spec(("a", "jobs.yml"), field="additionalScrapeConfigs"))
    assert job.target == "user-a_jobs.yml.scrape.yml"


def test_a_file_named_twice_is_one_file() -> None:
    (file,) = user_files(spec(("a", "b"), ("a", "b")))
    assert file.path.endswith("[0]")


def test_dashboards_of_no_grafana_are_nobodys() -> None:
    grafana = {"enabled": False, "dashboards": [{"name": "a", "key": "b"}]}
    assert user_files(parse(stack(grafana=grafana))) == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (jobs(basic_auth={"username": "a", "password_file": "/etc/prometheus/secrets/x/password"}), None),
        ("scrape_configs: []", None),
        ("scrape_configs: [", "is not valid YAML"),
        ("- job_name: a", "expected one field, scrape_configs"),
        (jobs() + "rule_files: [/etc/passwd]\n", "expected one field, scrape_configs"),
        (jobs(basic_auth={"username": "a", "password": "hunter2"}), "use password_file"),
        (jobs(authorization={"credentials": "hunter2"}), "use credentials_file"),
        (jobs(oauth2={"client_secret": "hunter2"}), "use client_secret_file"),
        (
            jobs(authorization={"credentials_file": "/var/run/secrets/kubernetes.io/serviceaccount/token"}),
            "credentials_file: expected a file below /etc/prometheus/secrets/",
        ),
        (jobs(job_name="service"), "job_name 'service' is taken already"),
        ("scrape_configs: [{job_name: a}, {job_name: a}]", "job_name 'a' is taken already"),
    ],
)
def test_scrape_jobs(text: str, words: str | None) -> None:
    complaint = scrape_config_error(text, set(JOBS))
    assert complaint is None if words is None else complaint is not None and words in complaint
    assert "hunter2" not in str(complaint)


def test_a_path_that_climbs_out_of_the_folder_is_no_file_below_it() -> None:
    text = jobs(authorization={"credentials_file": "/etc/prometheus/secrets/../../../var/run/secrets/token"})
    assert "expected a file below" in str(scrape_config_error(text, set()))


def test_a_job_of_an_earlier_file_is_taken() -> None:
    taken: set[str] = set()
    assert scrape_config_error(jobs(), taken) is None
    assert "is taken already" in str(scrape_config_error(jobs(), taken))


@pytest.mark.parametrize(
    ("board", "words"),
    [
        (BOARD, None),
        ("not json", "is not valid JSON"),
        ([], "an object with a title"),
        ({"uid": "a"}, "an object with a title"),
        ({"title": "a"}, "expected a uid"),
        ({"title": "a", "uid": "a" * 41}, "expected a uid"),
        ({"title": "a", "uid": "inventory-overview"}, "uid 'inventory-overview' is taken"),
        ({"title": "a", "uid": "a", "apiVersion": "dashboard.grafana.app/v2"}, "v2 format"),
    ],
)
def test_dashboards(board: Any, words: str | None) -> None:
    complaint = dashboard_error(board if isinstance(board, str) else json.dumps(board), set())
    assert complaint is None if words is None else complaint is not None and words in complaint


def test_two_dashboards_of_one_uid() -> None:
    taken: set[str] = set()
    assert dashboard_error(json.dumps(BOARD), taken) is None
    assert "silently replace" in str(dashboard_error(json.dumps(BOARD), taken))
