"""The rules of the repository that no tool checks: layout, words, links, rights, documents in step with the code."""

from __future__ import annotations

import ast
import operator
import re
import subprocess
import sysconfig
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase
from tests.framework.rendered import ROOT, sets

from inventory_operator import cli, metrics
from inventory_operator.kube import kinds
from inventory_operator.status import conditions as status_conditions
from inventory_operator.verification.checklist import CHECKS
from inventory_operator.verification.reasons import REASONS
from inventory_operator.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPLOY = ROOT / "operator/deploy"
LARGEST_MODULE, LARGEST_TEST = 250, 400
#: Written so that this file is no finding of its own.
UNFINISHED = re.compile(r"\b(TO[D]O|FIX[M]E|X[X]X)\b")
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("proxy", "golang", "org"),
        ("sum", "golang", "org"),
        ("registry", "npmjs", "org"),
        ("crates", "io"),
        ("deb", "debian", "org"),
        ("registry-1", "docker", "io"),
        ("index", "docker", "io"),
    )
]
#: A word of pytest that keeps a test from running or from counting.
FORCELESS = re.compile(r"\b(pytest|mark)[.](s[k]ip|s[k]ipif|x[f]ail|import[o]rskip)\b")
RUNBOOK_PARTS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]


@cache
def tracked() -> tuple[Path, ...]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())
    assert len(files) > 100, "git lists the files of this repository"
    return files


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def modules(*folders: str) -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py" and named(path).startswith(folders)]


def pages() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".md"]


def findings(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    return [
        f"{named(path)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]


def test_the_folder_operator_does_not_shadow_the_standard_library() -> None:
    assert not (ROOT / "operator/__init__.py").exists()
    assert Path(operator.__file__).parent == Path(sysconfig.get_path("stdlib"))


def test_nothing_unfinished_is_kept() -> None:
    # Checksums are random letters.
    written = [path for path in tracked() if path.name != "go.sum"]
    assert UNFINISHED.search("# TO" + "DO: later")
    assert findings(UNFINISHED, written) == []


def test_no_file_names_the_host_of_a_package_registry() -> None:
    # Nothing is fetched from there but by what knows its mirrors. docker.io's API has another name than its images.
    others = [path for path in tracked() if path != ROOT / "hack/digests.py"]
    assert findings(re.compile("|".join(map(re.escape, REGISTRIES)), re.IGNORECASE), others) == []


def test_no_test_is_without_force() -> None:
    assert FORCELESS.search("@pytest.mark.".strip("@") + "xf" + "ail")
    assert findings(FORCELESS, modules("tests/")) == []


@pytest.mark.parametrize("module", modules(""), ids=named)
def test_a_module_is_small_and_says_what_it_is_for(module: Path) -> None:
    text = module.read_text("utf-8")
    assert len(text.splitlines()) <= (LARGEST_TEST if named(module).startswith("tests/") else LARGEST_MODULE)
    assert ast.get_docstring(ast.parse(text))


# Documents; what is in them is in test_documents.py


def code(text: str) -> str:
    """Return fenced and indented blocks and what is between backticks."""
    fenced = re.findall(r"^```.*?\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return "\n".join([*fenced, *re.findall(r"^    .*", text, flags=re.MULTILINE), *re.findall(r"`([^`\n]+)`", text)])


#: Who may know which components there are: those who declare them, their fields and names, where a run begins, and what
#: looks whether they work together.
KNOWS_COMPONENTS = ("components", "checks", "api", "verification", "__main__.py", "cli.py")


def _words(module: Path) -> Iterator[str]:
    """Yield every name and every string of a module but its docstrings."""
    tree = ast.parse(module.read_text("utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, documented)
                  and isinstance(node.body[0], ast.Expr)}  # fmt: skip
    for node in ast.walk(tree):
        if id(node) not in docstrings:
            fields = (value for _, value in ast.iter_fields(node))
            yield from (value for value in fields if isinstance(value, str))


def test_only_the_components_know_their_names() -> None:
    package = ROOT / "operator/inventory_operator"
    found = {
        f"{module.relative_to(package)}: {word}"
        for module in package.rglob("*.py")
        if module.relative_to(package).parts[0] not in KNOWS_COMPONENTS
        for word in _words(module)
        if re.search("prometheus|alertmanager|grafana|cloud_?native_?pg", word, re.IGNORECASE)
        and not word.startswith("prometheus_client")
    }
    assert found == set()


def test_every_page_is_reached_from_the_front_page() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        links = re.findall(r"\]\(([^)#\s]+\.md)[^)]*\)", page.read_text("utf-8"))
        found = {(page.parent / link).resolve() for link in links if ":" not in link}
        waiting += found - reached
    assert [named(page) for page in pages() if page not in reached] == []


@pytest.mark.parametrize("page", pages(), ids=named)
def test_every_make_target_in_a_document_exists(page: Path) -> None:
    makefiles = {file.read_text("utf-8") for file in (ROOT / "Makefile", page.parent / "Makefile") if file.exists()}
    targets = {name for text in makefiles for name in re.findall(r"^([a-z][a-z-]*):", text, flags=re.MULTILINE)}
    used = set(re.findall(r"\bmake (?:-s )?([a-z][a-z-]*)", code(page.read_text("utf-8"))))
    assert used <= targets


def sections(text: str, level: int) -> dict[str, str]:
    parts = re.split(rf"^{'#' * level} (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_alert_has_an_entry_in_the_runbook_and_every_entry_its_parts() -> None:
    rules = [path for path in (ROOT / "templates/prometheus/config").rglob("*") if path.is_file()]
    shipped = {
        name for path in rules for name in re.findall(r"^\s*- alert: (\w+)$", path.read_text("utf-8"), re.MULTILINE)
    }
    chapters = sections((ROOT / "RUNBOOK.md").read_text("utf-8"), 2)
    assert shipped
    assert sections(chapters["Alerts"], 3).keys() == shipped
    for chapter in chapters.values():
        for title, text in sections(chapter, 3).items():
            assert re.findall(r"^\*\*(\w+)\*\*:\s+\S", text, re.MULTILINE) == RUNBOOK_PARTS, title


def test_settings_and_metrics_are_described() -> None:
    page = (ROOT / "docs/operations.md").read_text("utf-8")
    words = vars(cli.arguments(["run"])).keys() - {"command"}
    assert {f"--{word.replace('_', '-')}" for word in words} == set(
        re.findall(r"^\| `(--[a-z-]+)`", page, re.MULTILINE)
    )
    assert {f"INVENTORY_{word.upper()}" for word in words} <= set(re.findall(r"`([A-Z_]+)`", page))
    described = set(re.findall(r"^\| `(inventory_operator_\w+)", page, re.MULTILINE))
    own = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    exported = {family.name for metric in (*own, metrics.STACK_CONDITIONS) for family in metric.collect()}
    assert exported
    assert {re.sub(r"_(total|info)$", "", name) for name in described} == exported


def test_conditions_and_reasons_are_described() -> None:
    page = (ROOT / "docs/status.md").read_text("utf-8")
    assert [name for name in status_conditions.CONDITIONS if name not in page] == []
    text = "".join(path.read_text("utf-8") for path in modules("operator/inventory_operator/"))
    # A reason is the first word with a capital letter among the arguments, or stands before whose turn it is.
    calls = r"(?:NotOursError|Issue|_Role|Blocker)\((?:[^()]|\([^()]*\))*?\"([A-Z]\w+)\"|reason, turn = \"(\w+)\""
    conditions = r"Condition\((?:name|dependency.condition|\"\w+\"), (?:status|\"\w+\"), \"(\w+)\""
    reasons = {"".join(found) for found in re.findall(calls, text)} | {*re.findall(conditions, text)}
    assert {"NameTaken", "MissingReference", "OOMKilled", "NotReachable", "Paused"} <= reasons
    assert [reason for reason in sorted(reasons) if f"`{reason}`" not in page] == []


def test_checks_and_their_reasons_are_described() -> None:
    page = (ROOT / "docs/status.md").read_text("utf-8").partition("## Reasons of checks")[2]
    rows = re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE)
    described = {word for row in rows for word in re.findall(r"`(\w+)`", row)}
    assert described == REASONS
    text = "".join(path.read_text("utf-8") for path in modules("operator/inventory_operator/verification/"))
    used = set(re.findall(r"Outcome\.[A-Z]+, \"(\w+)\"", text)) | set(re.findall(r"Target\(\w+, \"(\w+)\"", text))
    assert {"NotSelected", "HistoryLost"} <= used <= REASONS
    checks = (ROOT / "docs/verification.md").read_text("utf-8").partition("## The checks")[2]
    assert re.findall(r"^\| ([A-Z]\w+) \|", checks, re.MULTILINE) == [one.name for one in CHECKS]


def test_the_version_is_the_same_everywhere() -> None:
    for name in ("operator/deploy/base/deployment.yaml", "README.md", "docs/install.md", "docs/operations.md"):
        tags = re.findall(r"inventory-(?:operator|service):([\w.]+)", (ROOT / name).read_text("utf-8"))
        assert set(tags) <= {__version__}, name
    assert __version__ in (ROOT / "CHANGELOG.md").read_text("utf-8")


# Rights


def rules(path: str, kind: str) -> set[tuple[str, str, str, str]]:
    """Return each right of the roles in a file as (group, resource, verb, name of the object or nothing)."""
    roles = [role for role in yaml.safe_load_all((DEPLOY / path).read_text("utf-8")) if role["kind"] == kind]
    return {
        right
        for role in roles
        for rule in role["rules"]
        for right in product(rule["apiGroups"], rule["resources"], rule["verbs"], rule.get("resourceNames", [""]))
    }


def clusterwide() -> set[tuple[str, str, str, str]]:
    return rules("cluster-wide/clusterrole.yaml", "ClusterRole")


def single() -> set[tuple[str, str, str, str]]:
    return rules("single-namespace/role.yaml", "Role")


def rendered() -> dict[str, dict[str, Any]]:
    """Return one object of each kind that is rendered."""
    return {obj["kind"]: obj for objects in sets().values() for obj in objects}


def test_the_operator_may_write_what_is_rendered() -> None:
    assert len(rendered()) > 10
    for obj in rendered().values():
        resource = kinds.of(obj)
        for verb in ("get", "list", "watch", "create", "patch", "delete"):
            right = (resource.group, resource.plural, verb, "")
            assert right in clusterwide()
            assert right in single() or not resource.namespaced


def test_the_role_of_one_namespace_holds_nothing_that_the_cluster_wide_roles_lack() -> None:
    assert single() <= clusterwide() | rules("cluster-wide/role-lease.yaml", "Role")


def test_no_right_is_a_wildcard_or_a_way_to_more_rights() -> None:
    for group, resource, verb, name in clusterwide() | single():
        assert "*" not in (group, resource, verb)
        assert verb != "escalate"
        assert verb != "bind" or (resource, name) == ("clusterroles", "inventory-kubelet-metrics")
        assert resource not in {"nodes/proxy", "pods/exec"}
