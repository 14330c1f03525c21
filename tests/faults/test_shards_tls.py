"""Certificates that cannot be verified: for another name, of another authority, expired."""

from __future__ import annotations

import datetime
import time
from pathlib import Path

import pytest
import trustme

from tests.conftest import ServerFactory
from tests.faults.watched import LONG, Watched, watching_daemon
from tests.promises import Promise
from tests.server_kinds import available_kinds
from tests.servers import RealServer
from tests.spawning import free_port
from tests.waiting import wait_until


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with two authorities, a valid certificate and an expired one."""
    authority, other = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    other.cert_pem.write_to_path(str(tmp_path / "other-ca.pem"))
    yesterday = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    for name, certificate in (
        ("good", authority.issue_cert("localhost")),
        ("expired", authority.issue_cert("localhost", not_after=yesterday)),
    ):
        certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / f"{name}.pem"))
    return tmp_path


def tls_server(server_factory: ServerFactory, folder: Path, name: str) -> tuple[RealServer, str]:
    """Return a server with one of the certificates, and its URL."""
    kinds = [kind for kind in available_kinds() if b"libssl" in kind.binary.read_bytes()]
    if not kinds:
        pytest.skip("no server with TLS here; Debian's redis-server has it")
    port = free_port()
    options = {
        "--tls-port": str(port),
        "--tls-cert-file": str(folder / f"{name}.pem"),
        "--tls-key-file": str(folder / f"{name}.pem"),
        "--tls-ca-cert-file": str(folder / "ca.pem"),
        "--tls-auth-clients": "no",
    }
    args = [word for option in options.items() for word in option]
    return server_factory(kinds[0], args=args), f"rediss://localhost:{port}"


def test_certificates_that_cannot_be_verified(
    server_factory: ServerFactory, certificates: Path, promise: Promise
) -> None:
    _, good_url = tls_server(server_factory, certificates, "good")
    expired, expired_url = tls_server(server_factory, certificates, "expired")
    right, wrong = str(certificates / "ca.pem"), str(certificates / "other-ca.pem")
    with watching_daemon() as watching:
        *failing, fine, named, unverified = watching.watch_each(
            [
                {"id": "wrong CA", "url": good_url, "ca_file": wrong},
                {
                    "id": "wrong name",
                    "url": good_url.replace("localhost", "127.0.0.1"),
                    "ca_file": right,
                },
                {"id": "expired", "url": expired_url, "ca_file": right},
                {"id": "fine", "url": good_url, "ca_file": right},
                {
                    "id": "named",
                    "url": good_url.replace("localhost", "127.0.0.1"),
                    "ca_file": right,
                    "tls_server_name": "localhost",
                },
                {"id": "unverified", "url": expired_url, "tls_verify": False},
            ]
        )
        whats = "by an authority that is not trusted", "for another name", "that has expired"
        bad = dict(zip(whats, failing, strict=True))
        for what, shard in bad.items():
            down = shard.wait_event("down")
            took = down["time"] - shard.wait_event("added")["time"]
            promise(
                f"a shard with a certificate {what}",
                "down, tls",
                f"down, {down['reason']} after {took:.2f} s",
            )
            assert (down["old"], down["reason"]) == ("new", "tls"), down["message"]
        for shard in (fine, named, unverified):
            shard.wait_up()
            shard.wait_polls()
        warning = "certificates are not verified (tls_verify = false) of unverified: another server"
        assert warning in watching.daemon.log()
        # Two are repaired: the server gets a new certificate, the authority file another content.
        renewed = time.time()
        _use(expired, certificates / "good.pem")
        _trust(certificates)
        ups = [_up(bad[what]) - renewed for what in list(bad)[:3:2]]
        promise(
            "the certificate is renewed, or the authority trusted",
            "up",
            f"up after {max(ups):.2f} s",
        )
        # An open connection outlives its certificate.
        since = watching.newest()
        _use(expired, certificates / "expired.pem")
        bad["that has expired"].wait_polls(4)
        assert bad["that has expired"].types(since) == []
        assert fine.types() == ["added", "up"]


def _use(server: RealServer, file: Path) -> None:
    words = ("CONFIG", "SET", "tls-cert-file", str(file), "tls-key-file", str(file))
    assert server.cli(*words) == b"+OK\r\n"


def _trust(folder: Path) -> None:
    both = (folder / "other-ca.pem").read_text() + (folder / "ca.pem").read_text()
    (folder / "other-ca.pem").write_text(both)


def _up(shard: Watched) -> float:
    wait_until(lambda: shard.state()[0] == "up", LONG, f"{shard.id} to be up")
    return float(shard.wait_event("up")["time"])
