"""TargetRules: makes a target of a candidate, as the `[[sources]]` table says. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from string import Formatter
from urllib.parse import quote

from zinfo.discovery.host_patterns import HostPatterns
from zinfo.discovery.target import Candidate, Target
from zinfo.shards.source_status import SOURCE_LABEL
from zinfo.wire.addresses import MAX_PORT, ShardAddress, check_host, host_port, parse_shard_url
from zinfo.wire.slices import SliceSpec

MAX_LABELS_SIZE = 4096
"""Characters of all names and values of a target's labels."""

MAX_ID = 512
"""Maximum number of characters of a shard id."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class SkippedError(Exception):
    """A candidate cannot be a shard; the text says why, without a secret."""


@dataclass(frozen=True, slots=True)
class TargetRules:
    """What a `[[sources]]` table says of every candidate of its source.

    Raises:
        ValueError: the template of ids cannot be used.

    Attributes:
        source: name of the source.
        labels: labels that are added; they override those of the source.
        id_template: makes the id, such as `{cluster}/{host}:{port}`: names of labels, `host` and
            `port` in braces; "" for `host:port` or the path of the Unix socket.
        keep: patterns by name of a label; a candidate is kept only if all of them match.
        drop: patterns by name of a label; a candidate is dropped if one of them matches.
        credentials: name of the credentials of candidates that name none; "" for none.
        credential_hosts: the hosts of each `[credentials.NAME]` table, by name.
        slice: the slice of all shards that this daemon polls; None for all. `AnswerBuilder` omits
            the other targets. `apply` does not, as the labels of a replica depend on its primary,
            which may be in another slice.
    """

    source: str
    labels: Mapping[str, str] = field(default_factory=dict)
    id_template: str = ""
    keep: Mapping[str, str] = field(default_factory=dict)
    drop: Mapping[str, str] = field(default_factory=dict)
    credentials: str = ""
    credential_hosts: Mapping[str, HostPatterns] = field(default_factory=dict)
    slice: SliceSpec | None = None

    def __post_init__(self) -> None:
        check_id_template(self.id_template)

    def apply(self, candidate: Candidate) -> tuple[str, Target] | None:
        """Return the id of a candidate and its target; None if `keep` or `drop` exclude it.

        Raises:
            SkippedError: the candidate cannot be a shard.
        """
        address = _address_of(candidate)
        labels = {**candidate.labels, **self.labels, SOURCE_LABEL: self.source}
        if not self._is_kept(labels):
            return None
        ident = candidate.ident or self._ident(address, labels)
        if not ident.isprintable() or not 0 < len(ident) <= MAX_ID:
            raise SkippedError("bad id")
        credentials = candidate.credentials or self.credentials
        if credentials:
            self._require_allowed(credentials, address.path or address.host)
        return ident, Target(address.url, _visible(labels), credentials)

    def _is_kept(self, labels: Mapping[str, str]) -> bool:
        if not all(fnmatchcase(labels.get(name, ""), one) for name, one in self.keep.items()):
            return False
        return not any(
            name in labels and fnmatchcase(labels[name], one) for name, one in self.drop.items()
        )

    def _ident(self, address: ShardAddress, labels: Mapping[str, str]) -> str:
        if not self.id_template:
            return address.ident
        host = f"[{address.host}]" if ":" in address.host else address.path or address.host
        try:
            return self.id_template.format_map({**labels, "host": host, "port": str(address.port)})
        except KeyError as error:
            raise SkippedError(f"no label {error.args[0]}, which its id needs") from None

    def _require_allowed(self, credentials: str, host: str) -> None:
        hosts = self.credential_hosts.get(credentials)
        if hosts is None:
            raise SkippedError("unknown credentials")
        if not hosts.matches(host):
            raise SkippedError(f"no credentials for {host}")


def check_id_template(template: str) -> None:
    """Raise unless a text can be the template of ids.

    Raises:
        ValueError: it has something else in its braces than names; the message says what.
    """
    for _, name, spec, conversion in Formatter().parse(template):
        if name is None:
            continue
        if not _NAME.fullmatch(name) or spec or conversion:
            raise ValueError("expected names of labels, host or port in { }")


def _address_of(candidate: Candidate) -> ShardAddress:
    """Return the address of a candidate.

    Raises:
        SkippedError: it has none that can be connected to.
    """
    host, port = candidate.host, candidate.port
    try:
        if candidate.path:
            return parse_shard_url(f"unix://{quote(candidate.path)}")
        if not host or host == "*":  # an empty host would be this machine
            raise SkippedError("no host")
        check_host(f"[{host}]" if ":" in host else host)
        if not 0 < port <= MAX_PORT:
            raise SkippedError("bad port")
        return parse_shard_url(f"{candidate.scheme}://{host_port(host, port)}")
    except ValueError:  # its text would repeat nothing, but names the parts of a URL
        raise SkippedError("bad address") from None


def _visible(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels that a shard gets: those that are not only for the rules.

    Raises:
        SkippedError: they are too large, or contain text that cannot be sent.
    """
    visible = {name: value for name, value in labels.items() if not name.startswith("__")}
    if "" in visible:
        raise SkippedError("a label without a name")
    if sum(len(name) + len(value) for name, value in visible.items()) > MAX_LABELS_SIZE:
        raise SkippedError(f"labels of more than {MAX_LABELS_SIZE} characters")
    try:  # JSON may contain halves of surrogate pairs
        "".join((*visible, *visible.values())).encode()
    except UnicodeEncodeError:
        raise SkippedError("labels that are not UTF-8") from None
    return visible
