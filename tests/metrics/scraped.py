"""Targets to test the shipped scrape configuration: daemons, servers with traffic, odd texts."""

from __future__ import annotations

import contextlib
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import trustme

from tests.daemons import ROOT, RunningDaemon
from tests.deploy.files import with_alternatives
from tests.metrics.prometheus import RunningPrometheus
from tests.servers import RealServer
from tests.spawning import HOST
from zinfo.client import Client
from zinfo.info import parser
from zinfo.metrics.formats import OPEN_METRICS, TEXT
from zinfo.metrics.samples import UP, Sample
from zinfo.metrics.scrape import Scrape
from zinfo.metrics.selection import Selection

FOLDER = ROOT / "deploy" / "prometheus"
RULES = "zinfo.rules.yml"
INFO_TEXTS = sorted((ROOT / "tests" / "data" / "info").rglob("*.txt"))
DEAD = "127.0.0.1:1"
ADDRESS = "127.0.0.1:9121"
"""Address of zinfo in the shipped configuration."""

HOW_TO = ROOT / "docs" / "how-to" / "expose-to-prometheus.md"
"""The page with the job that finds its targets in `/sd`."""

_TOKEN = "prometheus-0123456789abcdef"
_PAUSE = 0.1  # seconds between two rounds of traffic
_ODD_JOBS = """
  - job_name: odd
    honor_labels: true
    metrics_path: /text
    static_configs:
      - targets: ["{0}"]
  - job_name: odd_openmetrics
    honor_labels: true
    metrics_path: /openmetrics
    static_configs:
      - targets: ["{0}"]
"""


class Fleet(NamedTuple):
    """The targets.

    Attributes:
        daemon: whose HTTP server is open to all.
        guarded: with TLS and a token.
        primary: a shard of both, under a label `namespace`.
        replica: a shard of the first.
    """

    daemon: RunningDaemon
    guarded: RunningDaemon
    primary: RealServer
    replica: RealServer


def configuration() -> str:
    """Return the shipped scrape configuration."""
    return (FOLDER / "prometheus.yml").read_text(encoding="utf-8")


def jobs(text: str) -> dict[str, str]:
    """Return the text of each job of a configuration by its name."""
    found = re.findall(r"(?ms)^  - job_name: (\w+)[^\n]*\n.*?(?=^  - job_name|\Z)", text)
    parts = re.findall(r"(?ms)^  - job_name:.*?(?=^  - job_name|\Z)", text)
    return dict(zip(found, parts, strict=True))


def discovering_job() -> str:
    """Return the job of the documentation that finds its targets in `/sd`."""
    (found,) = re.findall(
        r"```yaml\nscrape_configs:\n(  - job_name: shards\n.*?)```",
        HOW_TO.read_text(encoding="utf-8"),
        re.DOTALL,
    )
    return str(found)


@contextlib.contextmanager
def watched(primary: RealServer, replica: RealServer, folder: Path) -> Iterator[Fleet]:
    """Start the daemons, and traffic on the primary.

    Args:
        primary: a server.
        replica: its replica.
        folder: takes certificates and tokens, under the names that the configuration has.
    """
    config = f"""
    [[shards]]
    url = "{primary.url}"
    labels = {{ namespace = "prod", os = "mine", "data center" = 'a"b\\c' }}
    [[shards]]
    url = "{replica.url}"
    labels = {{ namespace = "prod" }}
    [[shards]]
    url = "redis://{DEAD}"
    """
    with (
        RunningDaemon(config_text=config, http=True) as daemon,
        RunningDaemon(config_text=_guarded(primary, folder), http=True) as guarded,
        Client(daemon.query) as client,
    ):
        daemon.wait_polled(2)
        guarded.wait_polled(1)
        stop = threading.Event()
        thread = threading.Thread(target=_traffic, args=(primary, client, stop))
        thread.start()
        try:
            yield Fleet(daemon, guarded, primary, replica)
        finally:
            stop.set()
            thread.join()


def _guarded(primary: RealServer, folder: Path) -> str:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "zinfo-ca.pem"))
    own, client = authority.issue_cert(HOST), authority.issue_cert("prometheus.example")
    for certificate, name in ((own, "zinfo"), (client, "prometheus")):
        certificate.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
        certificate.private_key_pem.write_to_path(str(folder / f"{name}-key.pem"))
    (folder / "zinfo-token").write_text(_TOKEN + "\n")
    (folder / "tokens").write_text(f"prometheus {_TOKEN}\n")
    for name in ("tokens", "zinfo-key.pem"):
        (folder / name).chmod(0o600)
    return f"""
    [[shards]]
    url = "{primary.url}"
    [http]
    token_file = "{folder}/tokens"
    cert_file = "{folder}/zinfo.pem"
    key_file = "{folder}/zinfo-key.pem"
    client_ca_file = "{folder}/zinfo-ca.pem"
    [clients.prometheus]
    """


def _traffic(primary: RealServer, client: Client, stop: threading.Event) -> None:
    commands = primary.client()
    while not stop.wait(_PAUSE):
        commands.get("a")
        commands.get("missing")
        client.get_infos(keys=["role"])


@contextlib.contextmanager
def scraping(fleet: Fleet, folder: Path, odd: str) -> Iterator[RunningPrometheus]:
    """Start Prometheus with the shipped configuration, alternatives included.

    Args:
        fleet: what it scrapes, each second.
        folder: has the files that the configuration names.
        odd: address of one more target.
    """
    shipped = configuration().replace("15s", "1s").replace("timeout: 10s", "timeout: 1s")
    plain, other = jobs(shipped), jobs(with_alternatives(shipped))
    open_door, guarded_door = (urlsplit(one.http).netloc for one in (fleet.daemon, fleet.guarded))
    text = (
        shipped[: shipped.index("  - job_name:")]
        + plain["zinfo"].replace(ADDRESS, open_door)
        + other["zinfo"].replace(ADDRESS, guarded_door).replace("name: zinfo", "name: guarded")
        + other["redis"]
        .replace(ADDRESS, open_door)
        .replace("redis://10.0.0.1:6379", fleet.primary.url)
        .replace("redis://10.0.0.2:6379", fleet.replica.url)
        + discovering_job().replace(ADDRESS, open_door).replace("30s", "1s")
        + _ODD_JOBS.format(odd)
    )
    files = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    files |= {"prometheus.yml": text, RULES: (FOLDER / RULES).read_text(encoding="utf-8")}
    with RunningPrometheus(files) as prometheus:
        yield prometheus


def odd_scrape() -> Scrape:
    """Return a scrape of servers whose INFO has each byte in a name, a value and a command."""
    scrape = Scrape(Selection())
    for number in range(256):
        byte = bytes([number])
        lines = (b"a" + byte + b"b:1", b"cmdstat_a" + byte + b"b:calls=1", b"role:a" + byte + b"b")
        labels = [("instance", f"odd-{number}"), *Selection().labels_of({"x": chr(number)})]
        scrape.add(labels, [Sample(UP, (), 1)], parser.parse(b"\r\n".join(lines)).fields, 1.0)
    return scrape


def scrape_of_all_texts() -> Scrape:
    """Return one scrape of all INFO texts in the tests."""
    scrape = Scrape(Selection())
    for path in INFO_TEXTS:
        fields = parser.parse(path.read_bytes()).fields
        scrape.add([("instance", path.stem)], [Sample(UP, (), 1)], fields, 1000.0)
    return scrape


@contextlib.contextmanager
def odd_pages() -> Iterator[str]:
    """Serve `odd_scrape` in both formats, at `/text` and `/openmetrics`; yields the address."""
    scrape = odd_scrape()
    pages = {
        f"/{name}": (text_format, b"".join((*scrape.pieces(text_format), text_format.end)))
        for name, text_format in (("text", TEXT), ("openmetrics", OPEN_METRICS))
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text_format, text = pages[self.path]
            self.send_response(200)
            self.send_header("Content-Type", text_format.content_type)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_args: object) -> None:
            """Log nothing."""

    with http.server.ThreadingHTTPServer((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"{HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
