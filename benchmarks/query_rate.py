"""Queries a second about one shard, compared with a bare ROUTER."""

from __future__ import annotations

import contextlib
from collections.abc import Collection

import zmq

from benchmarks.cores import Cores
from benchmarks.figures import Figure, Pair, compared
from benchmarks.progress import log_progress
from benchmarks.reply_counter import count_replies
from benchmarks.script import Scale, main
from benchmarks.servers import loaded_servers
from benchmarks.worker import Worker, start_measured
from zinfo.wire.query_messages import Request, encode_request

NUMBERS = ("5", "6")

_IN_FLIGHT = {"5": 1, "6": 64}
_REQUEST = encode_request(Request("get_infos", {"shard_ids": ["shard-00000"]}, id=1))
_INTERVAL = 1.0  # seconds between two polls of a shard, which go on meanwhile


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure the rate of replies."""
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=scale.few))
        daemon = start_measured(stack, "zinfo_daemon", servers.urls, scale.few, _INTERVAL)
        daemon.call("resume")
        reply = [len(frame) for frame in _request_once(daemon.started["query"])]
        bare = stack.enter_context(Worker("bare_zmq", cores=Cores.MEASURED, reply=reply))
        rates = {number: Pair() for number in wanted}
        micros = {number: Pair() for number in wanted}
        for number_of_round in range(1, scale.rounds + 1):
            for number in wanted:
                for worker, rate, micro in (
                    (daemon, rates[number].ours, micros[number].ours),
                    (bare, rates[number].theirs, micros[number].theirs),
                ):
                    seconds = scale.seconds / 2
                    cpu = worker.cpu()
                    replies = count_replies(
                        worker.started["query"], _REQUEST, _IN_FLIGHT[number], seconds
                    )
                    rate.append(replies / seconds)
                    micro.append(1e6 * (worker.cpu() - cpu) / replies)
                    log_progress(
                        f"query_rate: round {number_of_round} of {scale.rounds}, {worker.name}, "
                        f"{_IN_FLIGHT[number]} in flight: {rate[-1]:.0f} queries/s"
                    )
    return [
        compared(number, rates[number], "queries/s", cpu=micros[number], reply_bytes=reply)
        for number in wanted
    ]


def _request_once(endpoint: str) -> list[bytes]:
    """Return the frames of one reply, without envelope."""
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.connect(endpoint)
        socket.send_multipart(_REQUEST)
        if not socket.poll(10_000):
            raise RuntimeError("no reply within 10 s")
        return socket.recv_multipart()


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
