"""The preview of the dashboards: a whole run, what it says where it can't, and the demo's traffic."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from tests.unit.preview_boards import LINES, panel, variable
from tests.unit.prometheus_stub import REFUSED, Stub, vector

from dashboards.preview import demo
from dashboards.preview.__main__ import main
from dashboards.preview.errors import PreviewError

if TYPE_CHECKING:
    from pathlib import Path

    from dashboards.preview.client import Client


# The whole


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    folder = tmp_path / "boards"
    folder.mkdir()
    raw = {
        "title": "Shop <1>",
        "templating": {"list": [variable("custom", "container", query="service,grafana")]},
        "panels": [
            panel("row", title="Row", at=(0, 0, 24, 1)),
            panel("timeseries", "lines", title="Lines of $container", at=(0, 1, 12, 8)),
            panel("stat", "x < 1", title="None", at=(12, 1, 12, 8)),
        ],
    }
    (folder / "one.json").write_text(json.dumps(raw))
    (folder / "two.json").write_text(json.dumps({"title": "Two", "panels": [panel("stat", "refused")]}))
    return folder


def words(boards: Path, address: str, *more: str) -> list[str]:
    return ["--prometheus", address, "--boards", str(boards), "--out", str(boards.parent / "out"), *more]


def test_one_run(boards: Path, stub: Stub, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    stub.answers = {"lines": LINES}
    assert main(words(boards, address, "--dashboard", "one", "-o", "json")) == 0
    captured = capsys.readouterr()
    assert "[1/1] Shop <1>: 3 panels" in captured.err
    summary = json.loads(captured.out)
    assert [(one["title"], one["status"], one["series"]) for one in summary["panels"]] == [
        ("Lines of service", "data", 2),
        ("None", "no data", 0),
    ]
    assert (summary["lacking"], summary["allowed"], summary["enough"]) == (1, 5, True)
    out = boards.parent / "out"
    names = ["one.png", "one/01-lines-of-service.png", "one/02-none.png"]
    assert {file.relative_to(out).as_posix() for file in out.rglob("*.png")} == set(names)
    page = (out / "index.html").read_text("utf-8")
    images = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert [base64.b64decode(image) for image in images] == [(out / name).read_bytes() for name in names[1:]]
    assert Image.open(io.BytesIO((out / "one.png").read_bytes())).size == (1600, 46 + 9 * 38)
    assert "Shop &lt;1&gt;" in page
    assert "x &lt; 1" in page
    assert not re.search(r"<script|https?://|src=\"(?!data:)", page)


def test_a_second_run_leaves_no_picture_of_a_panel_that_is_gone(boards: Path, address: str) -> None:
    old = boards.parent / "out/one/99-old.png"
    old.parent.mkdir(parents=True)
    old.touch()
    assert main(words(boards, address, "--dashboard", "one")) == 0
    assert not old.exists()


def test_too_many_panels_without_data(boards: Path, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(boards, address, "--dashboard", "one", "--allowed", "1")) == 1
    said = capsys.readouterr().out
    assert "2 panels lack data, 1 may: too many" in said
    assert "no data: one: None: x < 1" in said


def test_a_refused_query_is_never_allowed(
    boards: Path, stub: Stub, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers = {"refused": REFUSED}
    assert main(words(boards, address, "--allowed", "99")) == 1
    assert "error: two: Panel: invalid parameter" in capsys.readouterr().out


def test_a_chosen_variable(boards: Path, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(boards, address, "--dashboard", "one", "--variable", "container=grafana", "-o", "json")) == 0
    assert json.loads(capsys.readouterr().out)["panels"][0]["title"] == "Lines of grafana"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--dashboard", "three"], "has no three: there is one, two"),
        (["--range", "soon"], "'soon' is no duration"),
        (["--prometheus", "http://127.0.0.1:9"], "does not answer"),
    ],
)
def test_what_can_not_be_drawn(
    more: list[str], said: str, boards: Path, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(boards, address, *more)) == 3
    assert said in capsys.readouterr().err


def test_prometheus_that_breaks_off_ends_the_run(
    boards: Path, stub: Stub, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.broken = b""
    assert main(words(boards, address)) == 3
    assert "answered 502 and no JSON: is it a Prometheus?" in capsys.readouterr().err


# The demo


def test_traffic_is_sent_until_there_are_rates(stub: Stub, client: Client) -> None:
    said: list[str] = []

    def send() -> dict[int, int]:
        rounds = len(said)
        stub.answers[demo.BUSY] = vector(({}, str(4 * rounds)))
        return {200: 10, 404: 1}

    demo.await_traffic(client, send, said.append)
    assert said == [f"sending traffic: {seconds} of 110 s have some" for seconds in (0, 40, 80)]


def test_a_service_that_answers_nothing_ends_the_waiting(client: Client) -> None:
    with pytest.raises(PreviewError, match=r"answered no request with 200: \{503: 9\}"):
        demo.await_traffic(client, lambda: {503: 9}, lambda _: None)


def test_a_prometheus_that_sees_no_traffic_ends_the_waiting(client: Client) -> None:
    with pytest.raises(PreviewError, match="saw no two minutes of traffic, although 300 s were sent"):
        demo.await_traffic(client, lambda: {200: 9}, lambda _: None)
