"""The manifests of several daemons that share the shards: they fit those of one, and each other."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.daemons import RunningDaemon
from tests.deploy import test_kubernetes as of_one
from tests.deploy.files import DEPLOY, OWN_PORTS, checked, read_yaml
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.config import Config
from zinfo.config.slices import slice_of
from zinfo.wire.curve_keys import make_key_files
from zinfo.wire.slices import SliceSpec, slices_of

FOLDER = DEPLOY / "kubernetes-slices"
OWN_SCHEMAS = ("configmap.yaml", "poddisruptionbudget.yaml", "service.yaml", "statefulset.yaml")
"""The files with built-in kinds of Kubernetes."""


def manifest(name: str, number: int = 0) -> Any:
    return read_yaml(FOLDER / name)[number]


@pytest.fixture
def stateful_set() -> Any:
    return manifest("statefulset.yaml")["spec"]


@pytest.fixture
def configuration(tmp_path: Path) -> Config:
    return checked(manifest("configmap.yaml")["data"]["zinfo.toml"], tmp_path)


@pytest.mark.parametrize("version", [of_one.OLDEST, of_one.NEWEST])
@pytest.mark.parametrize("name", OWN_SCHEMAS)
def test_a_manifest_conforms_to_the_schema_of_its_kind(name: str, version: str) -> None:
    reason = "needs kubernetes-validate (PyPI: kubernetes-validate)"
    validator = pytest.importorskip("kubernetes_validate", reason=reason)
    for document in read_yaml(FOLDER / name):
        validator.validate(document, version, strict=True)


def test_every_file_is_listed_as_a_resource() -> None:
    text = (FOLDER / "kustomization.yaml").read_text(encoding="utf-8")
    listed = {*manifest("kustomization.yaml")["resources"], *re.findall(r"(?m)^  #- (\S+)$", text)}
    assert listed | {"kustomization.yaml"} == {one.name for one in FOLDER.iterdir()}
    of_one_daemon = of_one.manifest("kustomization.yaml")
    assert {**manifest("kustomization.yaml"), "resources": None} == {
        **of_one_daemon,
        "resources": None,
    }


def test_each_pod_has_a_slice_of_its_own_by_its_name(
    stateful_set: Any, configuration: Config
) -> None:
    name = manifest("statefulset.yaml")["metadata"]["name"]
    replicas = stateful_set["replicas"]
    specs = [slice_of(configuration.slice, f"{name}-{number}") for number in range(replicas)]
    assert specs == [SliceSpec(number, replicas, 2) for number in range(replicas)]
    assert configuration.node == ""  # the default has the name of the pod


def test_as_many_pods_may_be_evicted_as_there_are_further_copies(
    stateful_set: Any, configuration: Config
) -> None:
    budget = manifest("poddisruptionbudget.yaml")["spec"]
    assert budget["maxUnavailable"] == configuration.slice.copies - 1
    labels = stateful_set["template"]["metadata"]["labels"]
    assert budget["selector"] == stateful_set["selector"] == {"matchLabels": labels}
    (term,) = stateful_set["template"]["spec"]["affinity"]["podAntiAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]
    assert term["podAffinityTerm"]["labelSelector"] == budget["selector"]


def test_the_name_of_the_service_has_the_address_of_each_pod(stateful_set: Any) -> None:
    service = manifest("service.yaml")
    assert service["spec"]["clusterIP"] == "None"
    assert service["metadata"]["name"] == stateful_set["serviceName"]
    assert service["spec"]["selector"] == stateful_set["selector"]["matchLabels"]
    assert {port["targetPort"]: port["port"] for port in service["spec"]["ports"]} == OWN_PORTS


def test_the_pods_are_those_of_one_daemon_with_a_directory_for_state(
    stateful_set: Any, configuration: Config
) -> None:
    ours, one = stateful_set["template"], of_one.manifest("deployment.yaml")["spec"]["template"]
    del ours["spec"]["affinity"]
    (container,) = ours["spec"]["containers"]
    (state,) = [one for one in container["volumeMounts"] if one["name"] == "state"]
    # The directory of the volume itself has a mode with which zinfo refuses it.
    assert Path(configuration.state_dir).parent == Path(state["mountPath"])
    container["volumeMounts"].remove(state)
    (volume,) = [one for one in ours["spec"]["volumes"] if one["name"] == "state"]
    ours["spec"]["volumes"].remove(volume)
    assert ours == one


def test_the_configuration_is_that_of_one_daemon_but_for_shards_and_slice(
    configuration: Config, tmp_path: Path
) -> None:
    one = checked(of_one.manifest("configmap.yaml")["data"]["zinfo.toml"], tmp_path)
    mine = {"node", "state_dir", "shards", "sources", "credentials", "slice", "bus"}
    assert configuration.model_dump(exclude=mine) == one.model_dump(exclude=mine)
    assert configuration.bus.endpoint == one.bus.endpoint
    # Clients use the host of the query endpoint: each pod has one of its own.
    assert configuration.bus.advertise == ""
    assert manifest("configmap.yaml", 1) == of_one.manifest("configmap.yaml", 1)


def test_each_pod_is_scraped_under_its_own_name() -> None:
    ours, one = manifest("servicemonitor.yaml"), of_one.manifest("servicemonitor.yaml")
    (endpoint,) = ours["spec"]["endpoints"]
    assert endpoint["relabelings"] == [
        *one["spec"]["endpoints"][0]["relabelings"],
        {"sourceLabels": ["__meta_kubernetes_pod_name"], "targetLabel": "zinfo_member"},
    ]
    endpoint["relabelings"] = one["spec"]["endpoints"][0]["relabelings"]
    assert ours == one


def test_a_pod_with_this_configuration_is_ready_when_it_has_polled_its_slice(
    short_tmp: Path, server: RealServer, stateful_set: Any
) -> None:
    text = manifest("configmap.yaml")["data"]["zinfo.toml"]
    text = text.replace("/etc/zinfo", str(short_tmp)).replace("/var/lib", str(short_tmp))
    text = re.sub(r"(?m)^(endpoint|listen) =.*\n", "", text)  # replaced by the test's own
    targets = short_tmp / "targets.json"
    targets.write_text(f'[{{"targets": ["{server.ident}", "127.0.0.1:1"]}}]', encoding="utf-8")
    text = text.replace('type = "dns"', f'type = "file"\nfiles = ["{targets}"]')
    text = re.sub(r"(?m)^(names|credentials) =.*\n", "", text)  # this server has no password
    secrets = short_tmp / "secrets"
    secrets.mkdir()
    (short_tmp / "clients").mkdir()
    _, secret = make_key_files(short_tmp, "server")
    secret.rename(secrets / secret.name)
    (secrets / "tokens").write_text(f"prometheus {of_one.TOKEN}\n", encoding="utf-8")
    (secrets / "tokens").chmod(0o600)
    (container,) = stateful_set["template"]["spec"]["containers"]
    number = slices_of(server.ident, 3, 2)[1]
    environ = {"ZINFO_SLICE_NUMBER": f"zinfo-{number}"}
    with RunningDaemon(config_text=text, http=True, environ=environ) as daemon:

        def get(path: str) -> str:
            headers = {"Authorization": f"Bearer {of_one.TOKEN}"}
            request = urllib.request.Request(daemon.http + path.lstrip("/"), headers=headers)
            with urllib.request.urlopen(request, timeout=10) as answer:
                return str(answer.read().decode())

        def is_ready() -> bool:
            try:
                return bool(get(container["readinessProbe"]["httpGet"]["path"]))
            except urllib.error.HTTPError:
                return False

        wait_until(is_ready, what="ready")
        assert f'"id":"{server.ident}"' in get("/api/v1/shards")
        assert f'count="3",number="{number}"' in get("/metrics")
