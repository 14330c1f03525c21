"""Creates the server adapters that the configuration enables: XML-RPC and HTTP."""

from __future__ import annotations

from ipaddress import ip_network

from zinfo.adapters.wsgi.server import WsgiServer
from zinfo.adapters.wsgi.tls import server_context
from zinfo.adapters.xmlrpc.server import XmlRpcServer
from zinfo.config import Config
from zinfo.health.stats import Stats
from zinfo.metrics.selection import Selection
from zinfo.poll.poller import InfoPoller
from zinfo.query.operations import Operations
from zinfo.query.servicer import InfoProviderServicer
from zinfo.security.tokens import Tokens
from zinfo.wire.identity import Identity


def make_server_adapters(
    config: Config,
    servicer: InfoProviderServicer,
    operations: Operations,
    poller: InfoPoller,
    *,
    identity: Identity,
    stats: Stats,
    tokens: Tokens | None,
) -> list[WsgiServer]:
    """Return the enabled servers, which are listening.

    Args:
        config: the whole configuration.
        servicer: runs the XML-RPC calls.
        operations: runs the operations of the HTTP API.
        poller: source of the snapshots and events of the HTTP stream.
        identity: of the daemon.
        stats: the counters to update.
        tokens: clients of the HTTP server; None admits every client.

    Raises:
        ConfigError: a TLS certificate or key is not valid.
        EnvironmentNotReadyError: an address cannot be bound.
    """
    report = poller.faults.report
    servers: list[WsgiServer] = []
    if config.xmlrpc.address is not None:
        hosts = config.xmlrpc.allowed_hosts
        servers.append(XmlRpcServer(servicer, *config.xmlrpc.address, report, allowed_hosts=hosts))
    if config.http.address is not None:
        # Imported here, as only the HTTP server needs these libraries.
        from zinfo.adapters.http.server import HttpDependencies, HttpServer  # noqa: PLC0415
        from zinfo.adapters.page.mount import daemon_page  # noqa: PLC0415

        metrics = config.metrics
        dependencies = HttpDependencies(
            operations,
            servicer.publisher,
            poller,
            identity,
            stats,
            report,
            Selection(metrics.include, metrics.exclude, metrics.labels, metrics.max_samples),
        )
        servers.append(
            HttpServer(
                *config.http.address,
                dependencies,
                tokens=tokens,
                tls=server_context(config.http),
                allowed_hosts=config.http.allowed_hosts,
                proxies=tuple(map(ip_network, config.http.proxies)),
                page=daemon_page(dependencies) if config.http.page else None,
            )
        )
    return servers
