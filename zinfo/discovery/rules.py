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
from zinfo.wire.addresses import host_port, parse_shard_url

SOURCE_LABEL = "source"
"""Label of every shard that a source names: the name of that source."""

MAX_LABELS_SIZE = 4096
"""Characters of all names and values of a target's labels."""

MAX_ID = 1024
"""Maximum number of characters of a shard id."""


class SkippedError(Exception):
    """A candidate cannot be a shard; the text says why, without a secret."""


@dataclass(frozen=True, slots=True)
class TargetRules:
    """What a `[[sources]]` table says of every candidate of its source.

    Attributes:
        source: name of the source.
        labels: labels that are added; they override those of the source.
        id_template: makes the id, such as `{cluster}/{host}:{port}`: names of labels, `host` and
            `port` in braces; "" for `host:port` or the path of the Unix socket.
        keep: patterns by name of a label; a candidate is kept only if all of them match.
        drop: patterns by name of a label; a candidate is dropped if one of them matches.
        credentials: name of the credentials of candidates that name none; "" for none.
        credential_hosts: the hosts of each `[credentials.NAME]` table, by name.
    """

    source: str
    labels: Mapping[str, str] = field(default_factory=dict)
    id_template: str = ""
    keep: Mapping[str, str] = field(default_factory=dict)
    drop: Mapping[str, str] = field(default_factory=dict)
    credentials: str = ""
    credential_hosts: Mapping[str, HostPatterns] = field(default_factory=dict)

    def apply(self, candidate: Candidate) -> tuple[str, Target] | None:
        """Return the id of a candidate and its target; None if `keep` or `drop` exclude it.

        Raises:
            SkippedError: the candidate cannot be a shard.
        """
        url = _url_of(candidate)
        labels = {**candidate.labels, **self.labels, SOURCE_LABEL: self.source}
        if not self._is_kept(labels):
            return None
        ident = candidate.ident or self._ident(candidate, labels)
        if not ident.isprintable() or not 0 < len(ident) <= MAX_ID:
            raise SkippedError("bad id")
        credentials = candidate.credentials or self.credentials
        if credentials:
            self._require_allowed(credentials, candidate.path or candidate.host)
        visible = {name: value for name, value in labels.items() if not name.startswith("__")}
        if sum(len(name) + len(value) for name, value in visible.items()) > MAX_LABELS_SIZE:
            raise SkippedError(f"labels of more than {MAX_LABELS_SIZE} characters")
        return ident, Target(url, visible, credentials)

    def _is_kept(self, labels: Mapping[str, str]) -> bool:
        if not all(fnmatchcase(labels.get(name, ""), one) for name, one in self.keep.items()):
            return False
        return not any(
            name in labels and fnmatchcase(labels[name], one) for name, one in self.drop.items()
        )

    def _ident(self, candidate: Candidate, labels: Mapping[str, str]) -> str:
        host, port = candidate.path or candidate.host, candidate.port
        if not self.id_template:
            return candidate.path or host_port(host, port)
        values = {**labels, "host": f"[{host}]" if ":" in host else host, "port": str(port)}
        try:
            return self.id_template.format_map(values)
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
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or spec or conversion:
            raise ValueError("expected names of labels, host or port in { }")


def _url_of(candidate: Candidate) -> str:
    if candidate.path:
        url = f"unix://{quote(candidate.path)}"
    else:
        # Before parsing: an empty host would be localhost to some libraries.
        if not candidate.host:
            raise SkippedError("no host")
        if not 0 < candidate.port < 65536:
            raise SkippedError("bad port")
        url = f"{candidate.scheme}://{host_port(candidate.host, candidate.port)}"
    try:
        return parse_shard_url(url).url
    except ValueError:
        raise SkippedError("bad address") from None
