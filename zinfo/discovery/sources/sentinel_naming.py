"""SentinelNaming: makes shards of the servers that Sentinels monitor, and of Sentinels. Pure."""

from __future__ import annotations

from dataclasses import replace

from zinfo.discovery.answer_builder import AnswerBuilder
from zinfo.discovery.rules import SkippedError, TargetRules
from zinfo.discovery.sources.sentinel_views import Address, MonitoredServer
from zinfo.discovery.target import Candidate
from zinfo.poll.resolver import is_numeric
from zinfo.wire.addresses import host_port, parse_shard_url

CLUSTER_LABEL = "cluster"
"""Label with the name of the primary in the configuration of the Sentinels."""

GROUP_LABEL = "group"
"""Label with the shard id of the primary; a primary has its own."""

HOSTNAME_LABEL = "hostname"
"""Label with the host, if Sentinels announce names."""


class SentinelNaming:
    """Gives servers their addresses, ids and labels.

    Args:
        rules: the rules of the source.
        scheme: `redis` or `rediss`, of primaries and replicas.
        sentinel_credentials: name of the credentials of Sentinels; "" for none.
    """

    def __init__(self, rules: TargetRules, scheme: str, sentinel_credentials: str) -> None:
        self.rules = rules
        self._scheme = scheme
        # The credentials of the shards are not for Sentinels. Their ids are host:port, as a
        # template may need labels that they do not have.
        self._sentinel_rules = replace(rules, credentials=sentinel_credentials, id_template="")

    def candidate(self, server: MonitoredServer) -> Candidate:
        """Return a primary or a replica as it is listed."""
        return self._candidate(server.address, server.cluster, self._group(server))

    def add_sentinel(self, builder: AnswerBuilder, url: str) -> None:
        """Add a Sentinel to an answer, or count why it is skipped.

        Raises:
            SourceError: the answer is full.
        """
        address = parse_shard_url(url)
        labels = {} if is_numeric(address.host) else {HOSTNAME_LABEL: address.host}
        candidate = Candidate(address.host, address.port, scheme=address.scheme, labels=labels)
        try:
            made = self._sentinel_rules.apply(candidate)
        except SkippedError as error:
            builder.skip(str(error))
            return
        if made is not None:
            builder.add_target(*made)

    def _group(self, server: MonitoredServer) -> str:
        """Return the id of a server's primary, or its address if the rules give it no id.

        It has none if it is not watched, or if its id is made of the group.
        """
        try:
            made = self.rules.apply(self._candidate(server.primary, server.cluster, ""))
        except SkippedError:
            made = None
        return made[0] if made is not None else host_port(*server.primary)

    def _candidate(self, address: Address, cluster: str, group: str) -> Candidate:
        host, port = address
        labels = {CLUSTER_LABEL: cluster}
        if group:
            labels[GROUP_LABEL] = group
        if not is_numeric(host):
            labels[HOSTNAME_LABEL] = host
        return Candidate(host, port, scheme=self._scheme, labels=labels)
