"""The asyncio clients only: concurrent tasks, cancelling, closing while a task waits."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio

from tests.client.flavours import AsyncioFlavour
from tests.client.model import ModelDaemon
from tests.client.wire_peer import WirePeer
from tests.spawning import free_port
from tests.waiting import wait_until
from zinfo.aio import Client, Mirror, Subscriber
from zinfo.client import Delta, Stale
from zinfo.errors import NoAnswerError, ProtocolError

ROOT = Path(__file__).parents[2]

INTERRUPTED = """
import asyncio, os, signal, sys
from zinfo.aio import Client, Mirror, Subscriber

async def iterate(subscriber):
    async for update in subscriber:
        pass

async def ask(client):
    while True:
        async for page in client.iter_infos():
            pass

async def main():
    loop = asyncio.get_running_loop()
    loop.slow_callback_duration = 60  # a busy machine is no fault of the program
    where = sys.argv[1]
    async with (
        Mirror(where) as mirror,
        Subscriber(where, timeout=60) as subscriber,
        Client(where, timeout=60) as client,
    ):
        await mirror.wait_ready(60)
        loop.call_later(0.3, os.kill, os.getpid(), signal.SIGINT)
        await asyncio.gather(iterate(subscriber), ask(client), mirror.wait_ready(60))

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
"""
"""A program that gets SIGINT while it waits for all three."""


PATIENT: dict[str, Any] = {"timeout": 20, "retries": 39}
"""Options of a client that sends a request again after half a second, and waits for long."""


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition while the event loop runs."""
    await asyncio.to_thread(wait_until, condition, what=what)


# --- Client


def test_concurrent_requests_share_one_socket_and_each_gets_its_own_reply(
    peer: WirePeer, asynchronous: AsyncioFlavour
) -> None:
    async def story() -> None:
        async with Client(peer.query, timeout=60, context=asynchronous.own) as client:
            answers: list[Any] = await asyncio.gather(
                *(
                    client.snapshot([shard]) if number % 2 else client.request("hello")
                    for number in range(100)
                    for shard in "abc"
                )
            )
            for number, answer in enumerate(answers):
                if (number // 3) % 2:
                    assert [entry["shard"] for entry in answer] == ["abc"[number % 3]]
                else:
                    assert answer.body["node"] == "model"

    asynchronous.loop.call(story)
    assert len({envelope[0] for envelope in peer.envelopes}) == 1


def test_concurrent_requests_without_reply_are_sent_again_on_one_new_socket(
    peer: WirePeer, asynchronous: AsyncioFlavour
) -> None:
    async def story() -> None:
        async with Client(peer.query, **PATIENT, context=asynchronous.own) as client:
            peer.spoil = lambda reply: reply if len(peer.requests) > 20 else []
            assert len(await asyncio.gather(*(client.ping() for _ in range(20)))) == 20

    asynchronous.loop.call(story)
    sockets = [envelope[0] for envelope in peer.envelopes]
    assert len(set(sockets[:20])) == len(set(sockets[20:40])) == 1
    assert sockets[0] != sockets[20]


def test_cancelling_a_call_does_not_affect_others(
    peer: WirePeer, asynchronous: AsyncioFlavour
) -> None:
    async def story() -> None:
        async with Client(peer.query, **PATIENT, context=asynchronous.own) as client:
            peer.deaf = True
            cancelled, other = (asyncio.create_task(client.ping()) for _ in range(2))
            await until(lambda: len(peer.requests) == 2, "both requests")
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            peer.deaf = False
            assert await other
            assert await client.ping()

    asynchronous.loop.call(story)


def test_sockets_without_pending_requests_are_closed(
    peer: WirePeer, asynchronous: AsyncioFlavour
) -> None:
    async def story() -> None:
        async with Client(peer.query, timeout=60, context=asynchronous.own) as client:
            peer.deaf = True
            lasting = asyncio.create_task(client.ping(timeout=60))
            for _ in range(5):
                with pytest.raises(NoAnswerError):
                    await client.ping(timeout=0.1)
            assert len(client._connections._connections) == 1  # the one of the lasting call
            lasting.cancel()
            await asyncio.wait([lasting])
            assert client._connections._connections == []

    asynchronous.loop.call(story)


def test_no_request_stays_pending_after_a_page_could_not_be_decoded(
    peer: WirePeer, asynchronous: AsyncioFlavour
) -> None:
    async def story() -> None:
        async with Client(peer.query, timeout=60, context=asynchronous.own) as client:
            peer.spoil = lambda frames: [*frames[:-1], b"\xc1"]  # a byte that msgpack never uses
            with pytest.raises(ProtocolError):
                await client.get_infos()
            assert [connection.pending for connection in client._connections._connections] == [{}]

    asynchronous.loop.call(story)


def test_pending_calls_fail_when_the_client_is_closed(
    peer: WirePeer, asynchronous: AsyncioFlavour
) -> None:
    async def story() -> None:
        client = Client(peer.query, timeout=60, context=asynchronous.own)
        peer.deaf = True
        asking = [asyncio.create_task(client.ping()) for _ in range(3)]
        await until(lambda: len(peer.requests) == 3, "all requests")
        await client.close()
        for task in asking:
            with pytest.raises(ValueError, match="closed"):
                await task

    asynchronous.loop.call(story)


def test_closing_and_cancelling_at_once_leaves_no_unretrieved_error(
    peer: WirePeer, asynchronous: AsyncioFlavour
) -> None:
    async def story() -> None:
        client = Client(peer.query, timeout=60, context=asynchronous.own)
        peer.deaf = True
        asking = asyncio.create_task(client.ping())
        await until(lambda: peer.requests, "the request")
        await client.close()
        asking.cancel()
        await asyncio.wait([asking])
        assert asking.cancelled()

    asynchronous.loop.call(story)


def test_a_client_outlives_its_event_loop(peer: WirePeer) -> None:
    client = Client(peer.query, timeout=60)
    assert asyncio.run(client.ping())
    assert asyncio.run(client.ping())
    asyncio.run(client.close())


# --- Subscriber


def test_cancelling_recv_loses_no_update(peer: WirePeer, asynchronous: AsyncioFlavour) -> None:
    async def story() -> list[int]:
        revisions: list[int] = []
        async with Subscriber(
            peer.query, timeout=60, shard_ids=["a"], kinds=["delta"], context=asynchronous.own
        ) as subscriber:
            flood = asyncio.get_running_loop().run_in_executor(None, peer.do, poll_often)
            turns = 0
            while not revisions or revisions[-1] < 501:
                receiving = asyncio.create_task(subscriber.recv())
                turns = (turns + 1) % 12
                for _ in range(turns):
                    await asyncio.sleep(0)
                receiving.cancel()
                await asyncio.wait([receiving])
                if not receiving.cancelled():
                    update = receiving.result()
                    assert isinstance(update, Delta)
                    revisions.append(update.revision)
            await flood
        return revisions

    assert asynchronous.loop.call(story) == list(range(2, 502))


def poll_often(daemon: ModelDaemon) -> None:
    for _ in range(500):
        daemon.poll("a")


def test_other_tasks_run_while_the_bus_is_busy(
    peer: WirePeer, asynchronous: AsyncioFlavour
) -> None:
    # With inproc, a sent message is in the other socket at once.
    peer.do(lambda daemon: peer._bus.bind("inproc://bus"))
    peer.daemon.bus = "inproc://bus"
    context = zmq.asyncio.Context.shadow(peer._context.underlying)

    async def story() -> int:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with Subscriber(
            peer.query, timeout=60, kinds=["delta"], context=context
        ) as subscriber:
            await asyncio.get_running_loop().run_in_executor(None, peer.do, poll_often)
            ticking = asyncio.create_task(other())
            for _ in range(500):
                await subscriber.recv()
            ticking.cancel()
        return turns

    assert asynchronous.loop.call(story) >= 2


def test_a_second_task_that_waits_for_updates_is_refused(
    peer: WirePeer, asynchronous: AsyncioFlavour
) -> None:
    async def story() -> None:
        async with Subscriber(peer.query, timeout=60, context=asynchronous.own) as subscriber:
            first = asyncio.create_task(subscriber.recv(60))
            await asyncio.sleep(0)  # lets the first one start
            with pytest.raises(RuntimeError, match="one task at a time"):
                await subscriber.recv()
            await asyncio.get_running_loop().run_in_executor(
                None, peer.do, lambda daemon: daemon.poll("a")
            )
            assert isinstance(await first, Delta)

    asynchronous.loop.call(story)


async def iterated(subscriber: Subscriber) -> int:
    return len([update async for update in subscriber])


@pytest.mark.parametrize(
    ("waits", "muted"),
    [(Subscriber.recv, False), (iterated, False), (Subscriber.recv, True)],
    ids=["recv-joined", "iteration-joined", "recv-stale"],
)
def test_closing_ends_the_wait_for_an_update(
    quick_peer: WirePeer, asynchronous: AsyncioFlavour, waits: Callable[..., Any], muted: bool
) -> None:
    peer = quick_peer

    async def story() -> None:
        # With only a bus endpoint there is no open socket during the backoff.
        subscriber = Subscriber(bus=peer.bus, timeout=60, kinds=["event"], context=asynchronous.own)
        await subscriber.open()
        if muted:
            peer.beat()
            await subscriber.recv(0.2)  # receives the interval of the heartbeats
            peer.mute = True
            assert isinstance(await subscriber.recv(), Stale)
        waiting = asyncio.create_task(waits(subscriber))
        await until(lambda: subscriber._waiter._woken, "the task to wait")
        await subscriber.close()
        if waits is iterated:
            assert await asyncio.wait_for(waiting, 60) == 0
        else:
            with pytest.raises(ValueError, match="closed"):
                await asyncio.wait_for(waiting, 60)

    asynchronous.loop.call(story)


def test_the_first_recv_joins_the_bus(quick_peer: WirePeer, asynchronous: AsyncioFlavour) -> None:
    async def story() -> None:
        subscriber = Subscriber(
            quick_peer.query, timeout=60, kinds=["hb"], context=asynchronous.own
        )
        assert subscriber.stale
        assert await subscriber.recv(60)
        await subscriber.close()

    asynchronous.loop.call(story)


def test_waits_that_time_out_leave_no_futures(peer: WirePeer, asynchronous: AsyncioFlavour) -> None:
    async def story() -> int:
        async with Subscriber(
            peer.query, timeout=60, kinds=["event"], context=asynchronous.own
        ) as subscriber:
            before = futures()
            for _ in range(200):
                assert await subscriber.recv(0.001) is None
            return futures() - before

    assert asynchronous.loop.call(story) < 20


def futures() -> int:
    """The number of futures in this process."""
    gc.collect()
    return sum(isinstance(one, asyncio.Future) for one in gc.get_objects())


def test_cancelling_open_leaves_no_socket_open(asynchronous: AsyncioFlavour) -> None:
    async def story() -> None:
        unused = f"tcp://127.0.0.1:{free_port()}"
        subscriber = Subscriber(unused, context=asynchronous.own)
        joining = asyncio.create_task(subscriber.open())
        await until(subscriber._sockets.opened, "a socket to be open")
        joining.cancel()
        with pytest.raises(asyncio.CancelledError):
            await joining

    asynchronous.loop.call(story)


# --- Mirror


def test_wait_ready_fails_when_the_mirror_is_closed(asynchronous: AsyncioFlavour) -> None:
    async def story() -> None:
        mirror = Mirror(f"tcp://127.0.0.1:{free_port()}", context=asynchronous.own)
        waiting = asyncio.create_task(mirror.wait_ready(300))
        await until(lambda: mirror._waiters, "the task to wait")
        await asyncio.wait_for(mirror.close(), 60)
        with pytest.raises(NoAnswerError, match="closed"):
            await asyncio.wait_for(waiting, 60)
        with pytest.raises(ValueError, match="closed"):
            await mirror.open()

    asynchronous.loop.call(story)


def test_cancelling_wait_ready_does_not_stop_the_mirror(
    peer: WirePeer, asynchronous: AsyncioFlavour
) -> None:
    async def story() -> None:
        async with Mirror(peer.query, context=asynchronous.own) as mirror:
            waiting = asyncio.create_task(mirror.wait_ready(60))
            await asyncio.sleep(0)  # lets it start
            waiting.cancel()
            await asyncio.wait([waiting])
            await mirror.wait_ready(60)
            assert not mirror._waiters

    asynchronous.loop.call(story)


def test_a_coroutine_function_is_refused_as_a_listener(peer: WirePeer) -> None:
    async def listener(shard: str, change: object) -> None: ...

    with pytest.raises(TypeError, match="plain function"):
        Mirror(peer.query, on_change=listener)
    with pytest.raises(TypeError, match="plain function"):
        Mirror(peer.query).on_change(listener)


# --- all three


@pytest.mark.parametrize("kind", [Client, Subscriber, Mirror])
def test_an_unused_object_created_outside_a_loop_can_be_closed(
    kind: type[Client | Subscriber | Mirror],
) -> None:
    asyncio.run(kind().close())


@pytest.mark.parametrize("kind", [Client, Subscriber, Mirror])
def test_a_context_whose_sockets_would_block_is_refused(kind: Any) -> None:
    with zmq.Context() as context, pytest.raises(TypeError, match=r"zmq\.asyncio\.Context"):
        kind(context=context)


def test_an_interrupted_program_ends_without_a_warning(peer: WirePeer) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", INTERRUPTED, peer.query],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")
