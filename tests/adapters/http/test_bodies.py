"""Long bodies: compressed in another thread, in bounded parts; what is unread is bounded, too."""

from __future__ import annotations

import gzip
import importlib.util
import threading
import zlib
from collections.abc import Iterable, Iterator
from types import ModuleType, SimpleNamespace

import falcon
import falcon.testing
import gevent
import pytest

from zinfo.adapters.http import compression
from zinfo.adapters.http.bodies import LongBodies
from zinfo.adapters.http.compression import CODINGS, CompressionThread
from zinfo.adapters.wsgi.client_quotas import ReleasingBody

LINES = b"".join(b'redis_up{instance="db-%05d:6379"} %d\n' % (n, n * n) for n in range(20_000))
PIECES = [LINES[start : start + 9999] for start in range(0, len(LINES), 9999)]


def decompressed(body: bytes, coding: str) -> bytes:
    if coding == "gzip":
        return gzip.decompress(body)
    module = compression.zstd_module()
    assert module is not None
    plain: bytes = module.decompress(body)
    return plain


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("pieces", [[], [b""], [b"a" * 100], PIECES, [LINES] * 3])
def test_a_compressed_body_is_the_body(coding: str, pieces: list[bytes]) -> None:
    body = b"".join(CompressionThread().compress(pieces, coding))
    assert decompressed(body, coding) == b"".join(pieces)


def test_zstd_is_available_and_preferred() -> None:
    """The test environment has Python 3.14 or the backport, so that these tests include zstd."""
    assert CODINGS == ("zstd", "gzip")


@pytest.mark.parametrize("missing", ["isal", "backports and compression", "isal and backports"])
def test_without_the_optional_packages_there_is_gzip(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def import_module(name: str) -> ModuleType:
        if name.partition(".")[0] in missing:
            raise ImportError
        return importlib.import_module(name)

    monkeypatch.setattr(compression, "importlib", SimpleNamespace(import_module=import_module))
    made = compression._compressors()["gzip"]()
    assert gzip.decompress(made.compress(LINES) + made.flush()) == LINES
    installed = importlib.util.find_spec("isal") is not None  # not on every platform
    assert type(made).__module__.startswith("isal") == (installed and "isal" not in missing)


def test_large_parts_are_compressed_in_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    class Recording:
        def compress(self, data: bytes) -> bytes:
            threads.append(threading.get_ident())
            return data

        def flush(self) -> bytes:
            return b""

    monkeypatch.setitem(compression._COMPRESSORS, "gzip", Recording)
    list(CompressionThread().compress([b"small"], "gzip"))
    assert set(threads) == {threading.get_ident()}
    threads.clear()
    list(CompressionThread().compress(PIECES, "gzip"))
    assert len(threads) > 1
    assert set(threads).isdisjoint({threading.get_ident()})
    assert len(set(threads)) == 1


def test_few_parts_wait_for_a_slow_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is made faster than it is compressed does not pile up, and stays in order."""
    turn, one = threading.Semaphore(0), threading.Lock()
    done: list[int] = []

    class Slow:
        def compress(self, data: bytes) -> bytes:
            assert one.acquire(blocking=False), "two parts of one body at a time"
            assert turn.acquire(timeout=60)
            done.append(len(data))
            one.release()
            return b"x"

        def flush(self) -> bytes:
            return b""

    made: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(20):
            made.append(number)
            assert len(made) - len(done) <= 3
            yield bytes(1 << 19)

    monkeypatch.setitem(compression._COMPRESSORS, "gzip", Slow)
    reader = gevent.spawn(lambda: list(CompressionThread().compress(pieces(), "gzip")))
    while not reader.ready():
        turn.release()
        gevent.sleep(0)
    assert reader.get() == [b"x"] * 20 + [b""]


def test_other_greenlets_run_while_a_body_is_compressed() -> None:
    other = gevent.spawn(lambda: 1)
    list(CompressionThread().compress(PIECES, "gzip"))
    assert other.ready()


class Resource:
    def __init__(self, bodies: LongBodies, pieces: Iterable[bytes]) -> None:
        self.bodies, self.pieces = bodies, pieces
        self.released = 0

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        self.bodies.set_pieces(
            request, response, self.pieces, "text/plain", vary=("Accept",), release=self.release
        )

    def release(self) -> None:
        self.released += 1


def client_of(resource: Resource) -> falcon.testing.TestClient:
    app = falcon.App()
    app.add_route("/", resource)
    return falcon.testing.TestClient(app)


def test_headers_say_what_the_body_is() -> None:
    resource = Resource(LongBodies(), PIECES)
    client = client_of(resource)
    plain = client.simulate_get("/")
    assert plain.content == LINES
    zipped = client.simulate_get("/", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(zipped.content) == LINES
    assert "content-encoding" not in plain.headers
    assert zipped.headers["content-encoding"] == "gzip"
    for answer in (plain, zipped):
        assert answer.headers["vary"] == "Accept, Accept-Encoding"
        assert int(answer.headers["content-length"]) == len(answer.content)
    assert resource.released == 2


def test_a_body_that_is_not_compressed_may_be_made_while_it_is_sent() -> None:
    bodies, made = LongBodies(max_bytes=200), 0

    def pieces() -> Iterator[bytes]:
        nonlocal made
        for number in range(1, 101):
            made = number
            yield LINES[:50_000]

    response = falcon.Response()
    request = falcon.testing.create_req()
    bodies.set_pieces(request, response, pieces(), "text/plain", source_bytes=150)
    assert (made, bodies._bytes, response.content_length) == (0, 150, None)
    with pytest.raises(falcon.HTTPServiceUnavailable):
        bodies.set_pieces(request, falcon.Response(), pieces(), "text/plain", source_bytes=51)
    assert isinstance(response.stream, ReleasingBody)
    first = next(iter(response.stream))
    assert (first, made) == (LINES[:50_000] * 3, 3)
    response.stream.close()
    assert bodies._bytes == 0
    zipped = falcon.Response()
    request = falcon.testing.create_req(headers={"Accept-Encoding": "gzip"})
    bodies.set_pieces(request, zipped, pieces(), "text/plain", source_bytes=150)
    assert made == 100
    assert zipped.content_length == str(bodies._bytes)


def test_small_pieces_are_sent_together() -> None:
    response = falcon.Response()
    LongBodies().set_pieces(falcon.testing.create_req(), response, PIECES, "text/plain")
    assert isinstance(response.stream, ReleasingBody)
    sent = list(response.stream)
    assert b"".join(sent) == LINES
    assert len(sent) == len(LINES) // (14 * 9999) + 1


def test_bodies_that_are_not_read_may_take_a_bounded_number_of_bytes() -> None:
    bodies = LongBodies(max_bytes=len(LINES))
    request = falcon.testing.create_req()
    unread = falcon.Response()
    bodies.set_pieces(request, unread, PIECES, "text/plain")
    refused = client_of(Resource(bodies, PIECES)).simulate_get("/")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
    assert client_of(Resource(bodies, [])).simulate_get("/").status_code == 200
    assert isinstance(unread.stream, ReleasingBody)
    unread.stream.close()
    assert client_of(Resource(bodies, PIECES)).simulate_get("/").content == LINES


def test_a_body_alone_may_be_of_any_size() -> None:
    client = client_of(Resource(LongBodies(max_bytes=1), PIECES))
    assert [client.simulate_get("/").status_code for _ in range(2)] == [200, 200]


def test_a_body_that_cannot_be_made_takes_no_memory() -> None:
    def broken() -> Iterator[bytes]:
        yield LINES
        raise ZeroDivisionError

    bodies = LongBodies(max_bytes=len(LINES))
    for accepted in ({}, {"Accept-Encoding": "gzip"}):
        request = falcon.testing.create_req(headers=accepted)
        with pytest.raises(ZeroDivisionError):
            bodies.set_pieces(request, falcon.Response(), broken(), "text/plain")
    assert bodies._bytes == 0


def test_gzip_can_be_read_by_zlib_in_a_stream() -> None:
    """A client may decompress what has arrived so far."""
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    pieces = CompressionThread().compress([LINES] * 3, "gzip")
    plain = b"".join(reader.decompress(piece) for piece in pieces) + reader.flush()
    assert plain == LINES * 3
    assert reader.eof
