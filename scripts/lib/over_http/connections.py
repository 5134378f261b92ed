"""How the server keeps, ends and bounds connections: each check is a function that takes the server and fails with words."""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from over_http.bad_inputs import BODY_LIMIT, HEADER_LENGTH, Model, packed, whole
from over_http.raw import Connection, Reply, ask, chunked
from processes.local_cluster import Failed

#: Requests on one connection, and at once on one connection.
KEPT, PIPELINED = 200, 16
#: The server waits 10 s for a whole body, and 30 s for anything to move.
SLOW_LIMIT_S = 45.0
#: Of the largest value.
TOLERANCE = 1e-4


def check(condition: bool, problem: str) -> None:
    if not condition:
        raise Failed(problem)


def same(first: bytes, second: bytes) -> bool:
    """Whether two answers are of equal inputs: a new plan between them may change the last bits."""
    one, other = array("f", first), array("f", second)
    scale = max(map(abs, one), default=0)
    return len(one) == len(other) and all(abs(a - b) <= TOLERANCE * scale for a, b in zip(one, other))


class Server:
    """A coordinator that serves, and what is right of it."""

    def __init__(self, address: str, model: Model, status: Callable[[], dict]) -> None:
        self.address, self.model, self.status = address, model, status
        document = {"inputs": [whole(model)], "outputs": [{"name": model.output, "parameters": {"binary_data": True}}]}
        self.head = json.dumps(document).encode()
        self.headers = {HEADER_LENGTH: str(len(self.head)), "Content-Type": "application/octet-stream"}

    def body(self, number: int) -> bytes:
        """An item that differs from that of another number."""
        return self.head + bytes([number % 251]) * self.model.item_bytes

    def infer(self, connection: Connection, number: int = 0) -> bytes:
        return self.values(connection.ask("POST", self.model.path, self.headers, self.body(number)))

    def values(self, reply: Reply) -> bytes:
        check(reply.status == 200, f"a right request is answered with {reply.status}: {reply.text[:200]!r}")
        return reply.body[int(reply.headers[HEADER_LENGTH.lower()]):]

    def unpacked(self, reply: Reply) -> bytes:
        """As `values`, of an answer that may be compressed."""
        check(reply.status == 200, f"a right request is answered with {reply.status}: {reply.text[:200]!r}")
        return reply.text[int(reply.headers[HEADER_LENGTH.lower()]):]

    def counter(self, name: str) -> int:
        return self.status()["counters"][name]

    def wait(self, what: str, condition: Callable[[], bool], limit_s: float = 20) -> None:
        deadline = time.monotonic() + limit_s
        while not condition():
            check(time.monotonic() < deadline, f"not within {limit_s:.0f} s: {what}")
            time.sleep(0.02)


def kept(server: Server) -> str:
    """Many requests of all kinds on one connection, refused ones among them."""
    with Connection(server.address) as connection:
        wanted = server.infer(connection)
        for number in range(KEPT):
            if number % 4 == 0:
                check(same(server.infer(connection), wanted), "an equal request has another answer")
            elif number % 4 == 1:
                check(connection.ask("GET", "/v2/health/ready").status == 200, "it is not ready")
            elif number % 4 == 2:
                check(connection.ask("GET", f"/v2/models/{server.model.name}/stats").status == 200, "there are no statistics")
            else:
                reply = connection.ask("POST", server.model.path, {}, b'{"inputs":[]}')
                check(reply.status == 400, f"a request without inputs is answered with {reply.status}")
                check(not reply.closes, "a refused request ends its connection though its body was read")
    return f"{KEPT} requests on one connection"


def pipelined(server: Server) -> str:
    """Requests sent before the first reply: replies in their order, each for its own."""
    with Connection(server.address) as connection:
        wanted = [server.infer(connection, number) for number in range(PIPELINED)]
        check(not any(same(one, other) for one, other in pairwise(wanted)), "different inputs have equal answers")
        for number in range(PIPELINED):
            connection.request("POST", server.model.path, server.headers, server.body(number))
        for expected in wanted:
            check(same(server.values(connection.reply()), expected), "pipelined replies are not in their order")
        # Small ones in a single write.
        small = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n" * PIPELINED
        connection.send(small)
        check([connection.reply().status for _ in range(PIPELINED)] == [200] * PIPELINED, "pipelined health checks are not all answered")
        server.infer(connection)
    return f"{PIPELINED} inferences and {PIPELINED} health checks at once on one connection"


def chunks(server: Server) -> str:
    """Bodies without a length, in chunks of odd sizes."""
    with Connection(server.address) as connection:
        wanted = server.infer(connection, 3)
        for size in (997, 65_536, 1 << 20):
            reply = connection.ask("POST", server.model.path, {**server.headers, "Transfer-Encoding": "chunked"}, chunked(server.body(3), size))
            check(same(server.values(reply), wanted), f"in chunks of {size} bytes it has another answer")
        squeezed = packed(server.body(3))
        reply = connection.ask("POST", server.model.path, {**server.headers, "Transfer-Encoding": "chunked", "Content-Encoding": "gzip"},
                               chunked(squeezed, 11))
        check(same(server.values(reply), wanted), "packed and in chunks it has another answer")
    for body in (b"zz\r\nxx\r\n0\r\n\r\n", b"-1\r\n\r\n", b"ffffffffffffffffff\r\n"):
        with Connection(server.address) as connection:
            try:
                reply = connection.ask("POST", server.model.path, {**server.headers, "Transfer-Encoding": "chunked"}, body)
            except ConnectionError:
                continue
            check(reply.status == 400, f"a wrong chunk is answered with {reply.status}")
    return "chunks of 11 bytes to 1 MiB, and wrong ones"


def continued(server: Server) -> str:
    """`Expect: 100-continue`: the word to go on, or the refusal before a byte of the body."""
    with Connection(server.address) as connection:
        body = server.body(5)
        connection.request("POST", server.model.path, {**server.headers, "Expect": "100-continue", "Content-Length": str(len(body))})
        check(connection.next_reply().status == 100, "nobody says to go on")
        connection.send(body)
        server.values(connection.reply())
        # Whoever does not wait for the word must be served as well.
        reply = connection.ask("POST", server.model.path, {**server.headers, "Expect": "100-continue"}, body)
        server.values(reply)
    for path, length, status in (("/v2/models/no-such-model/infer", 1_000, 404), (server.model.path, BODY_LIMIT + 1, 413)):
        with Connection(server.address) as connection:
            connection.request("POST", path, {**server.headers, "Expect": "100-continue", "Content-Length": str(length)})
            reply = connection.next_reply()
            check(reply.status == status, f"a request that will be refused with {status} is told {reply.status}")
    return "the word to go on, and refusals in its place"


def methods(server: Server) -> str:
    """HEAD has what GET has but the body; OPTIONS and others are told what there is."""
    with Connection(server.address) as connection:
        base = f"/v2/models/{server.model.name}"
        for path in ("/v2", "/v2/health/live", "/v2/health/ready", base, f"{base}/config", f"{base}/stats", f"{base}/ready", "/healthz"):
            get, only_head = connection.ask("GET", path + "?a=b"), connection.ask("HEAD", path)
            check((get.status, only_head.status) == (200, 200), f"GET and HEAD of {path}: {get.status} and {only_head.status}")
            check(get.headers.get("content-type") == only_head.headers.get("content-type"), f"HEAD of {path} has another type than GET")
            reply = connection.ask("OPTIONS", path)
            check(reply.status == 405 and "GET" in reply.headers.get("allow", ""), f"OPTIONS of {path}: {reply.status}, {reply.headers}")
            check(isinstance(reply.json().get("error"), str), f"OPTIONS of {path} has no error text")
        for path in (f"{base}/infer", "/v2/repository/index"):
            reply = connection.ask("GET", path)
            check(reply.status == 405 and "POST" in reply.headers.get("allow", ""), f"GET of {path}: {reply.status}, {reply.headers}")
    return "HEAD, OPTIONS and queries of nine paths"


def slow(server: Server) -> str:
    """Bodies that drip or never come are told so, or their connection ends; others are served meanwhile."""
    def drip(_: int) -> str:
        with Connection(server.address) as connection:
            body = server.body(1)
            connection.request("POST", server.model.path, {**server.headers, "Content-Length": str(len(body))})
            deadline = time.monotonic() + SLOW_LIMIT_S
            try:
                for byte in range(len(body)):
                    connection.send(body[byte:byte + 1])
                    # Until the server says something, or ends it.
                    if connection.readable(0.5):
                        break
                    check(time.monotonic() < deadline, f"a body of two bytes a second is waited for, {SLOW_LIMIT_S:.0f} s and more")
                return str(connection.reply().status)
            except ConnectionError:
                return "closed"

    def silent(_: int) -> str:
        with Connection(server.address, SLOW_LIMIT_S) as connection:
            connection.request("POST", server.model.path, {**server.headers, "Content-Length": "100000"})
            try:
                return str(connection.reply().status)
            except TimeoutError:
                raise Failed(f"a body that does not come is waited for, {SLOW_LIMIT_S:.0f} s and more") from None
            except ConnectionError:
                return "closed"

    with ThreadPoolExecutor(16) as pool:
        waiting = [pool.submit(kind, number) for number in range(8) for kind in (drip, silent)]
        while not all(each.done() for each in waiting):
            began = time.monotonic()
            check(ask(server.address, "GET", f"/v2/models/{server.model.name}").status == 200, "the model is not there while bodies are slow")
            check(time.monotonic() - began < 5, "slow bodies hold up others")
            time.sleep(0.2)
        ends = {each.result() for each in waiting}
    check(ends <= {"408", "closed"}, f"slow bodies are answered with {ends}")
    return f"16 slow bodies at once, each ended: {', '.join(sorted(ends))}"


def half_open(server: Server) -> str:
    """A client that ends its side: at once is it known whether there will be an answer, and nothing of it is held."""
    body = server.body(2)
    for cut in (0, 10, len(server.head), len(server.head) + 1_000, len(body)):
        with Connection(server.address) as connection:
            connection.request("POST", server.model.path, {**server.headers, "Content-Length": str(len(body))})
            connection.send(body[:cut])
            connection.end_sending()
            began = time.monotonic()
            try:
                reply = connection.reply()
            except ConnectionError:
                check(time.monotonic() - began < 5, "a client that ended its side is left waiting")
                continue
            # The end of a side looks like the end of both: whoever wants an answer keeps it open, though one that was ready is given.
            check((reply.status == 200 and cut == len(body)) or reply.status >= 400, f"{cut} bytes and the end are answered with {reply.status}")
            check(reply.status == 200 or isinstance(reply.json().get("error"), str), f"{cut} bytes and the end: {reply.text[:80]!r}")
    server.wait("what came of half bodies is given back", lambda: server.status()["held_bytes"] == 0)
    return "an end of sending in the middle of four bodies, and behind a whole one"


def cancelled(server: Server) -> str:
    """A client that goes away takes its work with it."""
    before, completed = server.counter("requests_cancelled"), server.counter("requests_completed")
    items = 256
    document = json.dumps({"inputs": [whole(server.model, shape=[items, *server.model.shape],
                                            parameters={"binary_data_size": items * server.model.item_bytes})]}).encode()
    connections = [Connection(server.address) for _ in range(3)]
    for connection in connections:
        connection.request("POST", server.model.path, {HEADER_LENGTH: str(len(document))}, document + bytes(items * server.model.item_bytes))
    server.wait("three large requests are under way", lambda: server.status()["requests_in_flight"] >= 3)
    for connection in connections:
        connection.close()
    began = time.monotonic()
    server.wait("three requests are cancelled", lambda: server.counter("requests_cancelled") - before >= 3, 5)
    seconds = time.monotonic() - began
    server.wait("nothing of them is held", lambda: server.status()["held_bytes"] == 0 and server.status()["micro_batches_in_flight"] == 0)
    check(server.counter("requests_completed") == completed, "a request whose client had gone was computed to its end")
    with Connection(server.address) as connection:
        began = time.monotonic()
        server.infer(connection)
        check(time.monotonic() - began < 2, "the next request waits for work of clients that have gone")
    return f"three requests of {items} images cancelled {seconds * 1_000:.0f} ms after their clients went"


def told(server: Server) -> str:
    """What a request says of itself comes back: its trace; and the answer's kind is what was asked for."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    reply = ask(server.address, "POST", server.model.path, {**server.headers, "traceparent": trace}, server.body(1))
    server.values(reply)
    check(reply.headers.get("traceparent", "").split("-")[1:2] == trace.split("-")[1:2], f"the trace did not come back: {reply.headers}")
    for wrong in ("x", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "00-zz" + trace[5:], trace + "-more" * 1_000):
        server.values(ask(server.address, "POST", server.model.path, {**server.headers, "traceparent": wrong}, server.body(1)))
    wanted = server.values(ask(server.address, "POST", server.model.path, server.headers, server.body(1)))
    for coding in ("gzip", "deflate", "gzip;q=0, deflate;q=0.5", "br, gzip", "*;q=0"):
        reply = ask(server.address, "POST", server.model.path, {**server.headers, "Accept-Encoding": coding}, server.body(1))
        check(same(server.unpacked(reply), wanted), f"with Accept-Encoding: {coding} it has another answer")
    return "traces, and five wishes for a coding"


#: The slow ones are waited for while the others are tried.
CHECKS = {"slow bodies": slow, "keep-alive": kept, "pipelining": pipelined, "chunks": chunks, "100-continue": continued, "methods": methods, "headers": told,
          "half-open": half_open, "cancellation": cancelled}


def run_all(server: Server, say: Callable[[str], None]) -> list[str]:
    """What is wrong; the first check goes on beside the others."""
    def timed(name: str) -> str | None:
        began = time.monotonic()
        try:
            say(f"{name}: {CHECKS[name](server)} ({time.monotonic() - began:.1f} s)")
        except (Failed, OSError, KeyError, ValueError) as failure:
            return f"{name}: {failure!r}"
        return None

    first, *others = CHECKS
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(timed, first)
        problems = [timed(name) for name in others]
        return [problem for problem in [*problems, beside.result()] if problem]
