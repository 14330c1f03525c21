"""Conflicts between sections of the configuration: addresses, shards, sources, rights."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from zinfo.config.section import Conflict, Path
from zinfo.security.bus_endpoints import BusEndpointError, assign_endpoints, overlap
from zinfo.security.bus_rights import BusRights
from zinfo.security.rights import CHANGING_OPERATIONS
from zinfo.wire.addresses import Endpoint, listen_endpoint, parse_endpoint
from zinfo.wire.nearest import nearest
from zinfo.wire.redact import redact_text

if TYPE_CHECKING:
    from zinfo.config.models import Config, ShardConfig

_SERVER_KEY: Path = ("security", "server_key")


def conflicts_between(config: Config) -> Iterator[Conflict]:
    """Yield the conflicts between the sections, and those of each shard."""
    yield from _address_conflicts(config)
    yield from _bus_conflicts(config)
    yield from _exposure_conflicts(config)
    yield from _rights_conflicts(config)
    first_index: dict[str, int] = {}
    for index, shard in enumerate(config.shards):
        yield from (found.under("shards", index) for found in shard.conflicts())
        yield from _tuning_conflicts(config, index, shard)
        earlier = first_index.setdefault(shard.id, index)
        if earlier != index:
            name = _literal(repr(redact_text(shard.id)))
            text = f"found the id {name}, expected a unique one: {{1}} has the same"
            yield Conflict((("shards", index), ("shards", earlier)), text)
    yield from _source_conflicts(config)
    if config.slice.count is not None and config.local.enabled:
        text = "found with {1}: only this daemon can see the servers of its machine"
        yield Conflict((("slice", "count"), ("local", "enabled")), text)


def _source_conflicts(config: Config) -> Iterator[Conflict]:
    """Yield the conflicts of each source and of each table of credentials, and between them."""
    for name, table in config.credentials.items():
        yield from (found.under("credentials", name) for found in table.conflicts())
    first_index: dict[str, int] = {}
    for index, source in enumerate(config.sources):
        yield from (found.under("sources", index) for found in source.conflicts())
        earlier = first_index.setdefault(source.name, index)
        if earlier != index:
            text = f"found the name {source.name!r}, expected a unique one: {{1}} has the same"
            yield Conflict((("sources", index, "name"), ("sources", earlier)), text)
        for key, name in source.credentials_names:
            if name not in config.credentials:
                known = nearest(name, config.credentials)
                text = f"found {name!r}, expected the name of a table [credentials.NAME]{known}"
                yield Conflict((("sources", index, key), ("credentials", name)), text)


def _tuning_conflicts(config: Config, index: int, shard: ShardConfig) -> Iterator[Conflict]:
    """Yield conflicts between what a shard sets for itself and the rest of `[poll]`."""
    tuned = config.poll.for_shard(shard)
    if tuned is config.poll:
        return
    for found in tuned.conflicts():
        from_shard = [getattr(shard, str(key)) is not None for (key,) in found.keys]
        if any(from_shard):  # otherwise [poll] alone has this conflict
            tables = [("shards", index) if of_shard else ("poll",) for of_shard in from_shard]
            keys = (table + key for table, key in zip(tables, found.keys, strict=True))
            yield found._replace(keys=tuple(keys))


def _addresses(config: Config) -> dict[Path, Endpoint]:
    """Return the addresses that the daemon binds, by the key that sets each."""
    listens = (("xmlrpc", config.xmlrpc.listen), ("http", config.http.listen))
    return {
        ("query", "endpoint"): parse_endpoint(config.query.endpoint),
        ("bus", "endpoint"): parse_endpoint(config.bus.endpoint),
        **{(name, "listen"): listen_endpoint(listen) for name, listen in listens if listen},
    }


def _address_conflicts(config: Config) -> Iterator[Conflict]:
    """Yield pairs of servers with the same address."""
    for (one, first), (other, second) in combinations(_addresses(config).items(), 2):
        if first == second and (first.port or first.scheme != "tcp"):
            yield Conflict((other, one), "found the address of {1}, expected another one")


def _bus_conflicts(config: Config) -> Iterator[Conflict]:
    """Yield sets of rights for which there is no endpoint of the bus."""
    key: Path = ("bus", "endpoints")
    if config.security.server_key is None:
        if config.bus.endpoints:
            text = "found without {1}: without keys all clients use bus.endpoint"
            yield Conflict((key, _SERVER_KEY), text)
        return
    rights = {
        name: BusRights.of(one.shards, one.operations, one.hidden_fields)
        for name, one in config.clients.items()
    }
    try:
        assigned = assign_endpoints(config.bus.endpoint, config.bus.endpoints, rights)
    except BusEndpointError as error:
        yield Conflict((key,), _literal(str(error)))
        return
    for endpoint in assigned:
        for other, address in _addresses(config).items():
            if overlap(parse_endpoint(endpoint.address), address):
                found = f"found {endpoint.address} for {', '.join(endpoint.clients)}"
                what = f"which is the address of {{1}}: set {endpoint.key} to another one"
                yield Conflict((key, other), f"{_literal(found)}, {what}")


def _rights_conflicts(config: Config) -> Iterator[Conflict]:
    """Yield rights that a client would never have."""
    for name, client in config.clients.items():
        operations = CHANGING_OPERATIONS.intersection(client.operations or ())
        if client.shards is not None and operations:
            table = ("clients", name)
            found = _literal(f"found {', '.join(sorted(operations))!r}")
            text = f"{found} with {{1}}, expected it only of a client that can see all shards"
            yield Conflict(((*table, "operations"), (*table, "shards")), text)


def _exposure_conflicts(config: Config) -> Iterator[Conflict]:
    """Yield addresses that other machines can reach without a key, and rights without keys."""
    http, xmlrpc, security = config.http, config.xmlrpc, config.security
    if config.clients and security.server_key is None and not http.knows_clients:
        text = "found without {1}, expected keys or tokens, which identify the clients"
        yield Conflict((("clients",), _SERVER_KEY), text)
    if xmlrpc.listen and not listen_endpoint(xmlrpc.listen).is_local:
        text = "found an address that other machines can reach, expected one like 127.0.0.1:PORT"
        yield Conflict((("xmlrpc", "listen"),), text)
    if security.insecure:
        return
    if http.listen and not listen_endpoint(http.listen).is_local and not http.knows_clients:
        text = (
            "found an address that other machines can reach, without {1} or {2}: expected one of "
            "them, 127.0.0.1, or --insecure to let every client read everything"
        )
        ways: tuple[Path, ...] = (("http", "token_file"), ("http", "client_ca_file"))
        yield Conflict((("http", "listen"), *ways), text)
    if security.server_key is not None:
        return
    for name, endpoint in (("query", config.query.endpoint), ("bus", config.bus.endpoint)):
        if not parse_endpoint(endpoint).is_local:
            text = (
                "found an address that other machines can reach, without {1}: expected keys (make "
                "them with `zinfo keygen`), 127.0.0.1, or --insecure to let every client read "
                "everything"
            )
            yield Conflict(((name, "endpoint"), _SERVER_KEY), text)


def _literal(text: str) -> str:
    """Return a format string that formats to this text."""
    return text.replace("{", "{{").replace("}", "}}")
