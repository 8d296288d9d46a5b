"""A client that keeps a few connections busy with prepared requests: plain sockets, so that the server is what is slow.

Run as a process of its own: ``python -m tests.benchmarks.load PORT PATH BODIES COUNT CONNECTIONS``.
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path


class Connection(asyncio.Protocol):
    """Sends the next request as soon as an answer is whole."""

    def __init__(self, requests: Iterator[bytes], done: asyncio.Future[None], latencies: list[float]) -> None:
        self._requests = requests
        self._done = done
        self._latencies = latencies
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport
        self._send()

    def _send(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            if not self._done.done():
                self._done.set_result(None)
            return
        self._sent = time.perf_counter()
        assert isinstance(self._transport, asyncio.WriteTransport)
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Go on once the body that Content-Length announced is there."""
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._done.set_exception(RuntimeError(self._buffer[:500].decode()))
            return
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        if len(body) >= length:
            self._latencies.append(time.perf_counter() - self._sent)
            self._buffer = b""
            self._send()


async def run(port: int, path: str, bodies: list[bytes], count: int, connections: int) -> dict[str, float]:
    """Send ``count`` requests over ``connections`` connections, bodies in rotation; return rate and latencies."""
    heads = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {{}}\r\n\r\n"
    prepared = [heads.format(len(body)).encode() + body for body in bodies]
    requests = itertools.islice(itertools.cycle(prepared), count)
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    waits = [loop.create_future() for _ in range(connections)]
    begun = time.perf_counter()
    for done in waits:
        await loop.create_connection(partial(Connection, requests, done, latencies), "127.0.0.1", port)
    await asyncio.gather(*waits)
    elapsed = time.perf_counter() - begun
    latencies.sort()
    return {
        "per_second": count / elapsed,
        "p50_ms": 1e3 * latencies[len(latencies) // 2],
        "p99_ms": 1e3 * latencies[int(len(latencies) * 0.99)],
    }


if __name__ == "__main__":
    _, port, path, file, count, connections = sys.argv
    bodies = [body.encode() for body in json.loads(Path(file).read_text())]
    print(json.dumps(asyncio.run(run(int(port), path, bodies, int(count), int(connections)))))
