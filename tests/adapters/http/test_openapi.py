"""The OpenAPI document describes the server: schemathesis sends valid and invalid requests."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.adapters.http.requests import fetch
from tests.daemons import RunningDaemon
from tests.examples import examples

# It cannot know valid cursors, which come from a previous response. Streams do not end.
STREAMS = ("/api/v1/stream", "/api/v1/table")
WITHOUT = (
    "--exclude-checks=positive_data_acceptance",
    *(f"--exclude-path={path}" for path in STREAMS),
)


def test_the_document_has_all_paths(daemon: RunningDaemon) -> None:
    document = fetch(daemon.http, "api/v1/openapi.json").json
    assert document["openapi"].startswith("3.1")
    assert {*STREAMS, "/api/v1/history"} <= document["paths"].keys()
    for path, methods in document["paths"].items():
        if path not in STREAMS and "get" in methods:
            parameters = methods["get"].get("parameters", ())
            required = [f"{one['name']}=role" for one in parameters if one["required"]]
            assert fetch(daemon.http, f"{path}?{'&'.join(required)}"[1:]).status == 200, path


@pytest.mark.skipif(
    importlib.util.find_spec("schemathesis") is None,
    reason="no schemathesis here; `tox -e processes` has it",
)
@pytest.mark.timeout(900)
def test_responses_conform_to_the_document(daemon: RunningDaemon, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("st")
    options = [
        "--no-color",
        "--seed=1",
        "-n",
        str(examples(40)),
        "--phases=examples,coverage,fuzzing",
    ]
    done = subprocess.run(
        [program, "run", *options, *WITHOUT, f"{daemon.http}api/v1/openapi.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: 11" in done.stdout, done.stdout
    assert daemon.ask("ping").error is None
