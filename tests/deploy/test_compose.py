"""compose.yaml and the files beside it."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import ServerFactory
from tests.daemons import RunningDaemon
from tests.deploy.files import DEPLOY, OWN_PORTS, checked, program, read_yaml, run

FOLDER = DEPLOY / "compose"
SHARDS = (FOLDER / "zinfo.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def compose() -> Any:
    (document,) = read_yaml(FOLDER / "compose.yaml")
    return document


def mounts(compose: Any) -> list[tuple[str, str]]:
    """Return the source and the target of each mount, of files and of volumes."""
    return [
        (source, target)
        for service in compose["services"].values()
        for source, target, *_ in (volume.split(":") for volume in service.get("volumes", ()))
    ]


def test_compose_yaml_conforms_to_the_compose_specification(compose: Any) -> None:
    spec = pytest.importorskip("compose_spec", reason="needs compose-spec (PyPI: compose-spec)")
    spec.PyCompose.from_json(json.dumps(compose))
    broken = {**compose, "services": {"x": {**compose["services"]["zinfo"], "restart": "perhaps"}}}
    with pytest.raises(ValueError, match="perhaps"):
        spec.PyCompose.from_json(json.dumps(broken))


def test_docker_compose_accepts_the_file(tmp_path: Path) -> None:
    tool = program("docker-compose", "Debian: docker-compose")
    text = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
    # Debian has version 1, which does not support `name`.
    (tmp_path / "compose.yaml").write_text(re.sub(r"(?m)^name: .*\n", "", text))
    options = [f"--project-directory={FOLDER}", f"--file={tmp_path}/compose.yaml"]
    done = run(tool, *options, "config", "--quiet", env={**os.environ, "COLUMNS": "200"})
    assert (done.returncode, done.stderr) == (0, "")


def test_mounted_files_and_the_build_context_exist(compose: Any) -> None:
    sources = [source for source, _ in mounts(compose)]
    assert any(source.startswith("../prometheus/") for source in sources)
    for source in sources:
        if source.startswith("."):
            assert (FOLDER / source).is_file(), source
        else:
            assert source in compose["volumes"]
    build = compose["services"]["zinfo"]["build"]
    context = (FOLDER / build["context"]).resolve()
    assert context == DEPLOY.parent
    assert (context / build["dockerfile"]).is_file()


def test_every_dashboard_is_mounted_in_the_directory_that_grafana_reads(compose: Any) -> None:
    (provider,) = read_yaml(FOLDER / "grafana" / "dashboards.yml")[0]["providers"]
    path = provider["options"]["path"]
    found = {source for source, target in mounts(compose) if target.startswith(f"{path}/")}
    assert found == {f"../grafana/{board.name}" for board in (DEPLOY / "grafana").glob("*.json")}
    home = compose["services"]["grafana"]["environment"][
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"
    ]
    assert home in {target for _, target in mounts(compose)}


def test_grafana_has_the_address_of_prometheus(compose: Any) -> None:
    (source,) = read_yaml(FOLDER / "grafana" / "datasources.yml")[0]["datasources"]
    url = urlsplit(source["url"])
    assert source["type"] == "prometheus"
    assert f"127.0.0.1:{url.port}:{url.port}" in compose["services"][url.hostname]["ports"]


def test_ports_are_published_on_loopback_only_and_are_those_of_zinfo(compose: Any) -> None:
    ports = [port for one in compose["services"].values() for port in one.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    own = {f"127.0.0.1:{port}:{port}" for port in OWN_PORTS.values()}
    assert set(compose["services"]["zinfo"]["ports"]) == own


def test_images_have_a_version(compose: Any) -> None:
    images = {one["image"] for one in compose["services"].values()} - {"zinfo"}
    assert len(images) == 3
    for image in images:
        assert re.search(r":v?\d", image), image


def test_no_file_contains_a_secret() -> None:
    for path in FOLDER.rglob("*.*"):
        text = re.sub(r"(?m)#.*$", "", path.read_text(encoding="utf-8"))
        assert not re.search(r"(?i)password|secret|token", text), path


def test_zinfo_watches_all_redis_services_and_listens_on_the_published_ports(
    compose: Any, tmp_path: Path
) -> None:
    config = checked(SHARDS, tmp_path)
    servers = {name for name, one in compose["services"].items() if one["image"] == "redis:7"}
    assert {f"redis://{name}:6379" for name in servers} == {shard.url for shard in config.shards}
    endpoints = [config.query.endpoint, config.bus.endpoint, f"tcp://{config.http.listen}"]
    assert endpoints == [f"tcp://0.0.0.0:{port}" for port in OWN_PORTS.values()]
    assert config.bus.advertise == f"tcp://127.0.0.1:{OWN_PORTS['bus']}"


def test_a_daemon_with_this_configuration_polls_three_shards(server_factory: ServerFactory) -> None:
    text = SHARDS
    for name in ("redis-a", "redis-b", "redis-b-replica"):
        text = text.replace(f'"redis://{name}:6379"', f'"{server_factory().url}"')
    text = re.sub(r"(?m)^(endpoint|advertise|listen) =.*\n", "", text)  # replaced by the test's own
    with RunningDaemon(config_text=text, http=True) as daemon:
        daemon.wait_polled(3)


def test_the_prometheus_configuration_differs_only_in_the_address() -> None:
    (own,) = read_yaml(FOLDER / "prometheus.yml")
    (project,) = read_yaml(DEPLOY / "prometheus" / "prometheus.yml")
    targets = own["scrape_configs"][0]["static_configs"][0]
    assert targets == {"targets": [f"zinfo:{OWN_PORTS['http']}"]}
    targets["targets"] = [f"127.0.0.1:{OWN_PORTS['http']}"]
    assert own == project


def test_promtool_accepts_the_configuration_and_the_rules(compose: Any, tmp_path: Path) -> None:
    tool = program("promtool", "Debian: prometheus")
    for source, target in mounts(compose):
        if target.startswith("/etc/prometheus/"):
            shutil.copy(FOLDER / source, tmp_path / Path(target).name)
    done = run(tool, "check", "config", tmp_path / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 rule files found" in done.stdout
