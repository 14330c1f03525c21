"""The evaluators of the page give the same results as those of zinfo.views, in Node.js."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from tests.adapters.page.fleet_server import definitions

NODE = shutil.which("node")
HERE = Path(__file__).parent
VECTORS = HERE.parents[1] / "data" / "views"
TIMEOUT = 120.0  # seconds


@pytest.mark.skipif(NODE is None, reason="node is not installed here: it runs the page's modules")
def test_javascript_and_python_agree_on_all_vectors(tmp_path: Path) -> None:
    assert NODE is not None
    file = tmp_path / "definitions.json"
    file.write_text(json.dumps(definitions()), encoding="utf-8")
    modules = tmp_path / "modules"
    shutil.copytree(str(files("zinfo.adapters.page") / "static"), modules)
    # Without it, Node.js before 20.19 takes the files for CommonJS modules.
    (modules / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    done = subprocess.run(
        [NODE, str(HERE / "vectors.mjs"), str(file), str(VECTORS), str(modules)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
