"""Which fields a scrape job may have: each that Prometheus knows, and whether we permit it or why not.

What Prometheus knows is in scrape_fields.txt, which hack/scrape_fields.py makes from its sources. A field that is in
none of the lists here is refused, so that a new version of Prometheus permits nothing by itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SECRETS_FOLDER = "/etc/prometheus/secrets/"
#: One path a line; a list adds nothing to a path, and `*` is any key.
KNOWN_FILE = Path(__file__).with_name("scrape_fields.txt")
_ANY = "*"

_JOB = """
always_scrape_classic_histograms body_size_limit convert_classic_histograms_to_nhcb enable_compression
extra_scrape_metrics fallback_scrape_protocol honor_labels honor_timestamps job_name keep_dropped_targets label_limit
label_name_length_limit label_value_length_limit metric_name_escaping_scheme metric_name_validation_scheme metrics_path
native_histogram_bucket_limit native_histogram_min_bucket_factor params params.* sample_limit scheme scrape_interval
scrape_native_histograms scrape_protocols scrape_timeout target_limit track_timestamps_staleness
"""
_RELABELING = "action modulus regex replacement separator source_labels target_label"
_TLS = "ca ca_file cert cert_file insecure_skip_verify key_file max_version min_version server_name"
_OAUTH2 = f"""
audience claims claims.* client_certificate_key_file client_certificate_key_id client_id client_secret_file
endpoint_params endpoint_params.* grant_type iss no_proxy proxy_from_environment proxy_url scopes signature_algorithm
tls_config {" ".join(f"tls_config.{name}" for name in _TLS.split())} token_url
"""
#: Settings of an HTTP client: of a job, and of what asks for its targets.
_CLIENT = f"""
authorization authorization.credentials_file authorization.type
basic_auth basic_auth.password_file basic_auth.username basic_auth.username_file
bearer_token_file enable_http2 follow_redirects http_headers http_headers.* http_headers.*.files
no_proxy proxy_from_environment proxy_url
oauth2 {" ".join(f"oauth2.{name}" for name in _OAUTH2.split())}
tls_config {" ".join(f"tls_config.{name}" for name in _TLS.split())}
"""
_DISCOVERY = {
    "dns_sd_configs": "names port refresh_interval type",
    "file_sd_configs": "files refresh_interval",
    "http_sd_configs": f"refresh_interval url {_CLIENT}",
    "kubernetes_sd_configs": "namespaces namespaces.own_namespace role selectors selectors.field selectors.label "
    "selectors.role",
    "static_configs": "labels labels.* targets",
}


def _permitted() -> Iterable[str]:
    yield from _JOB.split()
    yield from _CLIENT.split()
    below = {"relabel_configs": _RELABELING, "metric_relabel_configs": _RELABELING, **_DISCOVERY}
    for name, fields in below.items():
        yield name
        yield from (f"{name}.{one}" for one in fields.split())


PERMITTED = frozenset(_permitted())

_WHERE_ELSE = "a ConfigMap must not hold: put it into a Secret, list that under spec.prometheus.secrets"
#: Why fields are refused, by a pattern of their path; the first that fits counts.
REFUSED = {
    r"kubernetes_sd_configs\.attach_metadata(\..*)?": (
        "{name} is not permitted: Prometheus may read the pods of its namespace and nothing else; leave it out"
    ),
    r"kubernetes_sd_configs\.namespaces\.names": (
        "{name} is not permitted: Prometheus may look for pods in its own namespace only; use own_namespace: true"
    ),
    r"kubernetes_sd_configs\..*": (
        "{name} is not permitted: Prometheus asks the API server of its own cluster, as itself; leave it out"
    ),
    r"[^.]+_sd_configs": (
        "{name} is not permitted, since discovery in a cloud may use credentials of the node: expected one of "
        + ", ".join(sorted(_DISCOVERY))
    ),
    "scrape_failure_log_file": (
        "{name} is not permitted, since it writes a file: leave it out, and look at Prometheus' page of targets"
    ),
    r"(.*\.)?http_headers\.\*\.(values|secrets)": (
        "{name}: the value of a header may be a secret, which " + _WHERE_ELSE + ", and use files"
    ),
    r"(.*\.)?proxy_connect_header(\.\*)?": (
        "{name} holds secrets, which a ConfigMap must not hold, and no file can: use a proxy that asks for none"
    ),
    r"(.*\.)?\w+_ref": (
        "{name} names a secret manager, and Prometheus has none here: put the value into a Secret, list that under "
        "spec.prometheus.secrets, and name its file"
    ),
    r"(.*\.)?(bearer_token|client_certificate_key|client_secret|credentials|key|password)": (
        "{name} is a secret, which " + _WHERE_ELSE + ", and use {name}_file"
    ),
}


@dataclass(slots=True)
class Field:
    """A field that Prometheus knows."""

    name: str
    path: str
    #: Why it is refused; None where it is permitted.
    refusal: str | None = None
    #: Those in it; under `*` what is in each key.
    fields: dict[str, Field] = field(default_factory=dict)

    @property
    def is_file(self) -> bool:
        """Return whether its values are names of files."""
        return self.name == "files" or self.name.endswith("_file")

    def find(self, name: str) -> Field | None:
        """Return the field of a name in this one; None where Prometheus knows none."""
        return self.fields.get(name) or self.fields.get(_ANY)

    def permitted(self) -> list[str]:
        """Return the names of the permitted fields in this one."""
        return sorted(one.name for one in self.fields.values() if one.refusal is None and one.name != _ANY)


def known() -> list[str]:
    """Return the paths of all fields that Prometheus knows; its version is in the first line of the file."""
    return [line for line in KNOWN_FILE.read_text("utf-8").splitlines() if not line.startswith("#")]


def job() -> Field:
    """Return a job as a field, with all that it may have in it."""
    root = Field("job", "")
    for path in known():
        *above, name = path.split(".")
        inside = root
        for one in above:
            inside = inside.fields[one]
        inside.fields[name] = Field(name, path, refusal(path))
    return root


def refusal(path: str) -> str | None:
    """Return why a field is refused; None where it is permitted."""
    if path in PERMITTED:
        return None
    name = path.removesuffix(".*").rpartition(".")[2]
    for pattern, reason in REFUSED.items():
        if re.fullmatch(pattern, path):
            return reason.format(name=name)
    return f"{name} is not permitted"
