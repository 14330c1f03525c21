"""Which nodes the cluster source asks, and what it does with replies that it cannot use."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.gevent_side.peers import peer, read_command
from zinfo.discovery.credentials import CredentialSet
from zinfo.discovery.rules import TargetRules
from zinfo.discovery.server_query import QueryLimits
from zinfo.discovery.sources.cluster import MAX_SEEDS, SAMPLE, ClusterSource
from zinfo.discovery.target import Answer
from zinfo.errors import SourceError


class Nodes:
    """Servers that reply to CLUSTER NODES with what a test sets, and count who was asked.

    Attributes:
        urls: their URLs.
        texts: the replies by URL, in RESP; a node without one closes the connection.
        asked: how often each was asked.
    """

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.texts: dict[str, bytes] = {}
        self.asked: Counter[str] = Counter()

    def view(self, myself: str, others: Sequence[str] = ()) -> bytes:
        """Return a reply of a node that knows some nodes."""
        lines = "".join(
            f"{url.rpartition(':')[2]:0>40} {url.partition('//')[2]}@1 "
            f"{'myself,' if url == myself else ''}master - 0 0 1 connected\n"
            for url in dict.fromkeys((myself, *others))
        )
        return b"$%d\r\n%b\r\n" % (len(lines), lines.encode())

    def know_all(self) -> None:
        """Let every node know all nodes."""
        self.texts = {url: self.view(url, self.urls) for url in self.urls}

    def source(self, *seeds: int) -> ClusterSource:
        return ClusterSource(
            "c",
            [self.urls[seed] for seed in seeds],
            TargetRules("c"),
            CredentialSet(),
            limits=QueryLimits(timeout=20),
        )


@contextlib.contextmanager
def nodes(count: int) -> Iterator[Nodes]:
    made = Nodes()
    with contextlib.ExitStack() as stack:
        for number in range(count):

            def script(sock: Any, number: int = number) -> None:
                url = made.urls[number]
                while True:
                    assert read_command(sock) == [b"CLUSTER", b"NODES"]
                    made.asked[url] += 1
                    if url not in made.texts:
                        return
                    sock.sendall(made.texts[url])

            made.urls.append(stack.enter_context(peer(script)))
        made.know_all()
        yield made


def count(answer: Answer | None) -> int:
    assert answer is not None
    return len(answer.targets)


def test_a_read_asks_the_seeds_and_some_members_others_each_time() -> None:
    with nodes(12) as made:
        source = made.source(0, 1)
        assert count(source.read()) == 12
        assert made.asked == {made.urls[0]: 1, made.urls[1]: 1}
        for _ in range(10):
            made.asked.clear()
            assert source.read() is None
            assert len(made.asked) == 2 + SAMPLE
            assert set(made.asked.values()) == {1}
        made.asked.clear()
        for _ in range(4):
            source.read()
        assert set(made.asked) == set(made.urls)


def test_a_seed_that_was_reset_is_outvoted_by_the_members() -> None:
    with nodes(6) as made:
        source = made.source(0)
        assert count(source.read()) == 6
        made.texts[made.urls[0]] = made.view(made.urls[0])
        answer = source.read()
        assert count(answer) == 6
        assert made.asked.total() == 2 + SAMPLE  # no further members were needed


def test_a_read_fails_if_only_a_seed_without_a_vote_replies() -> None:
    with nodes(6) as made:
        source = made.source(0)
        assert count(source.read()) == 6
        made.texts = {made.urls[0]: made.view(made.urls[0])}
        with pytest.raises(SourceError, match="knows only itself, no vote"):
            source.read()
        assert set(made.asked) == set(made.urls)  # all others were tried
        made.know_all()
        assert source.read() is None


def test_of_many_seeds_each_read_asks_others() -> None:
    with nodes(MAX_SEEDS + 4) as made:
        source = made.source(*range(MAX_SEEDS + 4))
        source.read()
        assert made.asked.total() == MAX_SEEDS
        source.read()
        assert set(made.asked) == set(made.urls)


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (b"*1\r\n$1\r\na\r\n", "not a text"),
        (b"$2\r\nOK\r\n", "lists no node"),
        (b"$99999999\r\n", "bytes"),
        (b"-ERR unknown command 'CLUSTER'\r\n", "unknown command"),
        (b"-ERR \x1b[2Jredis://u:hunter2@h\r\n", r"\?\[2J"),
    ],
)
def test_a_reply_that_cannot_be_used_is_named_and_changes_nothing(
    reply: bytes, problem: str
) -> None:
    with nodes(3) as made:
        alone = made.source(0)
        both = made.source(0, 1)
        made.texts[made.urls[0]] = reply
        with pytest.raises(SourceError, match=problem) as caught:
            alone.read()
        assert "hunter2" not in str(caught.value)
        answer = both.read()
        assert count(answer) == 3
        assert answer is not None
        assert problem.strip("\\?[2J") in answer.notes[0]


@pytest.mark.parametrize(
    "seeds", [(), ("redis://a", "rediss://b"), ("unix:///s",), ("redis://a:x",)]
)
def test_seeds_that_cannot_be_used_are_refused(seeds: tuple[str, ...]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the texts differ, and are those of URLs
        ClusterSource("c", seeds, TargetRules("c"), CredentialSet())
