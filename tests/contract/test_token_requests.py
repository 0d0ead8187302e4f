"""Ways to have Prometheus send its service account's token, or a file, elsewhere: refused, or tried with a real one."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.framework import processes
from tests.framework.api import eventually
from tests.framework.webserver import Request, Response, WebServer

from devcluster.build.binaries import binary
from inventory_operator.components.config_tools import ConfigChecker, Judgement
from inventory_operator.components.prometheus import SCRAPE_CONFIGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

#: What is in the file, and in Prometheus' environment.
TOKEN = "xkcanary7-token"
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
FILE = f"{ACCOUNT}/token"
#: A Secret of the user's own, as Prometheus has it mounted.
OWN = "/etc/prometheus/secrets/login"
#: Names of targets, with labels that could be taken for settings.
TARGETS = [
    {
        "targets": ["LISTENER"],
        "labels": {
            "__metrics_path__": "/PATH",
            "bearer_token_file": FILE,
            "__authorization_credentials_file__": FILE,
            "__http_headers__": FILE,
            "__param_file": FILE,
        },
    }
]
PODS = {"role": "pod", "namespaces": {"own_namespace": True}}


def job(**fields: Any) -> str:
    """Return a file with one job; every request of it has its number as path."""
    given = {"static_configs": [{"targets": ["LISTENER"]}], **fields}
    return yaml.safe_dump({"scrape_configs": [{"job_name": "PATH", "metrics_path": "/PATH", **given}]})


def client(**fields: Any) -> list[str]:
    """Return the files with settings of an HTTP client, at each place that has one."""
    asked = {"url": "http://LISTENER/targets/PATH", **fields}
    pods = {**PODS, "namespaces": {"names": ["shop"]}, "api_server": "http://LISTENER", **fields}
    return [job(**fields), job(http_sd_configs=[asked]), job(kubernetes_sd_configs=[pods])]


def lines(text: str) -> str:
    return f"scrape_configs:\n- job_name: PATH\n  static_configs: [{{targets: [LISTENER]}}]\n{text}"


OAUTH2 = {"client_id": "a", "token_url": "http://LISTENER/PATH"}

REFUSED = [
    *client(bearer_token_file=FILE),
    *client(authorization={"credentials_file": FILE}),
    *client(authorization={"type": "Token", "credentials_file": f"{OWN}/../../../..{FILE}"}),
    *client(basic_auth={"username": "a", "password_file": FILE}),
    *client(basic_auth={"username_file": FILE}),
    *client(http_headers={"X-Token": {"files": [FILE]}}),
    *client(http_headers={"X-Token": {"files": [f"{OWN}/password", f"/proc/self/root{FILE}"]}}),
    *client(oauth2={**OAUTH2, "client_secret_file": FILE}),
    *client(oauth2={**OAUTH2, "client_certificate_key_file": FILE,
                    "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}),
    *client(tls_config={"cert_file": FILE, "key_file": f"{OWN}/key"}),
    *client(oauth2={**OAUTH2, "tls_config": {"ca_file": FILE}}),
    job(bearer_token_file="../../../var/run/secrets/kubernetes.io/serviceaccount/token"),
    job(bearer_token_file=f"/{OWN}/../../../../run/secrets/kubernetes.io/serviceaccount/token"),
    job(bearer_token_file="/run/secrets/kubernetes.io/serviceaccount/..data/token"),
    job(bearer_token_file=f"/proc/1/root{FILE}"),
    job(authorization={"credentials_file": [FILE]}),
    job(authorization={"credentials_ref": FILE}),
    job(file_sd_configs=[{"files": [f"{ACCOUNT}/*"]}]),
    job(file_sd_configs=[{"files": [f"{OWN}/*.yml", "/var/run/secrets/*/*/token.yml"]}]),
    job(scrape_failure_log_file="/etc/prometheus/secrets/../../../prometheus/log"),
    job(kubernetes_sd_configs=[{"role": "pod", "kubeconfig_file": f"{OWN}/kubeconfig"}]),
    job(kubernetes_sd_configs=[{"role": "node"}]),
    job(kubernetes_sd_configs=[{**PODS, "namespaces": {"names": ["kube-system"]}}]),
    job(consul_sd_configs=[{"server": "LISTENER", "token": "a", "authorization": {"credentials_file": FILE}}]),
    job(ec2_sd_configs=[{"region": "a", "endpoint": "http://LISTENER"}]),
    job(docker_sd_configs=[{"host": "http://LISTENER", "bearer_token_file": FILE}]),
    lines(f"  ? !!binary aHR0cF9oZWFkZXJz\n  : {{X: {{files: [{FILE}]}}}}"),
    lines(f"  <<: {{bearer_token_file: {FILE}}}"),
    lines(f"  <<: [{{bearer_token_file: {FILE}}}]"),
    lines(f"  bearer_token_file: {OWN}/password\n  bearer_token_file: {FILE}"),
    lines(f'  "bearer_token_fil\\x65": {FILE}'),
    lines(f'  bearer_token_file: "\\x2Fvar{FILE[4:]}"'),
    lines(f"  bearer_token_file: !!binary {base64.b64encode(FILE.encode()).decode()}"),
    lines(f"  !!str bearer_token_file: {FILE}"),
    lines(f"  ? [bearer_token_file]\n  : {FILE}"),
    lines(f"  ? {{bearer_token_file: {FILE}}}\n  :"),
    lines(f"  Bearer_Token_File: {FILE}"),
    lines(f"- &a {{job_name: a, bearer_token_file: {FILE}}}\n- *a"),
    lines(f"---\nscrape_configs: [{{job_name: a, bearer_token_file: {FILE}}}]"),
    lines(f"remote_write: [{{url: 'http://LISTENER', authorization: {{credentials_file: {FILE}}}}}]"),
    lines("global: {scrape_interval: 1s}"),
]  # fmt: skip

#: Its targets are in a file of the user's Secret.
FROM_FILE = job(file_sd_configs=[{"files": [f"{OWN}/*.yml"]}], static_configs=[])
#: Each makes a request to the listener.
PERMITTED = [
    *client(basic_auth={"username": FILE, "password_file": f"{OWN}/password"})[:2],
    *client(authorization={"type": f"Bearer @{FILE}", "credentials_file": f"{OWN}/password"})[:2],
    *client(http_headers={"X-Token": {"files": [f"{OWN}/path"]}})[:2],
    *client(oauth2={**OAUTH2, "client_secret_file": f"{OWN}/password", "endpoint_params": {"file": FILE}})[:2],
    *client(proxy_url="http://LISTENER/")[:2],
    job(proxy_from_environment=True, static_configs=[{"targets": ["shop.example:80"]}]),
    job(http_sd_configs=[{"url": "http://shop.example/targets/PATH", "proxy_from_environment": True}]),
    *client(follow_redirects=True)[:2],
    job(params={"file": [FILE], "url": [f"file://{FILE}"], "a": ["${ENV_TOKEN}", "$ENV_TOKEN", "$(cat " + FILE + ")"]}),
    job(params={"a": ['{{ file "' + FILE + '" }}', "$__file{" + FILE + "}", "@" + FILE]}),
    job(static_configs=TARGETS),
    job(http_sd_configs=[{"url": "http://LISTENER/targets/PATH"}], static_configs=[]),
    FROM_FILE,
    job(relabel_configs=[{"target_label": "__param_a", "replacement": "${ENV_TOKEN}"},
                         {"target_label": "__bearer_token_file__", "replacement": FILE}]),
    job(metric_relabel_configs=[{"target_label": "file", "replacement": FILE}]),
]  # fmt: skip


class Listener(WebServer):
    """Keeps what it is sent; it is a target that redirects, a list of targets, a proxy, and a source of tokens."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1", self._answer)
        self.requests: list[str] = []

    def _answer(self, request: Request) -> Response:
        given = request.authorization
        unpacked = [given.username, given.password] if given and given.type == "basic" else []
        self.requests.append(f"{request.url}\n{request.headers}{request.get_data(as_text=True)}\n{unpacked}")
        if request.path.startswith("/targets/"):
            return Response(self.filled(json.dumps(TARGETS), request.path[9:]), mimetype="application/json")
        if request.method == "POST":
            return Response('{"access_token": "a", "token_type": "bearer"}', mimetype="application/json")
        if "redirected" not in request.args:
            return Response("", 307, {"Location": f"http://{self.target}{request.path}?redirected=1"})
        return Response("a 1\n", mimetype="text/plain")

    def filled(self, text: str, way: str) -> str:
        """Return a text with this listener and the name of the way in it."""
        return text.replace("LISTENER", self.target).replace("PATH", way)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as running:
        yield running


async def judged(listener: Listener, texts: Sequence[str]) -> list[Judgement]:
    """Judge all files as the operator does; each is the file of a namespace, and their ways are numbered."""
    checker = ConfigChecker(binary("promtool").parent)
    filled = [listener.filled(text, f"way-{number:02}") for number, text in enumerate(texts)]
    check, tool = SCRAPE_CONFIGS.check, SCRAPE_CONFIGS.tool

    async def final(text: str) -> Judgement:
        # Else the program got no time for a minute, which says nothing about the file: the operator tries again.
        while not (found := await checker.judge(text, check, tool, text)).final:
            pass
        return found

    return await asyncio.gather(*map(final, filled))


def test_there_are_many() -> None:
    assert len(set(REFUSED)) > 60
    assert len(set(PERMITTED)) > 15


async def test_what_could_send_the_token_is_refused(listener: Listener) -> None:
    said = await judged(listener, REFUSED)
    assert [text for text, one in zip(REFUSED, said, strict=True) if one.problem is None] == []
    assert listener.requests == []


async def test_nothing_that_is_permitted_sends_the_token(listener: Listener, tmp_path: Path) -> None:
    said = await judged(listener, PERMITTED)
    assert [one.problem for one in said if one.problem] == []
    for number, one in enumerate(said):
        (tmp_path / f"{number}.scrape.yml").write_text(str(one.text))
    own = tmp_path / "own"
    own.mkdir()
    for name, text in {"password": "open-sesame", "path": FILE, "t.yml": yaml.safe_dump(TARGETS)}.items():
        way = f"way-{PERMITTED.index(FROM_FILE):02}"
        (own / name).write_text(listener.filled(text, way))
    with Listener() as control:
        # A job of ours, which may send it: it is there to be sent.
        ours = {"job_name": "ours", "authorization": {"credentials_file": FILE}}
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_config_files": [f"{tmp_path}/*.scrape.yml"],
            "scrape_configs": [ours | {"static_configs": [{"targets": [control.target]}]}],
        }
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
        log = tmp_path / "log"
        environment = {"PATH": os.environ["PATH"], "ENV_TOKEN": TOKEN, "HTTP_PROXY": listener.url("")}
        with log.open("w") as file, processes.running(command(tmp_path), stdout=file, stderr=file, env=environment):
            await asyncio.to_thread(eventually, lambda: sent(control.requests), f"our own job, see {log}")
            ways = {f"way-{number:02}" for number in range(len(PERMITTED))}
            await asyncio.to_thread(eventually, lambda: ways <= seen(listener), f"all of {sorted(ways)}, see {log}")
    assert "open-sesame" in str(listener.requests), "Secrets of the user's own are sent"
    assert not sent(listener.requests)


def seen(listener: Listener) -> set[str]:
    """Return the ways that have made a request other than for a list of targets."""
    addresses = [one.partition("\n")[0] for one in list(listener.requests)]
    return {found for one in addresses if "/targets/" not in one for found in re.findall(r"/(way-\d+)", one)}


def sent(requests: list[str]) -> bool:
    return any(TOKEN in one for one in list(requests))


def command(folder: Path) -> list[str]:
    """Return a Prometheus for which the files of a pod are where they are in one, and nowhere else on this machine."""
    assert shutil.which("unshare"), "a namespace of mounts needs unshare, of util-linux"
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    script = f"""
        mount -t tmpfs tmpfs "$(readlink -f /var/run)"
        mount -t tmpfs tmpfs /etc
        mkdir -p {ACCOUNT} {OWN}
        echo {TOKEN} > {FILE}
        cp {folder}/own/* {OWN}
        exec "$@"
    """
    prometheus = [
        *(str(binary("prometheus")), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"),
        "--web.listen-address=127.0.0.1:0",
    ]
    return ["unshare", "--mount", *root, "sh", "-ec", script, "sh", *prometheus]
