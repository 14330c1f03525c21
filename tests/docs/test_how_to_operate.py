"""The commands in those pages of docs/how-to/ that are about operation do what the pages say."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.cli.running import invoke
from tests.daemons import RunningDaemon
from tests.deploy.files import DEPLOY, OWN_PORTS, program, read_yaml, run
from tests.deploy.shells import Shell
from tests.docs import offline_client
from tests.docs.pages import HTTP, QUERY, ROOT, SHARD, Desk, DeskMaker, address, block
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.wire.curve_keys import ClientKeys


def script(folder: Path, name: str, text: str) -> None:
    """Write a program that stands in for one that the test must not run."""
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory that is searched first for programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


@pytest.fixture
def working_directory(tmp_path: Path) -> Path:
    """A directory with `deploy/`, as in a checkout, for commands that write files."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "deploy").symlink_to(DEPLOY)
    return folder


def without_server(desk: Desk, programs: Path, name: str, hint: str) -> Path:
    """Let a client of a server that does not exist here check its arguments only."""
    sent = programs / "sent"
    desk.environ |= {f"REAL_{name.upper()}": program(name, hint), "SENT": str(sent)}
    script(
        programs,
        name,
        f"#!{sys.executable}\n" + Path(offline_client.__file__).read_text(),
    )
    search(desk, programs)
    return sent


def search(desk: Desk, programs: Path) -> None:
    desk.environ["PATH"] = f"{programs}:{desk.environ['PATH'].removeprefix(f'{programs}:')}"


def test_run_under_systemd(
    desk_with: DeskMaker, short_tmp: Path, working_directory: Path, programs: Path
) -> None:
    page, zinfo = "run-under-systemd", program("zinfo", "pip install .")
    desk = desk_with(
        {
            "/opt/zinfo": str(short_tmp / "opt"),
            "/etc/": f"{short_tmp}/etc/",
            "/usr/lib/": f"{short_tmp}/lib/",
            "-o root -g zinfo": "",
        }
    )
    desk.working_directory = working_directory
    # The packaging tests install zinfo; these would change the machine.
    script(
        programs,
        "python3",
        f'#!/bin/sh\nmkdir -p "$3/bin"; ln -s {zinfo} "$3/bin/zinfo"\n'
        'ln -s /bin/true "$3/bin/pip"\n',
    )
    for name in ("systemctl", "systemd-sysusers"):
        script(programs, name, f'#!/bin/sh\necho "{name} $@"\n')
    search(desk, programs)
    assert desk.type(page, "sh") == "systemd-sysusers zinfo.conf\n"
    desk.type(page, "sh", 1)
    assert (short_tmp / "etc/zinfo/redis-password").stat().st_mode & 0o777 == 0o640
    said = desk.type(page, "sh", 2)
    assert said == desk.made_real(block(page, "text")) + (
        "systemctl daemon-reload\nsystemctl enable --now zinfo\n"
    )
    assert desk.type(page, "sh", 3).endswith("systemctl reload zinfo\n")
    installed = (short_tmp / "etc/systemd/system/zinfo.service").read_text()
    assert "--config /etc/zinfo/zinfo.toml" in installed
    assert (short_tmp / "lib/sysusers.d/zinfo.conf").exists()


def test_run_in_a_container(desk_with: DeskMaker, programs: Path) -> None:
    page = "run-in-a-container"
    desk = desk_with({"docker compose": "docker-compose"})
    sent = without_server(desk, programs, "docker", "Debian: docker-cli")
    script(programs, "docker-compose", '#!/bin/sh\necho "compose in $(basename "$PWD"): $@"\n')
    desk.working_directory = ROOT  # the first command needs a Dockerfile
    for number in range(3):
        desk.type(page, "sh", number)
    commands = re.findall(r"^\$ docker (\w+)", sent.read_text(), re.MULTILINE)
    assert commands == ["build", "run", "exec", "run", "kill"]
    # tests/deploy/test_compose.py checks the file
    assert desk.type(page, "sh", 3) == "compose in compose: up --build --detach\n"


def test_the_configuration_for_a_container_is_valid(tmp_path: Path) -> None:
    config = tmp_path / "zinfo.toml"
    config.write_text(block("run-in-a-container", "toml"))
    assert invoke("check", str(config)).output == f"{config}: ok, 1 shard\n"


def test_a_wrong_option_of_docker_is_noticed(desk_with: DeskMaker, programs: Path) -> None:
    desk = desk_with({"--cap-drop ALL": "--cap-dorp ALL"})
    without_server(desk, programs, "docker", "Debian: docker-cli")
    typed = desk.begin("run-in-a-container", "sh")
    assert typed.ended() != 0
    assert "unknown flag: --cap-dorp" in typed.said()


def test_run_on_kubernetes(
    desk_with: DeskMaker, server: RealServer, working_directory: Path, programs: Path
) -> None:
    page, http = "run-on-kubernetes", address()
    program("openssl", "Debian: openssl")
    desk = desk_with({HTTP: http, "read -rs REDIS_PASSWORD": "REDIS_PASSWORD=pw"})
    desk.working_directory = working_directory
    script(programs, "docker", "#!/bin/sh\n")  # the test above checks its options
    sent = without_server(desk, programs, "kubectl", "https://kubernetes.io/docs/tasks/tools/")
    for number in range(3):
        desk.type(page, "sh", number)
    secret = sent.read_text().rpartition("\n$ ")[2].split("\n", 1)[1]
    (example,) = read_yaml(DEPLOY / "kubernetes" / "secret.example.yaml")
    assert set(re.findall(r"^  (\S+): \S{3}", secret.split("\nkind:")[0], re.MULTILINE)) == set(
        example["stringData"]
    )
    clients = desk.type(page, "sh", 3)
    assert "  laptop.key: |\n" in clients
    assert "  name: zinfo-clients\n" in clients
    desk.type(page, "sh", 4)
    assert "kind: Deployment\n" in sent.read_text()
    desk.type(page, "sh", 5)
    keys = working_directory / "keys"
    config = f"""
    [[shards]]
    url = "{server.url}"
    id = "cache"
    [security]
    server_key = "{keys}/server.key_secret"
    client_keys = "{keys}/clients"
    [http]
    token_file = "{working_directory}/tokens"
    """
    (working_directory / "tokens").chmod(0o600)
    admitted = ClientKeys.read(str(keys / "server.key"), str(keys / "laptop.key_secret"))
    with RunningDaemon(config_text=config, http=True, keys=admitted) as daemon:
        daemon.wait_polled(1)
        desk.real |= {QUERY: daemon.query.removeprefix("tcp://"), HTTP: daemon.http[7:-1]}
        said, shown = desk.type(page, "sh", 6), block(page, "text")
        assert re.sub(r"[\d.]+", "N", said) == re.sub(r"[\d.]+", "N", shown)
        assert '"id":"cache"' in desk.type(page, "sh", 7)
    desk.type(page, "sh", 8)
    yaml = pytest.importorskip("yaml", reason="needs PyYAML (PyPI: pyyaml)")
    rule = yaml.safe_load(sent.read_text().rpartition("\n$ ")[2].split("\n", 1)[1])
    assert rule["kind"] == "PrometheusRule"
    assert [rule["spec"]] == read_yaml(DEPLOY / "prometheus" / "zinfo.rules.yml")
    for number in range(9, 12):
        desk.type(page, "sh", number)


def test_run_several_daemons(
    desk_with: DeskMaker, server: RealServer, working_directory: Path
) -> None:
    page = "run-several-daemons"
    shown = [f"127.0.0.1:97{port}" for port in ("36", "37", "46", "47", "56")]
    desk = desk_with({SHARD: server.ident, **{one: address() for one in shown}})
    desk.working_directory = working_directory
    (working_directory / "zinfo.toml").write_text(desk.made_real(block(page, "toml")))
    for number in range(2):
        serving = desk.begin(page, "sh until-ctrl-c", number=number)
        serving.wait_said(f"slice {number} of 3, copies 2$")
    # The third daemon does not run.
    assert desk.type(page, "python") == desk.made_real(block(page, "text", 1))
    (working_directory / "zinfo.toml").write_text(block(page, "toml by") + "number = 1\n")
    assert invoke("check", str(working_directory / "zinfo.toml")).exit_code == 0


def test_run_several_daemons_under_systemd_and_on_kubernetes(
    desk_with: DeskMaker, short_tmp: Path, working_directory: Path, programs: Path
) -> None:
    page = "run-several-daemons"
    desk = desk_with({"/etc/": f"{short_tmp}/etc/"})
    desk.working_directory = working_directory
    script(programs, "systemctl", '#!/bin/sh\necho "systemctl $@"\n')
    sent = without_server(desk, programs, "kubectl", "https://kubernetes.io/docs/tasks/tools/")
    assert desk.type(page, "sh").endswith("systemctl enable --now zinfo@0\n")
    assert (short_tmp / "etc/systemd/system/zinfo@.service").exists()
    for number in (1, 2):
        desk.type(page, "sh", number)
    kinds = set(re.findall(r"^kind: (\w+)$", sent.read_text(), re.MULTILINE))
    assert kinds == {"ConfigMap", "PodDisruptionBudget", "Service", "StatefulSet"}
    assert sent.read_text().count("rollout restart --namespace zinfo statefulset/zinfo") == 1


def test_the_network_policy_is_valid_and_about_the_pod_and_its_ports() -> None:
    yaml = pytest.importorskip("yaml", reason="needs PyYAML (PyPI: pyyaml)")
    reason = "needs kubernetes-validate (PyPI: kubernetes-validate)"
    validator = pytest.importorskip("kubernetes_validate", reason=reason)
    policy = yaml.safe_load(block("run-on-kubernetes", "yaml"))
    validator.validate(policy, "1.33", strict=True)
    (deployment,) = read_yaml(DEPLOY / "kubernetes" / "deployment.yaml")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    (ingress,) = policy["spec"]["ingress"]
    assert {one["port"] for one in ingress["ports"]} == set(OWN_PORTS.values())


@pytest.fixture
def own_files(desk_with: DeskMaker, tmp_path: Path) -> Path:
    """A home directory, after the commands of the page about completion and manual pages.

    `share/` is as in an environment in which zinfo is installed; tests/packaging checks that it is.
    """
    home, share = tmp_path / "home", tmp_path / "share"
    for target, source in (
        ("man/man1", "man"),
        ("bash-completion/completions", "completion/bash"),
        ("zsh/site-functions", "completion/zsh"),
        ("fish/vendor_completions.d", "completion/fish"),
    ):
        shutil.copytree(DEPLOY / source, share / target)
    desk = desk_with({"/opt/zinfo/share": str(share)})
    desk.environ |= {"HOME": str(home), "XDG_DATA_HOME": ""}
    desk.type("install-completions-and-man-pages", "sh")
    return home


def test_install_completions_and_man_pages(own_files: Path) -> None:
    places = {
        "man/man1/zinfo.1",
        "man/man1/zinfo-get.1",
        "bash-completion/completions/zinfo",
        "zsh/site-functions/_zinfo",
    }
    for place in places:
        assert (own_files / ".local/share" / place).read_text(encoding="utf-8")


def test_man_finds_the_installed_pages(own_files: Path) -> None:
    man = program("man", "Debian: man-db")
    environ = {"PATH": os.environ["PATH"], "MANPATH": f"{own_files}/.local/share/man:"}
    assert run(man, "--where", "zinfo-get", env=environ).stdout.endswith("zinfo-get.1\n")


def test_fish_finds_the_installed_completion(own_files: Path) -> None:
    fish = program("fish", "Debian: fish")
    environ = Shell(fish, home=own_files).environ
    done = run(fish, "-c", "complete --do-complete 'zinfo sh'", env=environ)
    assert done.stdout.split()[:1] == ["shards"], done.stderr


def test_zsh_finds_the_installed_completion(own_files: Path) -> None:
    zsh = program("zsh", "Debian: zsh")
    with Shell(zsh, "-f", "-i", home=own_files) as shell:
        line = block("install-completions-and-man-pages", "zsh").strip()
        shell.type(f"{line}; autoload -U compinit && compinit -u; echo lo''aded\n")
        shell.wait_for("loaded")
        shell.type("zinfo sh\t")
        shell.wait_for("zinfo shards")


def test_alert_and_dashboard(desk_with: DeskMaker) -> None:
    page = "alert-and-dashboard"
    program("promtool", "Debian: prometheus")
    desk = desk_with({"no address": "is on this page"})
    assert block(page, "text").strip() in desk.type(page, "sh")
    assert "SUCCESS" in desk.type(page, "sh", 1)
    groups = read_yaml(DEPLOY / "prometheus" / "zinfo.rules.yml")[0]["groups"]
    assert [len(group["rules"]) for group in groups] == [12, 10]  # as the page says


@pytest.fixture
def serving_desk(desk_with: DeskMaker, server: RealServer) -> Desk:
    """A desk for pages that start a daemon, with free ports for it."""
    query = address()
    desk = desk_with({SHARD: server.ident, HTTP: address(), QUERY: query})
    desk.environ |= {
        "ZINFO_QUERY_ENDPOINT": f"tcp://{query}",
        "ZINFO_BUS_ENDPOINT": f"tcp://{address()}",
    }
    return desk


def test_monitor_zinfo(serving_desk: Desk) -> None:
    page, desk = "monitor-zinfo", serving_desk
    program("jq", "Debian: jq")
    serving = desk.begin(page, "sh serves")
    serving.wait_said(re.escape(desk.real[HTTP]))
    assert desk.type(page, "sh") == block(page, "text")
    assert desk.type(page, "sh", 1) == ""
    assert serving.interrupt() == 0


def test_tune_polling(serving_desk: Desk, tmp_path: Path) -> None:
    page, desk = "tune-polling", serving_desk
    program("jq", "Debian: jq")
    config = tmp_path / "zinfo.toml"
    config.write_text(desk.made_real(block(page, "toml")))
    desk.real["zinfo.toml"] = str(config)
    for name in [name for name in desk.environ if name.startswith("ZINFO_POLL_")]:
        del desk.environ[name]  # the file has the intervals
    serving = desk.begin(page, "sh serves")
    serving.wait_said("watching 1 shard")
    wait_until(lambda: re.search(r"^orders +up .* 0\.1 s ", desk.type(page, "sh"), re.MULTILINE))
    header = desk.type(page, "sh").splitlines()[0]
    assert header.split() == block(page, "text").splitlines()[0].split()
    said, shown = (json.loads(text) for text in (desk.type(page, "sh", 1), block(page, "json")))
    assert said.keys() == shown.keys()
    assert said["saturated"] is shown["saturated"] is False
    assert serving.interrupt() == 0


def test_size_it(desk: Desk) -> None:
    said = desk.type("size-it", "sh")
    assert "0 errors, 0 lost" in said
    assert said.splitlines()[1].split() == block("size-it", "text").splitlines()[1].split()
    stats = desk.type("size-it", "sh", 1)
    assert "saturation.stretch" in stats
    assert "hub_lag_max" in stats
