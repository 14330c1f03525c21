"""The Kubernetes manifests: schemas, references between them, and probes."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.daemons import RunningDaemon
from tests.deploy.files import DEPLOY, OWN_PORTS, checked, read_yaml
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.config import Config
from zinfo.wire.curve_keys import ClientKeys, make_key_files

FOLDER = DEPLOY / "kubernetes"

OLDEST, NEWEST = "1.29", "1.33"
"""The versions of Kubernetes that the manifests are validated against."""

OWN_SCHEMAS = ("configmap.yaml", "deployment.yaml", "secret.example.yaml", "service.yaml")
"""The files with built-in kinds of Kubernetes."""

TOKEN = "0123456789abcdef0123456789abcdef"


def manifest(name: str, number: int = 0) -> Any:
    return read_yaml(FOLDER / name)[number]


@pytest.fixture(scope="module")
def pod() -> Any:
    return manifest("deployment.yaml")["spec"]["template"]


@pytest.fixture(scope="module")
def container(pod: Any) -> Any:
    (only,) = pod["spec"]["containers"]
    return only


@pytest.fixture
def configuration(tmp_path: Path) -> Config:
    return checked(manifest("configmap.yaml")["data"]["zinfo.toml"], tmp_path)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("name", OWN_SCHEMAS)
def test_a_manifest_conforms_to_the_schema_of_its_kind(name: str, version: str) -> None:
    reason = "needs kubernetes-validate (PyPI: kubernetes-validate)"
    validator = pytest.importorskip("kubernetes_validate", reason=reason)
    for document in read_yaml(FOLDER / name):
        validator.validate(document, version, strict=True)
        with pytest.raises(validator.ValidationError):
            validator.validate({**document, "metdata": {}}, version, strict=True)


def test_every_file_is_listed_as_a_resource_or_an_example() -> None:
    text = (FOLDER / "kustomization.yaml").read_text(encoding="utf-8")
    listed = set(manifest("kustomization.yaml")["resources"])
    examples = {*re.findall(r"(?m)^  #- (\S+)$", text), "secret.example.yaml"}
    assert listed | examples | {"kustomization.yaml"} == {one.name for one in FOLDER.iterdir()}
    (image,) = manifest("kustomization.yaml")["images"]
    assert image["name"] == "zinfo"


def test_the_service_selects_the_pod_and_its_ports(pod: Any, container: Any) -> None:
    service = manifest("service.yaml")
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert (
        manifest("deployment.yaml")["spec"]["selector"]["matchLabels"]
        == (service["spec"]["selector"])
    )
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == OWN_PORTS
    assert {port["targetPort"]: port["port"] for port in service["spec"]["ports"]} == OWN_PORTS


def test_there_are_never_two_pods() -> None:
    spec = manifest("deployment.yaml")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_kubernetes_sets_no_service_variables(
    pod: Any,
) -> None:
    assert pod["spec"]["enableServiceLinks"] is False


def test_the_container_has_minimal_privileges(pod: Any, container: Any) -> None:
    identity, rights = pod["spec"]["securityContext"], container["securityContext"]
    assert identity["runAsNonRoot"]
    assert identity["seccompProfile"] == {"type": "RuntimeDefault"}
    assert rights["readOnlyRootFilesystem"]
    assert not rights["allowPrivilegeEscalation"]
    assert rights["capabilities"] == {"drop": ["ALL"]}
    assert not pod["spec"]["automountServiceAccountToken"]
    user = re.search(r"(?m)^USER (\d+):(\d+)$", (DEPLOY / "docker" / "Dockerfile").read_text())
    assert user
    assert [identity[name] for name in ("runAsUser", "runAsGroup", "fsGroup")] == [
        int(user[1]),
        int(user[2]),
        int(user[2]),
    ]
    assert container["resources"]["limits"]["memory"]


def test_files_in_the_configuration_are_mounted(
    pod: Any, container: Any, configuration: Config
) -> None:
    places = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    volumes = {one["name"]: one for one in pod["spec"]["volumes"]}
    assert places.keys() == volumes.keys()
    assert container["args"][-1] == f"{places['config']}/zinfo.toml"
    items = volumes["secrets"]["secret"]["items"]
    mounted = {f"{places['secrets']}/{item['path']}" for item in items}
    (shard,) = configuration.shards
    security, http = configuration.security, configuration.http
    assert mounted == {shard.password_file, security.server_key, http.token_file}
    assert security.client_keys == places["clients"]
    held = manifest("secret.example.yaml")["stringData"]
    assert {item["key"] for item in items} | {"prometheus-token"} == held.keys()
    names = {volumes["config"]["configMap"]["name"], volumes["clients"]["configMap"]["name"]}
    documents = read_yaml(FOLDER / "configmap.yaml")
    assert names == {document["metadata"]["name"] for document in documents}


def test_other_pods_reach_zinfo_by_the_name_of_the_service(configuration: Config) -> None:
    service = manifest("service.yaml")["metadata"]["name"]
    namespace = manifest("kustomization.yaml")["namespace"]
    endpoints = [configuration.query.endpoint, configuration.bus.endpoint]
    assert [*endpoints, f"tcp://{configuration.http.listen}"] == [
        f"tcp://0.0.0.0:{port}" for port in OWN_PORTS.values()
    ]
    advertised = f"tcp://{service}.{namespace}.svc:{OWN_PORTS['bus']}"
    assert configuration.bus.advertise == advertised


def test_the_example_secret_contains_no_secret() -> None:
    for value in manifest("secret.example.yaml")["stringData"].values():
        assert value.endswith("...")


def test_the_service_monitor_scrapes_like_the_prometheus_configuration() -> None:
    monitor = manifest("servicemonitor.yaml")["spec"]
    labels = manifest("service.yaml")["metadata"]["labels"]
    (endpoint,) = monitor["endpoints"]
    job = read_yaml(DEPLOY / "prometheus" / "prometheus.yml")[0]["scrape_configs"][0]
    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    assert labels[monitor["jobLabel"]] == job["job_name"]
    assert endpoint["honorLabels"] is job["honor_labels"] is True
    assert endpoint["scrapeTimeout"] == job["scrape_timeout"]
    targets = [one["targetLabel"] for one in endpoint["relabelings"]]
    assert targets == [one["target_label"] for one in job["relabel_configs"]]
    ports = {port["name"] for port in manifest("service.yaml")["spec"]["ports"]}
    assert endpoint["port"] in ports


def test_a_daemon_with_this_configuration_passes_its_probes(
    container: Any, short_tmp: Path, server: RealServer
) -> None:
    text = manifest("configmap.yaml")["data"]["zinfo.toml"]
    text = text.replace("redis://redis.cache.svc:6379", server.url)
    text = text.replace("/etc/zinfo", str(short_tmp))
    text = re.sub(r"(?m)^(endpoint|listen) =.*\n", "", text)  # replaced by the test's own
    secrets = short_tmp / "secrets"
    secrets.mkdir()
    (short_tmp / "clients").mkdir()
    own, secret = make_key_files(short_tmp, "server")
    secret.rename(secrets / secret.name)
    public, key = make_key_files(short_tmp, "dashboard")
    public.rename(short_tmp / "clients" / public.name)
    for name, content in (("tokens", f"prometheus {TOKEN}\n"), ("redis-password", "none\n")):
        (secrets / name).write_text(content, encoding="utf-8")
        (secrets / name).chmod(0o600)
    text = re.sub(r"(?m)^password_file =.*\n", "", text)  # this server has no password
    keys = ClientKeys.read(own, key)
    with RunningDaemon(config_text=text, http=True, keys=keys) as daemon:

        def status(path: str, **headers: str) -> int:
            request = urllib.request.Request(daemon.http + path.lstrip("/"), headers=headers)
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)

        assert status(container["livenessProbe"]["httpGet"]["path"]) == 200
        daemon.wait_polled(1)
        wait_until(lambda: status(container["readinessProbe"]["httpGet"]["path"]) == 200)
        assert status("/metrics", Authorization=f"Bearer {TOKEN}") == 200
        with pytest.raises(OSError, match="401"):
            status("/metrics")
