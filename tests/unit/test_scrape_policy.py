"""Which fields of a scrape job are permitted, and what is said of the others."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

import scrape_fields
from devcluster.paths import MODULES
from inventory_operator.api.prometheus import PROMETHEUS_IMAGE
from inventory_operator.checks import scrape
from inventory_operator.checks.scrape_policy import KNOWN_FILE, PERMITTED, REFUSED, known
from inventory_operator.checks.yaml_tree import RefusedError

#: Text of a file, which no message has.
CANARY = "hunter2"
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
FILE = "/etc/prometheus/secrets/login/password"
TLS = {"ca_file": FILE, "cert_file": FILE, "key_file": FILE, "server_name": "a", "insecure_skip_verify": False}
OWN = {"role": "pod", "namespaces": {"own_namespace": True}}


def jobs(**job: Any) -> str:
    return yaml.safe_dump({"scrape_configs": [{"job_name": "mine", **job}]}, sort_keys=False)


def test_the_list_is_of_the_prometheus_that_we_ship() -> None:
    _, _, version = PROMETHEUS_IMAGE.partition(":")
    assert KNOWN_FILE.read_text("utf-8").startswith(scrape_fields.head(version)), "run make scrape-fields"
    pinned = re.search(r"github\.com/prometheus/prometheus (v\S+)", (MODULES / "servers" / "go.mod").read_text())
    assert pinned
    assert scrape_fields.released(pinned[1]) == version


def test_every_field_is_permitted_or_refused_for_a_reason() -> None:
    fields = known()
    assert len(fields) == len(set(fields))
    assert set(fields) >= PERMITTED, "each is known"
    refused = [path for path in fields if path not in PERMITTED]
    reasons = [next((one for one in REFUSED if re.fullmatch(one, path)), path) for path in refused]
    assert set(reasons) == set(REFUSED), "each has a reason, and each reason a field"


@pytest.mark.parametrize(
    "job",
    [
        {"scrape_interval": "30s", "sample_limit": 5, "scheme": "https", "honor_labels": True, "metrics_path": "/m"},
        {"basic_auth": {"username": "shop", "password_file": FILE}},
        {"authorization": {"type": "Bearer", "credentials_file": FILE}, "tls_config": TLS},
        {"bearer_token_file": FILE, "proxy_url": "http://proxy:3128", "follow_redirects": False},
        {"http_headers": {"X-Scope-OrgID": {"files": [FILE]}}},
        {"oauth2": {"client_id": "a", "client_secret_file": FILE, "token_url": "https://a/t", "tls_config": TLS,
                    "endpoint_params": {"audience": "a"}, "scopes": ["a"]}},
        {"params": {"module": ["http_2xx"], "auth": ["public_v2"], "match[]": ['{job="a"}']}},
        {"static_configs": [{"targets": ["a:1", "https://a.example.com/x?y=z"], "labels": {"key": "a", "token": "b"}}]},
        {"dns_sd_configs": [{"names": ["a.example.com"], "type": "A", "port": 1}]},
        {"file_sd_configs": [{"files": ["/etc/prometheus/secrets/targets/*.yml"]}]},
        {"http_sd_configs": [{"url": "https://a/targets", "basic_auth": {"username": "a", "password_file": FILE}}]},
        {"kubernetes_sd_configs": [{**OWN, "selectors": [{"role": "pod", "label": "app=a"}]}]},
        {"relabel_configs": [{"source_labels": ["__address__"], "target_label": "__param_target"}],
         "metric_relabel_configs": [{"action": "labeldrop", "regex": "a.*@b"}]},
    ],
)  # fmt: skip
def test_permitted(job: dict[str, Any]) -> None:
    assert yaml.safe_load(str(scrape.check(jobs(**job)).text)) == yaml.safe_load(jobs(**job))


NOT_HERE = "which a ConfigMap must not hold"
SECRET = f"is a secret, {NOT_HERE}: put it into a Secret, list that under spec.prometheus.secrets, and use"


@pytest.mark.parametrize(
    ("job", "words"),
    [
        # Secrets, in whatever form.
        ({"basic_auth": {"password": CANARY}}, f"line 4: password {SECRET} password_file"),
        ({"basic_auth": {"password": 12345}}, "use password_file"),
        ({"basic_auth": {"password": [CANARY]}}, "use password_file"),
        ({"basic_auth": {"password": {CANARY: CANARY}}}, "use password_file"),
        ({"basic_auth": {"password": None}}, "use password_file"),
        ({"authorization": {"credentials": CANARY}}, f"credentials {SECRET} credentials_file"),
        ({"bearer_token": CANARY}, f"bearer_token {SECRET} bearer_token_file"),
        ({"oauth2": {"client_secret": CANARY}}, f"client_secret {SECRET} client_secret_file"),
        ({"oauth2": {"client_certificate_key": CANARY}}, "use client_certificate_key_file"),
        ({"oauth2": {"tls_config": {"key": CANARY}}}, f"key {SECRET} key_file"),
        ({"tls_config": {"key": CANARY}}, f"key {SECRET} key_file"),
        ({"tls_config": {"cert": f"-----BEGIN EC PRIVATE KEY-----\n{CANARY}"}}, "a private key is a secret, which"),
        ({"http_headers": {"X-Key": {"values": [CANARY]}}}, "and use files"),
        ({"http_headers": {CANARY: {"secrets": [CANARY]}}}, "and use files"),
        ({"proxy_connect_header": {"X": [CANARY]}}, "use a proxy that asks for none"),
        ({"oauth2": {"proxy_connect_header": {"X": [CANARY]}}}, "use a proxy that asks for none"),
        ({"proxy_url": f"http://a:{CANARY}@proxy"}, f"a URL has a user or password in it, {NOT_HERE}"),
        ({"oauth2": {"token_url": f"https://{CANARY}@a/t"}}, "a URL has a user or password in it"),
        ({"http_sd_configs": [{"url": f"https://a:{CANARY}@b/"}]}, "a URL has a user or password in it"),
        ({"http_sd_configs": [{"url": f"https://b/?a=1&api_key={CANARY}"}]}, "a parameter in a URL is a secret"),
        ({"http_sd_configs": [{"authorization": {"credentials": CANARY}}]}, "use credentials_file"),
        ({"static_configs": [{"targets": [f"https://a:{CANARY}@b/"]}]}, "a URL has a user or password in it"),
        ({"static_configs": [{"targets": [f"a:{CANARY}@b"]}]}, "a URL has a user or password in it"),
        ({"static_configs": [{"labels": {"__param_token": CANARY}}]}, "a parameter is a secret by its name"),
        ({"params": {"token": [CANARY]}}, f"a parameter is a secret by its name, {NOT_HERE}: use authorization with"),
        ({"params": {"X-Api-Key": [CANARY]}}, "a parameter is a secret by its name"),
        ({"params": {"refresh_TOKEN": [CANARY]}}, "a parameter is a secret by its name"),
        ({"oauth2": {"endpoint_params": {"password": CANARY}}}, "a parameter is a secret by its name"),
        ({"relabel_configs": [{"target_label": "__param_secret", "replacement": CANARY}]}, "is a secret by its name"),
        ({"basic_auth": {"password_ref": CANARY}}, "password_ref names a secret manager"),
        # Files that are not the user's.
        ({"authorization": {"credentials_file": TOKEN}}, "line 4: a field that ends in _file: expected a file below"),
        ({"bearer_token_file": TOKEN}, "expected a file below /etc/prometheus/secrets/"),
        ({"bearer_token_file": f"/etc/prometheus/secrets/../../..{TOKEN}"}, "expected a file below"),
        ({"bearer_token_file": f"../secrets/{CANARY}"}, "expected a file below"),
        ({"http_headers": {"X-T": {"files": [FILE, TOKEN]}}}, "files: expected a file below"),
        ({"file_sd_configs": [{"files": ["/etc/prometheus/config/*.yml"]}]}, "files: expected a file below"),
        ({"scrape_failure_log_file": "/prometheus/log"}, "since it writes a file"),
        # What leaves the namespace, or uses other rights.
        ({"kubernetes_sd_configs": [{"role": "pod"}]}, "line 4: a job that looks for pods: expected namespaces: "),
        ({"kubernetes_sd_configs": [{"role": "pod", "namespaces": {}}]}, "expected namespaces: {own_namespace: true}"),
        ({"kubernetes_sd_configs": [{"role": "pod", "namespaces": {"own_namespace": False}}]}, "expected namespaces"),
        ({"kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": [CANARY]}}]}, "use own_namespace: true"),
        ({"kubernetes_sd_configs": [OWN | {"role": CANARY}]}, "role: expected pod"),
        ({"kubernetes_sd_configs": [OWN | {"selectors": [{"role": "node"}]}]}, "role: expected pod"),
        ({"kubernetes_sd_configs": [OWN | {"attach_metadata": {"node": True}}]}, "attach_metadata is not permitted"),
        ({"kubernetes_sd_configs": [OWN | {"api_server": f"https://{CANARY}"}]}, "api_server is not permitted"),
        ({"kubernetes_sd_configs": [OWN | {"kubeconfig_file": FILE}]}, "kubeconfig_file is not permitted"),
        ({"kubernetes_sd_configs": [OWN | {"authorization": {}}]}, "authorization is not permitted"),
        ({"ec2_sd_configs": [{"access_key": CANARY}]}, "ec2_sd_configs is not permitted, since discovery in a cloud"),
        ({"consul_sd_configs": []}, "expected one of dns_sd_configs, file_sd_configs, http_sd_configs, kubernetes_sd_"),
        # What Prometheus does not know.
        ({"static": []}, "line 3: unknown field in a job; did you mean static_configs?"),
        ({CANARY: 1}, "line 3: unknown field in a job"),
        ({CANARY * 40: 1}, "line 3: unknown field in a job"),
        ({f"{CANARY}_sd_configs": []}, "line 3: unknown field in a job"),
        ({"basic_auth": {CANARY: 1}}, "unknown field in basic_auth; expected one of password_file, username, "),
        ({"http_headers": {CANARY: {CANARY: 1}}}, "unknown field in http_headers.…; expected one of files"),
        ({"scrape_interval": {CANARY: 1}}, "line 4: unknown field in scrape_interval"),
        ({"static_configs": [{"labels": {"a": {CANARY: 1}}}]}, "unknown field in static_configs.labels.…"),
        ({"oauth2": {"claims": {"a": {CANARY: 1}}}}, "unknown field in oauth2.claims.…"),
    ],
    ids=str,
)  # fmt: skip
def test_refused(job: dict[str, Any], words: str) -> None:
    with pytest.raises(RefusedError) as refused:
        scrape.check(jobs(**job))
    assert words in str(refused.value)
    assert CANARY not in str(refused.value)
