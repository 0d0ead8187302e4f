"""What promtool and amtool say of a file, on one line; for a user's file without any text of that file.

They quote what they refuse, and somebody may have pasted a secret there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LONGEST = 300
#: Characters of output that are looked at: a file of thousands of faults has as many lines.
_LOOKED_AT = 20_000
_FRAME = re.compile(
    r"^(Checking \S+)?\s*(FAILED:|SUCCESS:.*)?\s*(parsing YAML file )?(amtool: error: .*)?(/dev/stdin: )?"
    r"(yaml: unmarshal errors:)?"
)
_LOG = re.compile(r"time=\S+ level=")
_QUOTED = r'"(?:[^"\\]|\\.)*"'
#: Where in the file, which both parsers of YAML put first; and where in an expression.
_PLACE = re.compile(
    r"(?:yaml: )?(?:(?:line (?P<named>\d+)|(?P<line>\d+):\d+)(?:: \d+:\d+)?: )?"
    rf"(?:group {_QUOTED}, rule (?P<rule>\d+), {_QUOTED}: )?"
)
_EXPRESSION = re.compile(r"could not parse expression: \d+:\d+: ")
_WORD = re.compile(r"""[^\s:,;()"'`]+|[:,;](?=\s|$)""")
_HIDDEN = "…"
#: The words in which Prometheus, its parsers of YAML and PromQL, and Go's templates say what is wrong: those of the
#: messages in their sources. Whatever else is in a message is of the file.
_VOCABULARY = """
a action after aggr aggregate aggregation alert alerting alertmanager alerts algorithms aliasing all allowed
already also always an anchor anchored and annotation annotations api api_server are argument arguments array as
at attempted attribute auth authorization backslash bad base64 basic basic_auth be bearer bearer_token
bearer_token_file before between binary binop block bool both bounds brace braces bracket break buckets but by ca
ca_file ca_ref call can cannot capacity cert cert_file cert_ref certificate changed character chunk_encoding class
clause client client_certificate_key client_certificate_key_file client_certificate_key_ref client_credentials
client_id client_secret client_secret_file client_secret_ref closing code colon combining command commas comment
comparable comparison comparisons compatible compression config configs configuration configured constant contain
contains content continue control correctly corrupted could count counter_reset_hint create creating credentials
credentials_file custom custom_values data day declarations decode deeply defined definition delimiter description
descriptor determine did directive disabled discovery division dns document does domain duplicate duplicated
duration either elements empty enable enabled end endpoint endpoints endpointslice ends entirely eof equal err
error errors escape escaping evaluation event exactly exceeded except excessive executable exist expected
expecting experimental explicitly expr expression expressions extension extra failed fallback_scrape_protocol
feature fetch fetched field fields file files fill filling find flag float floats for found from function
functions generate global go got grant greater group grouping groupname has hashmod have header headers histogram
histograms host hostname http https identifier if ignore_resource_attributes illegal implemented in incompatible
incomplete index indexes ingress initialize inline input inside instant instead int internal interval into invalid
ip is it item itself job job_name keep_firing_for key key_file keys kind kubeconfig_file kubernetes label large
least left legacy len less limit line literal load loaded manager many map mapping maps marshal match matcher
matching max max_backoff max_samples_per_send max_shards max_version may merge message method metric metrics
min_backoff min_shards min_version missing mode model modifier modifiers modulo modulus month most multiple must
name named names namespace namespaces namevalidationscheme needs nested nests no no_proxy node non not null number
oauth oauth2 object occur of offset omitted on once one only op opening operand operation operations operator
operators option options or other out outside overwrite parameter parameters params paren parenthesis parse
parsing password password_file password_ref past path paths percentage pipeline pod pointer port positive preceded
present problem promote_all_resource_attributes promote_resource_attributes promql protobuf_message protocol
provide provided proxy_connect_header proxy_from_environment proxy_url query queue quoted range ranges read record
recording records ref referenced regex regexp relabel relabeling remote remote_read remote_write repeat repeated
repetition replacement request requested required requires reserved resolve resource responded retention
retrieving return returned right role rule rule_files same scalar scalars scanning schema scheme scrape
scrape_protocols search second secret section segment selector selectors semicolon separator seq sequence serial
series server servers service set setting should signature sigv4 size slice smoothed source_labels specified stale
start started statement status step stopping storage str strategy stream string struct subqueries subquery sum
support supported supports syntax tag target target_label template term terminated text than the time timeout
times timestamp tls tls_config to together token token_url too tracing trailing translation true truncated twice
type types unable unary unclosed undefined unexpected unhandled unicode unit unknown unless unmarshal unquoting
unrecognized unset unsupported unterminated untyped uri url use used userinfo username username_file username_ref
using utf utf8 valid validated validation validationscheme value values variable variables vector vectors version
via viable want was watcher when while with without write wrong xor xor2 yaml year z_bucket z_bucket_w zero zone
"""
_WORDS = frozenset(_VOCABULARY.split())


def problem_of(said: str, words: Callable[[str], str] = str) -> str:
    """Return what a program's output says is wrong, on one line: without its frame, and each thing once.

    `words` makes of one line of it what is shown.
    """
    lines = (_FRAME.sub("", line).strip() for line in said[:_LOOKED_AT].splitlines() if not _LOG.match(line))
    shown = dict.fromkeys(words(line) for line in lines if line)
    return " ".join(shown)[:_LONGEST] or "refused without a word"


def without_text(line: str, lines: Mapping[str, int]) -> str:
    """Return a line of it with the words of the program only, and with the line of the user's file.

    `lines` has that for lines of what the program read, where it read something else.
    """
    places = []
    if place := _PLACE.match(line):
        if number := place["named"] or place["line"]:
            places.append(f"line {lines.get(number, number)}")
        if place["rule"]:
            places.append(f"rule {place['rule']} of its group")
        line = line[place.end() :]
    shown = f"{', '.join(places)}: " if places else ""
    if expression := _EXPRESSION.match(line):
        shown += expression[0]
        line = line[expression.end() :]
    return shown + _known(line)


def _known(line: str) -> str:
    known: list[str] = []
    for found in _WORD.findall(line):
        if found in {":", ",", ";"}:
            if known:
                known[-1] = known[-1].rstrip(":,;") + found
        elif found.lower().rstrip(".") in _WORDS:
            known.append(found)
        elif not known or known[-1] != _HIDDEN:
            known.append(_HIDDEN)
    return " ".join(known)
