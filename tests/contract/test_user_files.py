"""What a hostile or careless user puts into files: real promtool, in time, without a word of the file, and alone."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import yaml

from devcluster.build.binaries import binary
from inventory_operator.components.config_tools import ConfigChecker, Judgement
from inventory_operator.components.grafana import DASHBOARDS
from inventory_operator.components.prometheus import RULES, SCRAPE_CONFIGS
from inventory_operator.components.user_files import LARGEST_TOGETHER, FileKind

#: Seconds that only what hangs takes.
DEADLINE = 600
#: What nobody must see elsewhere.
CANARY = "xkcanary7"
GOOD = "groups: [{name: team, rules: [{record: 'team:up', expr: 'sum(up)'}]}]"
EXHAUSTED = "checking it takes more than"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.fixture
def checker() -> ConfigChecker:
    return ConfigChecker(binary("promtool").parent)


async def judged(checker: ConfigChecker, kind: FileKind, text: str, namespace: str = "hostile") -> Judgement:
    async with asyncio.timeout(DEADLINE):
        # Else the program got no time for a minute, which says nothing about the file: the operator tries again.
        while not (found := await checker.judge(namespace, kind.check, kind.tool, text)).final:
            pass
    return found


def rule(expr: str) -> str:
    return f"groups: [{{name: g, rules: [{{record: a, expr: '{expr}'}}]}}]"


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (SCRAPE_CONFIGS, BOMB, "line 1: an anchor"),
        (RULES, BOMB, "line 1: an anchor"),
        (RULES, "&a [*a]", "line 1: an anchor"),
        (SCRAPE_CONFIGS, "scrape_configs: " + "[" * 500_000, "nested deeper"),
        (RULES, "- " * 300_000, "nested deeper"),
        (DASHBOARDS, "[" * 600_000, "nested deeper"),
        (DASHBOARDS, '{"a":' * 120_000, "nested deeper"),
        (RULES, rule("-" * 650_000 + "1"), EXHAUSTED),
        (RULES, rule("(" * 650_000), EXHAUSTED),
        (SCRAPE_CONFIGS, "scrape_configs: [{job_name: " + "a" * 600_000 + ", metrics_path: [x]}]", "cannot unmarshal"),
    ],
    ids=lambda value: str(value)[:12] if isinstance(value, str) else value.check,
)
async def test_attacks_are_refused(checker: ConfigChecker, kind: FileKind, text: str, words: str) -> None:
    assert len(text) <= LARGEST_TOGETHER
    assert words in str((await judged(checker, kind, text)).problem)


async def test_the_largest_honest_files_are_taken(checker: ConfigChecker) -> None:
    jobs = [{"job_name": f"job{number}"} for number in range(33_000)]
    rules = [
        {"alert": f"Alert{number}", "expr": f'sum by (job) (rate(a_total{{b="{number}"}}[5m])) > 1', "for": "5m",
         "labels": {"severity": "warning"}, "annotations": {"summary": "{{ $labels.job }} fails"}}
        for number in range(3600)
    ]  # fmt: skip
    for kind, content in (
        (SCRAPE_CONFIGS, {"scrape_configs": jobs}),
        (RULES, {"groups": [{"name": "g", "rules": rules}]}),
    ):
        text = yaml.dump(content, Dumper=yaml.CSafeDumper)
        assert 0.85 * LARGEST_TOGETHER < len(text) <= LARGEST_TOGETHER
        assert (await judged(checker, kind, text)).problem is None


async def test_a_good_rule_does_not_wait_for_many_slow_ones_of_another_namespace(checker: ConfigChecker) -> None:
    slow = [asyncio.create_task(judged(checker, RULES, rule("1+" * 100_000 + str(number)))) for number in range(20)]
    # Until one of them has the turn of its namespace.
    await asyncio.sleep(0)
    assert (await judged(checker, RULES, GOOD, "other")).problem is None
    # One of them has its turn meanwhile, and on a busy machine it may end first; the others have none.
    assert sum(task.done() for task in slow) < len(slow) // 4
    for task in slow:
        task.cancel()
    await asyncio.wait(slow)


PROM = {"record": "a", "expr": "1"}


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        *((RULES, {"groups": [{"name": CANARY, "rules": [PROM | change]}]}) for change in (
            {"expr": f"sum({CANARY}"}, {"expr": f"{CANARY}(up)"}, {"expr": f'up{{a="{CANARY}'},
            {"expr": f"up[{CANARY}]"},
            {"expr": f'{CANARY} "{CANARY}"'}, {"expr": f"1 + {CANARY} {CANARY}"}, {"expr": f"@{CANARY}"},
            {"expr": f'up{{a=~"({CANARY}"}}'}, {"record": f"{{{CANARY}}}"}, {"for": CANARY}, {"alert": CANARY},
            {"labels": {"a": [CANARY]}}, {"labels": {"__name__": CANARY}},
            {"annotations": {"a": f"{{{{ {CANARY} }}}}"}}, {CANARY: 1}, {"expr": [CANARY]}, {"labels": CANARY},
            {"record": None, "alert": CANARY, "annotations": {"a": f"{{{{ {CANARY} }}}}"}},
            {"record": None, "alert": CANARY, "labels": {CANARY: f"{{{{ template {CANARY} }}}}"}},
        )),
        (RULES, CANARY), (RULES, {CANARY: 1}), (RULES, {"groups": CANARY}), (RULES, {"groups": [{"name": [CANARY]}]}),
        (RULES, {"groups": [{"name": CANARY}, {"name": CANARY}]}),
        (RULES, {"groups": [{"name": CANARY, "interval": CANARY}]}),
        *((SCRAPE_CONFIGS, {"scrape_configs": [{"job_name": CANARY} | change]}) for change in (
            {CANARY: 1}, {"basic_auth": f"user:{CANARY}"}, {"basic_auth": {"password": CANARY}},
            {"authorization": {"credentials": CANARY}}, {"basic_auth": {"password_file": f"/{CANARY}"}},
            {f"{CANARY}_file": CANARY}, {"scrape_interval": CANARY}, {"scheme": CANARY, "sample_limit": CANARY},
            {"proxy_url": f"http://a:{CANARY}@[b"}, {"relabel_configs": [{"action": CANARY}]},
            {"relabel_configs": [{"regex": f"({CANARY}"}]}, {"static_configs": [{"targets": [f"http://{CANARY}/"]}]},
            {"params": CANARY},
            {"static_configs": [{CANARY: 1}]}, {f"{CANARY}_sd_configs": []}, {"tls_config": {"min_version": CANARY}},
            {"http_headers": {"Authorization": {"values": [CANARY]}}}, {"scrape_protocols": [CANARY]},
            {"kubernetes_sd_configs": [{"role": CANARY}]}, {"file_sd_configs": [{"files": [CANARY]}]},
            {"dns_sd_configs": [{"names": [CANARY], "type": CANARY}]}, {"http_sd_configs": [{"url": f"{CANARY}://"}]},
        )),
        (SCRAPE_CONFIGS, {CANARY: []}), (SCRAPE_CONFIGS, CANARY), (SCRAPE_CONFIGS, {"scrape_configs": {CANARY: 1}}),
        (SCRAPE_CONFIGS, {"scrape_configs": [CANARY]}),
        (DASHBOARDS, CANARY), (DASHBOARDS, {"title": CANARY}),
        (DASHBOARDS, {"title": CANARY, "uid": f"inventory-{CANARY}"}),
        (DASHBOARDS, {"title": CANARY, "uid": CANARY * 9}),
        (DASHBOARDS, {"title": CANARY, "uid": "a", "elements": CANARY}),
        (DASHBOARDS, {"title": "a", "uid": "a", "__inputs": [{"type": CANARY, "name": CANARY}]}),
    ],
)  # fmt: skip
async def test_no_message_has_text_of_the_file(checker: ConfigChecker, kind: FileKind, content: Any) -> None:
    judgement = await judged(checker, kind, json.dumps(content))
    assert judgement.problem
    assert CANARY not in judgement.problem
    assert CANARY[2:] not in judgement.problem


@pytest.mark.parametrize(
    "text",
    ["'{}", "a: {}: b", "a: *{}", "&{} a", "!{} a", "%{} 1\n---\n", "{}: 1\n{}: 2", "\t{}", "a: '{}'{}", "[{}",
     '"\\x{}"', "? {}\n? [{}]", "{}\n---\n{}", "{}\x02"],
)  # fmt: skip
@pytest.mark.parametrize("kind", [RULES, SCRAPE_CONFIGS, DASHBOARDS], ids=lambda kind: kind.check)
async def test_no_message_has_text_of_what_is_no_yaml(checker: ConfigChecker, kind: FileKind, text: str) -> None:
    judgement = await judged(checker, kind, text.replace("{}", CANARY))
    assert judgement.problem
    assert CANARY[2:] not in judgement.problem
