"""The words of `inventory-operator`, and the settings that they say."""

from __future__ import annotations

import pytest

from inventory_operator import cli


@pytest.mark.parametrize("words", [["check", "shop.yaml"], ["render", "shop.yaml"], ["run", "--no-such-flag"]])
def test_wrong_words_end_with_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.arguments(words)
    assert ended.value.code == 2


def test_without_a_command_it_runs() -> None:
    words = cli.arguments(["--namespace", "shop", "--http-port", "1234"])
    assert words.command == "run"
    settings = cli.settings(words)
    assert (settings.namespace, settings.http_port, settings.clusterwide) == ("shop", 1234, False)
    assert cli.settings(cli.arguments([])).clusterwide


def test_a_flag_wins_over_its_environment_variable_and_that_over_the_default(monkeypatch) -> None:
    monkeypatch.setenv("INVENTORY_HTTP_PORT", "4321")
    monkeypatch.setenv("INVENTORY_KUBELET_INSECURE_SKIP_VERIFY", "true")
    found = cli.settings(cli.arguments([]))
    assert (found.http_port, found.kubelet_insecure_skip_verify) == (4321, True)
    found = cli.settings(cli.arguments(["--http-port", "1", "--no-kubelet-insecure-skip-verify"]))
    assert (found.http_port, found.kubelet_insecure_skip_verify) == (1, False)
