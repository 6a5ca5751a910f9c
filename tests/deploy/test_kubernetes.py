"""deploy/kubernetes: the manifests against the schemas, the proxy's settings and each other."""

import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import trustme
import yaml
from prometheus_client import CollectorRegistry

from tessel_proxy.monitoring.admin import admin_site
from tessel_proxy.startup.config import SETTINGS, Config
from tessel_service_kit.serving import STOP_TIMEOUT_S

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
OPERATOR = FOLDER / "prometheus-operator"
VERSIONS = ("1.31", kubernetes_validate.latest_version())
"""The oldest version of Kubernetes that the page promises, and the newest that has schemas here."""
OWN_KINDS = {"ServiceMonitor"}  # of the Prometheus Operator: Kubernetes has no schema for it
NOT_SETTINGS = {"LOCALDOMAIN"}  # the C library's
NAMES = {name for setting in SETTINGS for name in setting.names}
SECONDS = 60
MIB = {"Mi": 1, "Gi": 1024}

with_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is missing")


def documents(path):
    return list(yaml.safe_load_all(path.read_text()))


def listed(folder):
    """Return the manifests that a kustomization names, with their objects."""
    (kustomization,) = documents(folder / "kustomization.yaml")
    return {folder / name: documents(folder / name) for name in kustomization["resources"]}


MANIFESTS = listed(FOLDER) | listed(OPERATOR)
OBJECTS = [each for objects in MANIFESTS.values() for each in objects]


def only(kind, name="tessel-proxy"):
    (found,) = (o for o in OBJECTS if (o["kind"], o["metadata"]["name"]) == (kind, name))
    return found


KUSTOMIZATION = documents(FOLDER / "kustomization.yaml")[0]
DEPLOYMENT = only("Deployment")["spec"]
POD = DEPLOYMENT["template"]["spec"]
(CONTAINER,) = POD["containers"]
LABELS = DEPLOYMENT["template"]["metadata"]["labels"]
PORTS = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}


def lines(*, commented=False):
    """Return the settings of proxy.env, or those that it suggests in comments."""
    text = (FOLDER / "proxy.env").read_text()
    mark = "#" if commented else ""
    return dict(re.findall(rf"^{mark}([A-Z_]+)=(.*)$", text, re.MULTILINE))


def environment():
    """Return the environment of the container, as Kubernetes makes it."""
    return lines() | {each["name"]: each["value"] for each in CONTAINER["env"]}


def config():
    """Return the proxy's own view of the environment, with the files that Secrets hold left out."""
    found, faults = Config.read_only(
        {name: value for name, value in environment().items() if not name.endswith("_FILE")},
        Config.table(),
    )
    assert faults == []
    return found


def selects(selector, labels):
    return selector.items() <= labels.items()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_is_valid(path, version):
    for each in MANIFESTS[path]:
        if each["kind"] not in OWN_KINDS:
            kubernetes_validate.validate(each, version, strict=True)


def test_a_misspelled_field_would_be_found():
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a", "imgae": "b"}]}}
    with pytest.raises(kubernetes_validate.ValidationError, match="imgae"):
        kubernetes_validate.validate(pod, VERSIONS[-1], strict=True)


def test_each_manifest_is_in_a_kustomization():
    found = {path for path in FOLDER.rglob("*.yaml") if path.name != "kustomization.yaml"}
    assert found == set(MANIFESTS)


def test_each_setting_exists():
    named = environment().keys() | lines(commented=True).keys()
    assert named - NOT_SETTINGS <= NAMES


def test_the_pod_may_stop_for_longer_than_the_drain_takes():
    stops = config().drain_delay_s + config().drain_s + STOP_TIMEOUT_S
    assert stops < POD["terminationGracePeriodSeconds"]


def test_the_drain_and_the_port_are_the_defaults():
    defaults = Config()
    assert config().drain_s == defaults.drain_s
    assert config().port == defaults.port
    assert config().workers == defaults.workers


def test_a_pod_is_away_from_the_service_before_it_closes_its_port():
    probe = CONTAINER["readinessProbe"]
    notices = (probe["periodSeconds"] + probe["timeoutSeconds"]) * probe["failureThreshold"]
    assert notices < config().drain_delay_s
    assert config().drain_return_s == 0


def test_the_proxy_acts_on_its_memory_before_the_kernel_does():
    given, unit = re.fullmatch(r"(\d+)(Mi|Gi)", CONTAINER["resources"]["limits"]["memory"]).groups()
    assert config().memory_max_mib < int(given) * MIB[unit]


def test_ports_are_those_that_the_proxy_listens_on():
    assert {"devices": config().port, "admin": config().admin_port} == PORTS
    services = {"tessel-proxy": "devices", "tessel-proxy-admin": "admin"}
    for name, port in services.items():
        assert [p["targetPort"] for p in only("Service", name)["spec"]["ports"]] == [port]
    allowed = only("NetworkPolicy")["spec"]["ingress"]
    assert [port["port"] for rule in allowed for port in rule["ports"]] == list(PORTS)


@pytest.mark.parametrize("probe", ["readinessProbe", "livenessProbe", "startupProbe"])
def test_probes_ask_pages_of_the_admin_port(probe):
    asked = CONTAINER[probe]["httpGet"]
    pages = admin_site(None, CollectorRegistry()).resource.listStaticNames()
    assert asked["port"] == "admin"
    assert asked["path"].removeprefix("/").encode() in pages


def test_readiness_and_not_liveness_depends_on_what_the_proxy_lacks():
    assert CONTAINER["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert CONTAINER["livenessProbe"]["httpGet"]["path"] == "/healthz"


def test_only_the_monitoring_namespace_reaches_the_admin_port():
    devices, admin = only("NetworkPolicy")["spec"]["ingress"]
    assert "from" not in devices
    (peer,) = admin["from"]
    assert peer.keys() == {"namespaceSelector"}
    assert only("Service", "tessel-proxy-admin")["spec"]["clusterIP"] == "None"


def test_selectors_find_the_pods():
    assert selects(DEPLOYMENT["selector"]["matchLabels"], LABELS)
    for name in ("tessel-proxy", "tessel-proxy-admin"):
        assert selects(only("Service", name)["spec"]["selector"], LABELS)
    assert selects(only("PodDisruptionBudget")["spec"]["selector"]["matchLabels"], LABELS)
    assert selects(only("NetworkPolicy")["spec"]["podSelector"]["matchLabels"], LABELS)
    (spread,) = POD["topologySpreadConstraints"]
    assert selects(spread["labelSelector"]["matchLabels"], LABELS)


def test_the_autoscaler_alone_decides_how_many_pods_there_are():
    scaled = only("HorizontalPodAutoscaler")["spec"]
    deployment = only("Deployment")
    assert scaled["scaleTargetRef"] == {
        "apiVersion": deployment["apiVersion"],
        "kind": deployment["kind"],
        "name": deployment["metadata"]["name"],
    }
    assert "replicas" not in DEPLOYMENT
    assert "cpu" in CONTAINER["resources"]["requests"], "a share of nothing cannot be computed"
    assert scaled["minReplicas"] > only("PodDisruptionBudget")["spec"]["maxUnavailable"]


def test_the_monitor_finds_the_admin_service_and_names_the_job_of_the_alerts():
    monitor = only("ServiceMonitor")["spec"]
    service = only("Service", "tessel-proxy-admin")
    labels = service["metadata"]["labels"]
    assert selects(monitor["selector"]["matchLabels"], labels)
    assert not selects(monitor["selector"]["matchLabels"], only("Service")["metadata"]["labels"])
    assert [e["port"] for e in monitor["endpoints"]] == [
        p["name"] for p in service["spec"]["ports"]
    ]
    alerts = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text()
    assert set(re.findall(r'job="([^"]+)"', alerts)) == {labels[monitor["jobLabel"]]}


def test_a_pod_has_no_rights_that_it_does_not_need():
    (user,) = re.findall(r"useradd --uid (\d+)", (ROOT / "proxy-service/Dockerfile").read_text())
    of_pod, of_container = POD["securityContext"], CONTAINER["securityContext"]
    assert of_pod["runAsNonRoot"] is True
    assert of_pod["runAsUser"] == int(user)
    assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert of_container == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["automountServiceAccountToken"] is False


def test_the_proxys_group_and_nobody_else_reads_secrets():
    secrets = [each["secret"] for each in POD["volumes"] if "secret" in each]
    assert {each["defaultMode"] for each in secrets} == {0o440}
    assert POD["securityContext"]["fsGroup"] == POD["securityContext"]["runAsGroup"]


def test_each_file_that_a_setting_names_is_in_a_secret_that_is_mounted():
    generated = {
        secret["name"]: {Path(file).name for file in secret["files"]}
        for secret in KUSTOMIZATION["secretGenerator"]
    }
    volumes = {v["name"]: v["secret"]["secretName"] for v in POD["volumes"] if "secret" in v}
    mounted = {
        f"{mount['mountPath']}/{file}"
        for mount in CONTAINER["volumeMounts"]
        for file in generated.get(volumes.get(mount["name"]), ())
    }
    assert {value for name, value in lines().items() if name.endswith("_FILE")} == mounted
    assert not any("subPath" in mount for mount in CONTAINER["volumeMounts"])


@pytest.fixture
def copied(tmp_path):
    """The folder with the files that an operator adds."""
    folder = shutil.copytree(FOLDER, tmp_path / "kubernetes", ignore=lambda *_: ["secrets"])
    issued = trustme.CA().issue_cert("proxy.example.com")
    (folder / "secrets").mkdir()
    (folder / "secrets" / "token").write_text("0123456789abcdef\n")
    issued.private_key_pem.write_to_path(folder / "secrets" / "tls.key")
    issued.cert_chain_pems[0].write_to_path(folder / "secrets" / "tls.crt")
    return folder


def rendered(folder):
    done = subprocess.run(
        ["kubectl", "kustomize", folder],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {(o["kind"], o["metadata"]["name"]): o for o in yaml.safe_load_all(done.stdout)}


@with_kubectl
def test_kustomize_makes_valid_objects_that_find_each_other(copied):
    found = rendered(copied)
    for each in found.values():
        kubernetes_validate.validate(each, VERSIONS[-1], strict=True)
    pod = found["Deployment", "tessel-proxy"]["spec"]["template"]["spec"]
    settings = pod["containers"][0]["envFrom"][0]["configMapRef"]["name"]
    assert found["ConfigMap", settings]["data"] == lines()
    secrets = [volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume]
    assert {name for kind, name in found if kind == "Secret"} == set(secrets)
    namespaces = {
        o["metadata"].get("namespace") for o in found.values() if o["kind"] != "Namespace"
    }
    assert {("Namespace", name) for name in namespaces} <= found.keys()


@with_kubectl
def test_a_changed_setting_and_no_changed_token_begins_a_rolling_upgrade(copied):
    def template():
        return rendered(copied)["Deployment", "tessel-proxy"]["spec"]["template"]

    before = template()
    (copied / "secrets" / "token").write_text("another-token-0123\n")
    assert template() == before
    with (copied / "proxy.env").open("a") as settings:
        settings.write("MAX_TUNNELS=100\n")
    assert template() != before


@with_kubectl
def test_the_monitor_is_added_by_one_line(copied):
    path = copied / "kustomization.yaml"
    text = path.read_text()
    assert "\n# components:" in text
    path.write_text(text.replace("\n# components:", "\ncomponents:"))
    assert ("ServiceMonitor", "tessel-proxy") in rendered(copied)
