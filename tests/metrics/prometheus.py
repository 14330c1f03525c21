"""A real Prometheus for the tests: starts it with a configuration, queries it, stops it."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

from typing_extensions import Self

from tests.spawning import HOST, command_prefix, free_port
from tests.waiting import wait_until

PROGRAM, TOOL = "prometheus", "promtool"
MISSING = f"no {PROGRAM} and {TOOL} on the PATH (Debian: apt-get install prometheus)"
AVAILABLE = bool(shutil.which(PROGRAM) and shutil.which(TOOL))

_TIMEOUT = 30.0  # seconds for a response


class PrometheusError(Exception):
    """Prometheus rejected a query, or did not start; has its output."""


class RunningPrometheus:
    """One Prometheus at a free port of 127.0.0.1, in a directory of its own.

    Args:
        files: texts by name, put into its directory; `prometheus.yml` is its configuration.

    Attributes:
        url: its address.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files
        self._directory = Path(tempfile.mkdtemp(prefix="zi-", dir="/tmp"))
        self._log = self._directory / "log"
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def query(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """Return the current labels and values of an expression."""
        data = self.get("query", {"query": expr})
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(sample["metric"], float(sample["value"][1])) for sample in data["result"]]

    def get(self, path: str, params: Mapping[str, str] = MappingProxyType({})) -> Any:
        """Return the data of one response of its API.

        The API: https://prometheus.io/docs/prometheus/latest/querying/api/.

        Raises:
            PrometheusError: it says that the question is wrong.
        """
        url = f"{self.url}/api/v1/{path}?{urlencode(params)}"
        try:
            with urlopen(url, timeout=_TIMEOUT) as answer:
                return json.load(answer)["data"]
        except HTTPError as error:
            with error:
                raise PrometheusError(f"{dict(params)}: {error.read().decode()}") from None

    def _start(self) -> None:
        for name, text in self._files.items():
            (self._directory / name).write_text(text, encoding="utf-8")
        address = f"{HOST}:{free_port()}"
        self.url = f"http://{address}"
        command = [
            *command_prefix(),
            PROGRAM,
            f"--config.file={self._directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._directory / 'data'}",
            f"--web.listen-address={address}",
            "--log.level=warn",
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        wait_until(self._is_ready, timeout=60, what="Prometheus to be ready")

    def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise PrometheusError(self._log.read_text(errors="replace"))
        try:
            with urlopen(f"{self.url}/-/ready", timeout=_TIMEOUT) as answer:
                return bool(answer.status == 200)
        except OSError:  # urllib raises it for an error response as well
            return False

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)
