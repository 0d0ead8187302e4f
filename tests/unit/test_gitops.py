"""The health script for Argo CD says of each recorded status what it has to, and the page shows what is tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from lupa import lua51
from tests.framework.documents import blocks
from tests.framework.gitops import FILES, health_script
from tests.framework.rendered import ROOT
from tests.framework.stack_states import MEANS, STATES, recorded

if TYPE_CHECKING:
    from pathlib import Path

Object = dict[str, Any]
#: Every health that a script may return (isValidHealthStatusCode in argo-cd/util/lua/lua.go).
KNOWN = {"Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown"}
NOT_YET = "the operator has not looked at the last change yet"
#: A script has these of Lua's globals, at least (runLua in argo-cd/util/lua/lua.go).
BASE = {
    *("_G", "_VERSION", "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget"),
    *("rawset", "select", "setmetatable", "tonumber", "tostring", "type", "unpack", "xpcall"),
}


def run(script: str, obj: Object) -> Any:
    """Return what a script does. Argo CD's interpreter, gopher-lua, has the language of Lua 5.1."""
    lua = lua51.LuaRuntime(register_eval=False, register_builtins=False)
    lua.execute('getmetatable("").__index = nil')  # where the library for strings is, too
    for name in set(lua.globals()) - BASE:
        lua.globals()[name] = None
    lua.globals().obj = lua.table_from(obj, recursive=True)
    return lua.execute(script)


def health(stack: Object) -> tuple[str, str]:
    returned = dict(run(health_script(), stack))
    assert returned.keys() == {"status", "message"}
    assert returned["status"] in KNOWN
    return returned["status"], returned["message"]


def conditions(stack: Object) -> dict[str, Object]:
    return {one["type"]: one for one in stack["status"].get("conditions", ())}


@pytest.mark.parametrize("name", STATES)
def test_the_health_of_every_recorded_stack(name: str) -> None:
    stack, means = recorded()[name], STATES[name].means
    if means == "deleting":  # Argo CD does not ask the script then (GetResourceHealth in gitops-engine/pkg/health)
        assert "deletionTimestamp" in stack["metadata"]
        return
    status, message = health(stack)
    assert status == MEANS[means][0]
    found = conditions(stack)
    expected = {
        "not looked at": lambda: NOT_YET,
        "stalled": lambda: found["Stalled"]["message"],
        "paused, ready": lambda: "spec.paused is true: nothing is changed; every component is available",
        "paused, not ready": lambda: f"spec.paused is true: nothing is changed; {found['Ready']['message']}",
    }
    assert message == expected.get(means, lambda: found["Ready"]["message"])()


@pytest.mark.parametrize("status", [None, {}, {"observedGeneration": 7}, {"conditions": [], "observedGeneration": 7}])
def test_a_stack_without_conditions_is_not_healthy(status: Object | None) -> None:
    stack = {"metadata": {"generation": 7}} | ({} if status is None else {"status": status})
    assert health(stack) == ("Progressing", NOT_YET)


def test_a_stack_without_one_of_the_three_conditions_is_not_healthy() -> None:
    for missing in ("Ready", "Reconciling", "Stalled"):
        stack = recorded()["available"]
        stack["status"]["conditions"] = [one for one in stack["status"]["conditions"] if one["type"] != missing]
        assert health(stack) == ("Progressing", NOT_YET)


@pytest.mark.parametrize("script", ['string.format("x")', '("x"):upper()', "io.open", "python.eval", "os.time()"])
def test_a_script_has_the_language_and_no_library(script: str) -> None:
    with pytest.raises(lua51.LuaError, match="attempt to index"):
        run(f"return {script}", {})


# The page

PAGE = ROOT / "docs/gitops.md"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_page_shows_the_files(file: Path) -> None:
    shown = [block.text for block in blocks(PAGE) if block.language == "yaml"]
    assert file.read_text("utf-8").rstrip("\n") in shown


def test_the_page_has_what_each_state_means() -> None:
    words = {word for row in MEANS.values() for word in row}
    rows = [tuple(row.strip("| ").split(" | "))[1:] for row in PAGE.read_text("utf-8").splitlines() if row[:1] == "|"]
    assert [row for row in rows if words & {*row}] == [*MEANS.values()]
    assert {state.means for state in STATES.values()} == MEANS.keys()
