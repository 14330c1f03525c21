"""Which modules are loaded and patched by importing zinfo and by starting its command line.

Each case runs in a new interpreter, as this one has already loaded all modules.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from zinfo.__main__ import DAEMON_COMMANDS, needs_gevent

ROOT = Path(__file__).parents[2]

HEAVY = {"gevent", "psutil", "redis"}
"""Packages that a client must not load."""

TIMEOUT = 240
"""Time limit for one interpreter, in seconds."""

LOOK = """
import json, socket, sys, threading
print(json.dumps({
    "loaded": sorted(sys.modules),
    "homes": [socket.socket.__module__, threading.Thread.start.__module__],
}))
"""
"""Prints the loaded modules, and those that define two objects which gevent replaces."""

RUN_MAIN = """
import contextlib, io, sys
from zinfo.__main__ import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
"""
"""Runs the command line with the given arguments, and discards its output."""


def run(code: str, *arguments: str) -> dict[str, list[str]]:
    """Run a program in a new interpreter; return its last line, decoded from JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(said, dict)
    return said


@pytest.mark.parametrize(
    "code",
    [
        "import zinfo",
        "import zinfo; zinfo.__version__; dir(zinfo)",
        "import zinfo.__main__",
        "import zinfo.client",
        "import zinfo.aio",
        "from zinfo import Client, Mirror, Subscriber, ZinfoError",
    ],
)
def test_importing_the_clients_loads_no_gevent_redis_or_psutil(code: str) -> None:
    seen = run(code + "\n" + LOOK)
    assert "zinfo" in seen["loaded"]
    assert HEAVY.isdisjoint(seen["loaded"])
    assert seen["homes"] == ["socket", "threading"]


def test_importing_every_module_patches_nothing() -> None:
    seen = run(
        """
import importlib, pkgutil
import zinfo
for module in pkgutil.walk_packages(zinfo.__path__, "zinfo."):
    importlib.import_module(module.name)
"""
        + LOOK
    )
    assert {
        "gevent",
        "zinfo.poll.poller",
        "zinfo.query.servicer",
        "zinfo.discovery.local.watcher",
    } <= set(seen["loaded"])
    assert seen["homes"] == ["socket", "threading"]


@pytest.mark.parametrize("command", ["get", "shards", "watch", "events", "stats", "check"])
def test_a_client_command_starts_without_gevent_redis_or_psutil(command: str) -> None:
    seen = run(RUN_MAIN + LOOK, command, "--help")
    assert "zinfo.cli.app" in seen["loaded"]
    assert HEAVY.isdisjoint(seen["loaded"])
    assert seen["homes"] == ["socket", "threading"]


def test_serve_patches_before_modules_that_would_bind_the_originals_are_imported() -> None:
    seen = run(
        """
import json, sys
from gevent import monkey

patch_all = monkey.patch_all

def record_loaded_modules(*args, **kwargs):
    global loaded
    loaded = sorted(sys.modules)
    return patch_all(*args, **kwargs)

monkey.patch_all = record_loaded_modules
"""
        + RUN_MAIN
        + """
patched = [name for name in ("socket", "threading", "time") if monkey.is_module_patched(name)]
print(json.dumps({"loaded": loaded, "patched": patched, "later": sorted(sys.modules)}))
""",
        "serve",
        "--help",
    )
    assert {"click", "psutil", "redis", "ssl", "zinfo.cli", "zmq"}.isdisjoint(seen["loaded"])
    assert seen["patched"] == ["socket", "threading", "time"]
    assert "zinfo.cli.app" in seen["later"]


PLUGIN = """
import json, sys
from importlib import metadata

searches, called = [], []
search = metadata.entry_points

def counted(**parameters):
    searches.append(parameters)
    return search(**parameters)

metadata.entry_points = counted
sys.path.insert(0, sys.argv.pop(1))
import plugin_of_gevent
from zinfo.loop.patching import patch_all

patch_all()
print(json.dumps({
    "called": plugin_of_gevent.called,
    "searches": [str(search) for search in searches],
    "restored": [str(metadata.entry_points is counted)],
}))
"""


def test_patching_calls_plugins_of_gevent_and_searches_for_them_once(tmp_path: Path) -> None:
    (tmp_path / "plugin_of_gevent.py").write_text(
        "called = []\ndef note(event):\n    called.append(type(event).__name__)\n"
    )
    installed = tmp_path / "plugin_of_gevent-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Name: plugin-of-gevent\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(
        "[gevent.plugins.monkey.did_patch_all]\nnote = plugin_of_gevent:note\n"
    )
    seen = run(PLUGIN, str(tmp_path))
    assert seen == {"called": ["GeventDidPatchAllEvent"], "searches": ["{}"], "restored": ["True"]}


@pytest.mark.parametrize("command", sorted(DAEMON_COMMANDS))
def test_a_daemon_command_is_recognised_after_global_options_and_before_its_own_options(
    command: str,
) -> None:
    assert needs_gevent([command])
    assert needs_gevent(["--verbose", command, "--shard", "redis://get"])


def test_a_check_that_reads_sources_is_recognised() -> None:
    assert needs_gevent(["check", "zinfo.toml", "--discover"])
    assert not needs_gevent(["check", "zinfo.toml"])
    assert not needs_gevent(["get", "--discover"])


@pytest.mark.parametrize("arguments", [[], ["--help"], ["get", "serve"], ["get", "--key", "serve"]])
def test_a_shard_or_value_named_like_a_daemon_command_starts_no_daemon(
    arguments: list[str],
) -> None:
    assert not needs_gevent(arguments)


@pytest.mark.parametrize(
    ("module", "arguments"), [("click", ["get"]), ("gevent", ["serve"]), ("rich", ["demo"])]
)
def test_the_command_ends_with_one_line_if_a_dependency_is_missing(
    module: str, arguments: list[str]
) -> None:
    done = run_without(module, *arguments)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: the zinfo command needs {module}, which is not installed: ")
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("module", ["zinfo.cli.get", "json"])
def test_a_missing_module_of_zinfo_or_of_python_is_an_error_with_a_traceback(module: str) -> None:
    done = run_without(module, "get")
    assert done.stderr.startswith("Traceback")
    assert module in done.stderr.splitlines()[-1]


def run_without(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as if a module was not installed."""
    code = f"import sys; sys.modules[{module!r}] = None; from zinfo.__main__ import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
