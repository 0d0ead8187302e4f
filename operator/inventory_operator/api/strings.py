"""The shapes of text in a spec: names of objects, images, hosts, addresses; each with its words for a person.

Pure: it judges one value at a time and never knows which field the value belongs to.
"""

from __future__ import annotations

from typing import Annotated

from inventory_operator.api.quantities import Text

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}([.]{_LABEL})*"
_PORT_AND_PATH = r"(:[0-9]{1,5})?/"
_PATH = r"[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*"
_HOST = r"[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?([.][a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)*"

#: The grammar of https://github.com/distribution/reference without the forms nobody deploys (digests but sha256).
Image = Annotated[
    str,
    Text(
        "an image reference like docker.io/prom/prometheus:v3.16.0",
        rf"^({_HOST}{_PORT_AND_PATH})?{_PATH}(/{_PATH})*(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(@sha256:[a-f0-9]{{64}})?$",
        512,
    ),
]
StackName = Annotated[
    str,
    Text(
        "a name of at most 40 lower-case letters, digits and '-' that starts with a letter and ends with no '-'",
        r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$",
        40,
    ),
]
#: Kubernetes' own rule for the names of Secrets, storage classes and ingress classes (RFC 1123 subdomain).
ObjectName = Annotated[
    str,
    Text("the name of an object: lower-case letters, digits, '-' and '.'", rf"^{_SUBDOMAIN}$", 253),
]
SecretKey = Annotated[
    str,
    Text("the name of a key in a Secret like url: letters, digits, '-', '_' and '.'",
         r"^[.]?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$", 253),
]  # fmt: skip
#: A key of a ConfigMap of the user's, short enough for both to become one key of ours.
ConfigMapName = Annotated[
    str,
    Text("the name of a ConfigMap: at most 100 lower-case letters, digits, '-' and '.'", rf"^{_SUBDOMAIN}$", 100),
]
ConfigMapKey = Annotated[
    str,
    Text("the name of a key in a ConfigMap like rules.yml: at most 100 letters, digits, '-', '_' and '.'",
         r"^[.]?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$", 100),
]  # fmt: skip
#: Below 93 % the fastest burn alert, at 13.44 times the budget, would want more than all requests to fail.
Objective = Annotated[
    str,
    Text('a percentage from 93 to 99.999 in quotes like "99.9"', r"^9[3-9]([.][0-9]{1,3})?$", 6),
]
Channel = Annotated[str, Text("a channel of Slack like #stock, or its ID", r"^[#@]?[A-Za-z0-9][A-Za-z0-9_.-]*$", 80)]
EmailAddress = Annotated[
    str,
    Text("an email address like ops@example.com, without a display name", rf"^[A-Za-z0-9._%+=-]+@{_HOST}$", 254),
]
Smarthost = Annotated[
    str, Text("host and port of an SMTP server like mail.example.com:587", rf"^{_HOST}:[1-9][0-9]{{0,4}}$", 259)
]
Account = Annotated[str, Text("a user name of letters, digits and any of ._%+@=-", r"^[A-Za-z0-9._%+@=-]+$", 128)]
MuteTimeName = Annotated[str, Text("a name of lower-case letters, digits and '-' like nights", rf"^{_LABEL}$", 63)]
TimeOfDay = Annotated[
    str, Text("a time of day like 22:00, at most 24:00", r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", 5)
]
#: Whether there is such a zone is for Alertmanager to say: its list, not ours, is the one that counts.
TimeZone = Annotated[
    str, Text("a time zone like Europe/Berlin or UTC", r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$", 64)
]
#: No user and password in it: they belong into a Secret.
Url = Annotated[
    str,
    Text("a URL like https://metrics.example.com/api/v1/write, without a user or password",
         rf"^https?://{_HOST}(:[1-9][0-9]{{0,4}})?(/[A-Za-z0-9._~:=+%-]*)*([?][A-Za-z0-9._~/:=&+%-]*)?$", 1024),
]  # fmt: skip
#: The service's own pattern (service/inventory_service/settings.py).
RateLimit = Annotated[
    str, Text("a rate like 100/minute (second, minute or hour)", r"^[1-9][0-9]{0,8}/(second|minute|hour)$", 16)
]
#: The last label starts with a letter: an Ingress refuses IP addresses.
Host = Annotated[
    str,
    Text("a host name like shop.example.com (no wildcard, no port, no address)",
         rf"^({_LABEL}[.])*[a-z]([-a-z0-9]{{0,61}}[a-z0-9])?$", 253),
]  # fmt: skip
#: Two leading underscores belong to Prometheus itself; `namespace` and `stack` to the rules, the last one to replicas.
RESERVED_EXTERNAL_LABELS = frozenset({"namespace", "stack", "prometheus_replica"})
ExternalLabelName = Annotated[
    str,
    Text("a label name like region (letters, digits and '_', not starting with a digit or '__', and none of namespace, "
         "stack, prometheus_replica)",
         r"^(_|_?[a-zA-Z][a-zA-Z0-9_]*|_[0-9][a-zA-Z0-9_]*)$", 63, lambda text: text not in RESERVED_EXTERNAL_LABELS),
]  # fmt: skip
#: No `$`: Prometheus 3 expands environment variables in external labels.
ExternalLabelValue = Annotated[
    str,
    Text("a label value of at most 128 letters, digits, spaces and any of ._:/@+,=-",
         r"^[A-Za-z0-9][A-Za-z0-9 ._:/@+,=-]*$", 128),
]  # fmt: skip


def _annotation_allowed(key: str) -> bool:
    """Tell whether a user may set this annotation: ours, kubectl's and those that inject controller code are closed."""
    prefix, _, name = key.rpartition("/")
    closed = prefix in {"inventorystack.dev", "kubectl.kubernetes.io"} or prefix.endswith(".inventorystack.dev")
    return not (closed or key == "kubernetes.io/ingress.class" or name.endswith("-snippet"))


AnnotationKey = Annotated[
    str,
    Text("an annotation key like cert-manager.io/cluster-issuer (none of inventorystack.dev, kubectl.kubernetes.io, "
         "kubernetes.io/ingress.class, nor a -snippet)",
         rf"^({_SUBDOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?$", 317, _annotation_allowed),
]  # fmt: skip
AnnotationValue = Annotated[
    str, Text("an annotation value: at most 4096 printable ASCII characters on one line", r"^[ -~]*$", 4096)
]
