"""The rules for tests that no tool checks: what they share is no test, and what they start ends with them."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest
from tests.framework.rendered import ROOT

if TYPE_CHECKING:
    from pathlib import Path

#: Tests of these two groups share an operator and its control plane, which each worker that has one of them starts.
WITH_THE_OPERATOR = {"operator", "second-operator"}
#: What asks no API server.
WITHOUT_A_CLUSTER = {"test_digests.py"}
INTEGRATION = sorted((ROOT / "tests/integration").glob("test_*.py"))
MODULES = sorted(file for folder in ("tests", "bench") for file in (ROOT / folder).rglob("*.py"))
#: Everything that returns a running program, and has no end of its own.
STARTS = ("Popen", "start_bound")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported_tests(text: str) -> list[str]:
    """Return what a module imports of test modules and of conftest.py files."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # `from tests.unit import test_x` names a module as well as `from tests.unit.test_x import y` does.
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in found if re.search(r"^tests\.(\w+\.)*(test_\w+|conftest)\b", name)]


def unended_programs(text: str) -> list[int]:
    """Return the lines of `with` statements around a program that keeps running when the block fails."""
    statements = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.With | ast.AsyncWith)]
    calls = [item.context_expr for statement in statements for item in statement.items]
    return [call.lineno for call in calls if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(STARTS)]


def test_the_finders_see_what_is_forbidden() -> None:
    assert imported_tests("from tests.unit.test_a import b") == ["tests.unit.test_a.b"]
    assert imported_tests("from tests.unit import conftest, test_a") == ["tests.unit.conftest", "tests.unit.test_a"]
    assert imported_tests("import tests.unit.test_a") == ["tests.unit.test_a"]
    assert imported_tests("from tests.framework.api import stack\nimport pytest") == []
    assert unended_programs("with a, subprocess.Popen(b) as c:\n    pass") == [1]
    assert unended_programs("with processes.running(b) as c:\n    pass") == []
    assert len(MODULES) > 100


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_no_module_imports_a_test_module_or_a_conftest(module: Path) -> None:
    """What suites share is in tests/framework, or in a module beside them that is no test."""
    assert imported_tests(module.read_text("utf-8")) == []


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_no_program_outlives_its_test(module: Path) -> None:
    """`with subprocess.Popen(...)` waits for ever when an assertion fails in it: use tests/framework/processes.py."""
    assert unended_programs(module.read_text("utf-8")) == []


@pytest.mark.parametrize("module", INTEGRATION, ids=named)
def test_few_workers_start_a_control_plane(module: Path) -> None:
    """One takes 8 s of CPU time to start and a twentieth of a core for as long as its worker lives."""
    text = module.read_text("utf-8")
    own = "with ControlPlane(" in text or module.name in WITHOUT_A_CLUSTER
    assert own or set(re.findall(r'xdist_group\("([\w-]+)"\)', text)) & WITH_THE_OPERATOR
