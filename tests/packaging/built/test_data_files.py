"""The wheel has the data files of the package, and manual pages and completion files."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.completion.make import FILES
from tests.deploy.files import program
from tests.packaging.built.distributions import Distributions
from tests.packaging.built.environments import Environment
from tests.packaging.built.shared import once

COMPLETION = {
    "share/bash-completion/completions/zinfo": FILES["bash"],
    "share/zsh/site-functions/_zinfo": FILES["zsh"],
    "share/fish/vendor_completions.d/zinfo.fish": FILES["fish"],
}
"""The path of each completion file in the environment, and in deploy/completion/."""


@pytest.fixture(scope="module")
def environment(built: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with only the wheel, without its dependencies."""

    def fill(directory: Path) -> None:
        command = ("pip", "install", "--no-index", "--no-deps", "--no-compile", built.wheel)
        done = Environment.create(directory / "env").run(*command, directory=directory)
        assert done.returncode == 0, done.stderr

    return Environment(once(tmp_path_factory, "data_files", fill) / "env")


def test_the_wheel_has_the_data_files_of_the_package(built: Distributions) -> None:
    code = {".c", ".h", ".py"}
    files = [path for path in (built.source / "zinfo").rglob("*") if path.is_file()]
    data = {path.relative_to(built.source).as_posix() for path in files if path.suffix not in code}
    assert "zinfo/metrics/redis_exporter.csv" in data
    assert data <= built.wheel_names()


def installed(environment: Environment) -> dict[str, bytes]:
    """Return the contents of the files below share/ by path."""
    directory = environment.directory
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in (directory / "share").rglob("*")
        if path.is_file()
    }


def test_the_environment_has_these_files_and_no_other(
    built: Distributions, environment: Environment
) -> None:
    deploy = built.source / "deploy"
    pages = {f"share/man/man1/{page.name}": page for page in (deploy / "man").glob("*.1")}
    scripts = {path: deploy / "completion" / name for path, name in COMPLETION.items()}
    assert "share/man/man1/zinfo-serve.1" in pages
    expected = {path: file.read_bytes() for path, file in (pages | scripts).items()}
    assert installed(environment) == expected


@pytest.mark.parametrize("variable", ["MANPATH", "PATH"])
def test_man_finds_the_page(environment: Environment, variable: str, tmp_path: Path) -> None:
    man = program("man", "Debian: man-db")
    path = environment.directory / ("share/man" if variable == "MANPATH" else "bin")
    value = path if variable == "MANPATH" else f"{path}:/usr/bin:/bin"
    own = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(tmp_path)}
    settings = [f"{name}={text}" for name, text in {**own, variable: str(value)}.items()]
    done = environment.run("env", "-i", *settings, man, "zinfo-serve", directory=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "zinfo-serve - run the daemon" in done.stdout
