"""A load generator that costs next to nothing: requests are bytes that were made before, and of a reply only the end is looked for."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from over_http.raw import head
from processes.local_cluster import Failed

WIDTHS = {"uint8": 1, "float32": 4, "int64": 8}
DATATYPES = {"uint8": "UINT8", "float32": "FP32", "int64": "INT64"}


def manifest(model: Path) -> dict[str, Any]:
    with ZipFile(model) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/amp4ec.json"))
        return json.loads(archive.read(name))


def infer_request(address: str, model: Path, batch: int, seed: int = 0) -> bytes:
    """A whole request in the binary extension, head and body: the model's inputs at random, its outputs in binary."""
    declared = manifest(model)
    chooser = random.Random(seed)
    inputs, values = [], b""
    for spec in declared["inputs"]:
        shape = [batch if size == "N" else size for size in spec["shape"]]
        count = 1
        for size in shape:
            count *= size
        width = WIDTHS[spec["dtype"]]
        # Bytes below 64 are small numbers in every type.
        made = chooser.randbytes(count) if width == 1 else bytes(count * width)
        inputs.append({"name": spec["name"], "shape": shape, "datatype": DATATYPES[spec["dtype"]], "parameters": {"binary_data_size": len(made)}})
        values += made
    text = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    body = text + values
    headers = {"Inference-Header-Content-Length": str(len(text)), "Content-Type": "application/octet-stream"}
    return head(address, "POST", f"/v2/models/{declared['name']}/infer", headers, body) + body


@dataclass
class Replies:
    """What came back: how long each took, by its code."""

    seconds: float = 0
    latencies: dict[int, list[float]] = field(default_factory=dict)
    #: Refusals that do not say when to come again.
    unsaid: int = 0
    lost: int = 0

    def add(self, status: int, latency: float, said: bool = True) -> None:
        self.latencies.setdefault(status, []).append(latency)
        self.unsaid += not said

    def count(self, status: int) -> int:
        return len(self.latencies.get(status, []))

    def percentile(self, share: float, status: int = 200) -> float:
        """In seconds."""
        ordered = sorted(self.latencies.get(status, []))
        if not ordered:
            raise Failed(f"no request was answered with {status}: {self.described()}")
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def described(self) -> str:
        return ", ".join(f"{len(each)} × {status}" for status, each in sorted(self.latencies.items())) + f", {self.lost} lost"


def _status_and_rest(text: bytes) -> tuple[int, int, bool]:
    """Of a reply's head: the code, the bytes behind it, and whether it says when to come again."""
    lower = text.lower()
    at = lower.find(b"\r\ncontent-length:")
    if at < 0:
        raise Failed(f"a reply says nothing of its length: {text!r}")
    return int(text[9:12]), int(lower[at + 17:lower.index(b"\r\n", at + 17)]), b"\r\nretry-after:" in lower


def closed_loop(address: str, request: bytes, concurrency: int, seconds: float, limit_s: float = 60) -> Replies:
    """Each of so many connections asks again when it has its reply."""
    replies, lock, problems = Replies(), threading.Lock(), []
    host, _, port = address.rpartition(":")
    begin = time.monotonic()

    def ask() -> None:
        own: list[tuple[int, float, bool]] = []
        try:
            while time.monotonic() - begin < seconds:
                with socket.create_connection((host, int(port)), timeout=limit_s) as connection:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    _ask_until(begin + seconds, connection, request, own)
        except (OSError, Failed) as problem:
            problems.append(problem)
        with lock:
            for each in own:
                replies.add(*each)

    threads = [threading.Thread(target=ask) for _ in range(concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise Failed(f"a connection failed: {problems[0]!r}")
    replies.seconds = time.monotonic() - begin
    return replies


def _ask_until(end: float, connection: socket.socket, request: bytes, answered: list[tuple[int, float, bool]]) -> None:
    """One request after the other, until the time is over or the server wants another connection."""
    buffer = bytearray(1 << 20)
    view = memoryview(buffer)
    while time.monotonic() < end:
        sent = time.monotonic()
        connection.sendall(request)
        count = 0
        while (at := buffer.find(b"\r\n\r\n", 0, count)) < 0:
            count += _received(connection, view[count:])
        text = bytes(buffer[:at + 2])
        status, size, said = _status_and_rest(text)
        left = size - (count - at - 4)
        while left > 0:
            left -= _received(connection, view[:left])
        answered.append((status, time.monotonic() - sent, said or status not in (429, 503)))
        if b"\r\nconnection: close" in text.lower():
            return


def _received(connection: socket.socket, view: memoryview) -> int:
    count = connection.recv_into(view)
    if count == 0:
        raise ConnectionError("the server ended a connection with a request on it")
    return count


class _Pool:
    """Connections for an open loop: as many as there are requests under way."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._place = (host, int(port))
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.opened = 0

    async def take(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        self.opened += 1
        return await asyncio.open_connection(*self._place)

    def put(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._idle.append((reader, writer))

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()


async def _open_loop(address: str, request: bytes, rate: float, seconds: float, seed: int, limit_s: float) -> Replies:
    replies, pool, chooser = Replies(), _Pool(address), random.Random(seed)

    async def ask() -> None:
        began = time.monotonic()
        try:
            reader, writer = await pool.take()
            writer.write(request)
            text = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), limit_s)
            status, size, said = _status_and_rest(text)
            await asyncio.wait_for(reader.readexactly(size), limit_s)
        except (OSError, EOFError, TimeoutError):
            replies.lost += 1
            return
        replies.add(status, time.monotonic() - began, said or status not in (429, 503))
        if b"\r\nconnection: close" in text.lower():
            writer.close()
        else:
            pool.put(reader, writer)

    begin = time.monotonic()
    due = begin
    tasks = set()
    while due - begin < seconds:
        # Whoever comes does not know of the others: the times between them are exponential, and nobody waits for an answer before he comes.
        due += chooser.expovariate(rate)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        task = asyncio.create_task(ask())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    replies.seconds = time.monotonic() - begin
    pool.close()
    return replies


def open_loop(address: str, request: bytes, rate: float, seconds: float, seed: int, limit_s: float = 60) -> Replies:
    """So many requests a second, whatever becomes of those before."""
    return asyncio.run(_open_loop(address, request, rate, seconds, seed, limit_s))
