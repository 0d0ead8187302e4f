"""States that a real node and the controllers of Kubernetes make, each in a Deployment of a stack, and what is said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.framework.kube import BASE_IMAGE
from tests.framework.stacks import EXTERNAL, NO_GRAFANA

Object = dict[str, Any]
#: The end of the names of a component's children, and the condition that tells of it.
PARTS = {
    "service": ("inventory", "ServiceAvailable"),
    "prometheus": ("prometheus", "PrometheusAvailable"),
    "alertmanager": ("alertmanager", "AlertmanagerAvailable"),
}
#: What keeps an object that was deleted.
FINALIZER = "example.com/hold"
LEAN = {**NO_GRAFANA, "containerMetrics": "none"}
#: No node has this label: no pod is started before its state is planted.
ON_NO_NODE = {"placement": {"nodeSelector": {"example.com/node": "none"}}}

_SECURITY = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_REQUESTS = {"cpu": "1m", "memory": "8Mi"}
#: A port at which nothing listens.
_CLOSED = {"tcpSocket": {"port": 1}, "periodSeconds": 1}
_DESCRIBE = "read its log, and what kubectl describe pod says"


def container(*command: str, name: str = "main", **more: Any) -> Object:
    """A container that the Pod Security level of the namespace admits; without a command it sleeps."""
    return {
        "name": name,
        "image": BASE_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command or ("sleep", "infinity")),
        "resources": {"requests": _REQUESTS},
        "securityContext": _SECURITY,
        **more,
    }


def pods(*containers: Object, **more: Any) -> Object:
    """A merge patch for a Deployment: its pods have these containers and fields, and little of what they had."""
    spec = {
        "nodeSelector": None,
        "volumes": None,
        "containers": list(containers or (container(),)),
        "terminationGracePeriodSeconds": 1,
        **more,
    }
    return {"spec": {"template": {"spec": spec}}}


def _with_claim(name: str) -> Object:
    return pods(volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": name}}])


@dataclass(frozen=True, slots=True)
class State:
    """One state, of the Deployment of a component of a stack."""

    stack: str
    component: str
    #: What the condition says.
    reason: str
    #: A part of its message; `{namespace}` is put in.
    words: str
    #: What a person does to the Deployment.
    change: Object = field(default_factory=dict)
    status: str = "False"

    @property
    def name(self) -> str:
        """The name of the Deployment, its claim and its autoscaler; those of its pods begin with it."""
        return f"{self.stack}-{PARTS[self.component][0]}"


#: Told as soon as Kubernetes says it.
AT_ONCE = {
    "registry-is-not-there": State(
        *("images", "service", "ImagePullBackOff"),
        "container main: image localhost:1/none:1 can't be pulled: correct its name, or see that the nodes reach its",
        pods(container(image="localhost:1/none:1")),
    ),
    "image-is-not-there-and-never-pulled": State(
        *("images", "prometheus", "ImagePullBackOff"),
        "image localhost:1/never:1 is not on its node, and its imagePullPolicy is Never: correct its name, or bring it",
        pods(container(image="localhost:1/never:1", imagePullPolicy="Never")),
    ),
    "name-of-the-image-is-invalid": State(
        *("images", "alertmanager", "InvalidImageName"),
        "image localhost:1/NONE:1 can't be used: correct its name",
        pods(container(image="localhost:1/NONE:1")),
    ),
    "key-of-a-secret-is-missing": State(
        *("config", "service", "CreateContainerConfigError"),
        "container main can't be started: couldn't find key none in Secret {namespace}/db",
        pods(container(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "none"}}}])),
    ),
    "image-runs-as-root": State(
        *("config", "prometheus", "CreateContainerConfigError"),
        "can't be started: container has runAsNonRoot and image will run as root",
        pods(securityContext={"runAsUser": None, "runAsGroup": None}),
    ),
    "seccomp-profile-is-missing": State(
        *("config", "alertmanager", "CreateContainerError"),
        "none.json",
        pods(
            container(
                securityContext={**_SECURITY, "seccompProfile": {"type": "Localhost", "localhostProfile": "none.json"}}
            )
        ),
    ),
    "ends-with-an-error": State(
        *("ends", "service", "CrashLoopBackOff"),
        "container main ended with exit code 3: read its log",
        pods(container("sh", "-c", "exit 3")),
    ),
    "out-of-memory": State(
        *("ends", "prometheus", "OOMKilled"),
        "container main was killed: out of memory: raise its memory limit",
        pods(
            container(
                *("python3", "-c", "print(len('x' * 2**30))"),
                resources={"requests": _REQUESTS, "limits": {"memory": "32Mi"}},
            )
        ),
    ),
    "command-is-not-there": State(
        *("ends", "alertmanager", "RunContainerError"),
        'exec: "none": executable file not found in $PATH',
        pods(container("none")),
    ),
    "ends-well-again-and-again": State(
        *("scaled", "alertmanager", "CrashLoopBackOff"),
        f"container main ended with exit code 0: {_DESCRIBE}",
        pods(container("true")),
    ),
    "init-container-fails": State(
        *("inits", "service", "CrashLoopBackOff"),
        "container first ended with exit code 3: read its log",
        pods(initContainers=[container("sh", "-c", "exit 3", name="first")]),
    ),
    "init-container-never-ends": State(
        *("inits", "prometheus", "Initializing"),
        "container first is still at work, and the others wait for it: read its log",
        pods(initContainers=[container(name="first")]),
    ),
    "sidecar-fails": State(
        *("inits", "alertmanager", "CrashLoopBackOff"),
        "container proxy ended with exit code 1: read its log",
        pods(initContainers=[container("false", name="proxy", restartPolicy="Always")]),
    ),
    "sidecar-is-not-ready": State(
        *("checks", "service", "NotReady"),
        "container proxy runs, but its readiness check fails: read its log",
        pods(initContainers=[container(name="proxy", restartPolicy="Always", readinessProbe=_CLOSED)]),
    ),
    "never-ready": State(
        *("checks", "prometheus", "NotReady"),
        "container main runs, but its readiness check fails: read its log",
        pods(container(readinessProbe=_CLOSED)),
    ),
    "liveness-check-fails": State(
        *("checks", "alertmanager", "CrashLoopBackOff"),
        f"container main ended with exit code 137: {_DESCRIBE}",
        pods(container(livenessProbe={**_CLOSED, "failureThreshold": 1})),
    ),
    "no-node-has-the-label": State(
        *("nodes", "service", "Unschedulable"),
        "fits on no node: add room, or change its resources or placement: 0/1 nodes are available: 1 node(s) didn't "
        "match Pod's node affinity/selector",
    ),
    "no-node-has-the-cpu": State(
        *("nodes", "prometheus", "Unschedulable"),
        "fits on no node: add room, or change its resources or placement: 0/1 nodes are available: 1 Insufficient cpu",
        pods(container(resources={"requests": {"cpu": "1000"}})),
    ),
    "scheduling-gate": State(
        *("nodes", "alertmanager", "SchedulingGated"),
        "waits for its scheduling gates, which whoever set them has to remove",
        pods(schedulingGates=[{"name": "example.com/gate"}]),
    ),
    "readiness-gate": State(
        *("serving", "alertmanager", "ReadinessGatesNotReady"),
        'readiness gate "lb.example.com/target"',
        pods(readinessGates=[{"conditionType": "lb.example.com/target"}]),
    ),
    "volume-is-lost": State(
        *("volumes", "service", "VolumeLost"),
        "has lost its volume: restore its PersistentVolume, or delete the claim",
    ),
    "storage-class-is-missing": State(
        *("volumes", "prometheus", "StorageClassMissing"),
        'storage class "{namespace}-none" not found: create it, or correct spec.prometheus.storage.storageClassName',
    ),
    "storage-class-makes-no-volume": State(
        *("volumes", "alertmanager", "VolumePending"),
        'waits for a volume of storage class "{namespace}-at-once": kubectl describe pvc volumes-alertmanager',
        _with_claim("volumes-alertmanager"),
    ),
    "quota": State(
        *("refused", "service", "FailedCreate"),
        "is forbidden: exceeded quota: best-effort",
        pods(container(resources={})),
    ),
    "pod-security": State(
        *("refused", "prometheus", "FailedCreate"),
        'is forbidden: violates PodSecurity "restricted',
        pods(container(securityContext={"privileged": True})),
    ),
    "account-is-missing": State(
        *("later", "alertmanager", "FailedCreate"),
        'is forbidden: error looking up service account {namespace}/none: serviceaccount "none" not found',
        pods(serviceAccountName="none", serviceAccount="none"),
    ),
    "no-progress": State(
        *("refused", "alertmanager", "ProgressDeadlineExceeded"),
        "Deployment refused-alertmanager has made no progress for too long: kubectl describe deployment",
        {
            "spec": {
                "progressDeadlineSeconds": 1,
                **pods(container(startupProbe={**_CLOSED, "failureThreshold": 10_000}))["spec"],
            }
        },
    ),
    "newest-pod-fails-while-the-old-one-serves": State(
        *("serving", "service", "ImagePullBackOff"),
        "1 of 1 pods available; pod serving-inventory-",
        pods(),
        "True",
    ),
    "paused-while-a-change-waits": State(
        *("paused", "service", "DeploymentPaused"),
        "is paused, so its pods are not replaced: kubectl rollout resume deployment/paused-inventory",
        pods(),
        "True",
    ),
    "no-metrics-to-scale-by": State(
        *("scaled", "service", "AutoscalingFailed"),
        "the metrics API has no metrics of its pods: kubectl describe hpa scaled-inventory",
        # Without a request for CPU there is nothing to scale by, even where there are metrics.
        pods(container(resources={"requests": {"memory": "8Mi"}})),
        "True",
    ),
}

#: Told when it has lasted for half a minute or a minute, or for more than one crash.
LATER = {
    "crashes-and-is-ready-in-between": State(
        *("scaled", "prometheus", "CrashLoopBackOff"),
        "0 of 1 pods available; pod scaled-prometheus-",
        pods(container("sh", "-c", "sleep 3; exit 3")),
    ),
    "file-to-mount-is-missing": State(
        *("mounts", "service", "ContainerCreating"),
        "has not prepared its volumes and its network: kubectl describe pod mounts-inventory-",
        pods(
            container(volumeMounts=[{"name": "files", "mountPath": "/files"}]),
            volumes=[{"name": "files", "configMap": {"name": "none"}}],
        ),
    ),
    "registry-is-slow": State(
        *("later", "prometheus", "PullingImage"),
        "is still pulling image localhost:",
        # The test puts in the registry.
        pods(container(image="/slow:1")),
    ),
    "storage-class-makes-no-volume-on-the-node": State(
        *("later", "service", "VolumePending"),
        'waits for a volume of storage class "{namespace}-on-node": kubectl describe pvc later-inventory',
        _with_claim("later-inventory"),
    ),
}

#: What lies around counts for nothing.
WELL = {
    "evicted": State(
        *("paused", "prometheus", "Available", "1 of 1 pods available"),
        pods(container(resources={"requests": _REQUESTS, "limits": {"ephemeral-storage": "4Mi"}})),
        "True",
    ),
    "debugged": State(*("paused", "alertmanager", "Available", "1 of 1 pods available"), pods(), "True"),
    "deleted-before-it-had-a-node": State(
        *("serving", "prometheus", "Available", "1 of 1 pods available"), pods(), "True"
    ),
    "ended-pod-has-a-finalizer": State(*("mounts", "prometheus", "Available", "1 of 1 pods available"), pods(), "True"),
}

ALL = {**AT_ONCE, **LATER, **WELL}


def specs(namespace: str) -> dict[str, Object]:
    """The spec of each stack, with storage classes that are the namespace's own."""

    def storage(name: str) -> Object:
        return {"storage": {"storageClassName": f"{namespace}-{name}"}}

    one = {**EXTERNAL["service"], "replicas": 1}
    scaled = {"database": one["database"], "autoscaling": {"minReplicas": 1, "maxReplicas": 2}}
    volumes = {"prometheus": storage("none"), "alerting": storage("at-once")}
    more: dict[str, Object] = {
        "serving": {"service": one},
        "paused": {"service": one},
        "scaled": {"service": scaled},
        "volumes": {"service": {"database": {"sqlite": storage("lost")}}, **volumes},
        "later": {"service": {"database": {"sqlite": storage("on-node")}}},
    }
    names = dict.fromkeys(state.stack for state in ALL.values())
    return {name: {**LEAN, **ON_NO_NODE, **more.get(name, {})} for name in names}
