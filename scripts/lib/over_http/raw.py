"""HTTP by hand, over a socket: what a well-behaved library would never send is sent here."""

from __future__ import annotations

import gzip
import json
import select
import socket
import zlib
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from processes.local_cluster import Failed

#: A reply that is not there by then is taken for lost.
REPLY_LIMIT_S = 60.0


@dataclass(frozen=True)
class Reply:
    status: int
    #: Names in lower case; of two lines with the same name the last.
    headers: dict[str, str]
    #: As it came: still compressed.
    body: bytes

    @property
    def text(self) -> bytes:
        """The body without its `Content-Encoding`."""
        coding = self.headers.get("content-encoding", "identity")
        if coding == "gzip":
            return gzip.decompress(self.body)
        return zlib.decompress(self.body) if coding == "deflate" else self.body

    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def closes(self) -> bool:
        return self.headers.get("connection", "").lower() == "close"


class Connection:
    """One connection; replies are read in the order in which they come."""

    def __init__(self, address: str, timeout_s: float = REPLY_LIMIT_S) -> None:
        host, _, port = address.rpartition(":")
        self.host = address
        self._socket = socket.create_connection((host, int(port)), timeout=timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb")

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._reader.close()
        self._socket.close()

    def end_sending(self) -> None:
        """Half-open from here on: our end says that nothing more comes, and still listens."""
        self._socket.shutdown(socket.SHUT_WR)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def request(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> None:
        """One request, in one write; `Content-Length` unless the headers say something of the length."""
        self.send(head(self.host, method, path, headers, body) + (body or b""))

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Reply:
        """As `request`; a server may answer and close before it has all of a body that it does not want."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.request(method, path, headers, body)
        return self.reply(method)

    def reply(self, method: str = "GET") -> Reply:
        """The next final reply; interim ones (100) are read over, as RFC 9110 has it."""
        while True:
            reply = self.next_reply(method)
            if reply.status >= 200:
                return reply

    def next_reply(self, method: str = "GET") -> Reply:
        line = self._reader.readline(65_536)
        if not line:
            raise ConnectionError("the connection ended without a reply")
        parts = line.split(b" ", 2)
        if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].strip().isdigit():
            raise Failed(f"this is no status line: {line[:80]!r}")
        headers: dict[str, str] = {}
        while (line := self._reader.readline(65_536)) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        status = int(parts[1])
        if method == "HEAD" or status < 200 or status in (204, 304):
            return Reply(status, headers, b"")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return Reply(status, headers, self._chunks())
        if "content-length" not in headers:
            raise Failed(f"a reply with {status} says nothing of its length: {headers}")
        count = int(headers["content-length"])
        body = self._reader.read(count)
        if len(body) != count:
            raise Failed(f"a reply ended after {len(body)} of {count} bytes")
        return Reply(status, headers, body)

    def _chunks(self) -> bytes:
        parts = []
        while (count := int(self._reader.readline(1_024).split(b";")[0], 16)) > 0:
            parts.append(self._reader.read(count))
            self._reader.readline(3)
        while self._reader.readline(65_536) not in (b"\r\n", b""):
            pass
        return b"".join(parts)

    def readable(self, within_s: float) -> bool:
        """Whether the server says something within the time, or ends the connection."""
        return bool(select.select([self._socket], [], [], within_s)[0])

    def is_closed(self, within_s: float) -> bool:
        """Whether the server ends the connection within the time, and says nothing more."""
        self._socket.settimeout(within_s)
        try:
            return self._reader.read(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
        finally:
            self._socket.settimeout(REPLY_LIMIT_S)


def head(host: str, method: str, path: str, headers: dict[str, str] | None, body: bytes | None) -> bytes:
    """A request's head. `headers` may replace `Host`; an empty value leaves a header out."""
    lines = {"Host": host}
    if body is not None and not any(name.lower() in ("content-length", "transfer-encoding") for name in headers or {}):
        lines["Content-Length"] = str(len(body))
    lines.update(headers or {})
    text = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value != "")
    return text.encode("latin-1") + b"\r\n"


def chunked(body: bytes, size: int) -> bytes:
    """The body as `Transfer-Encoding: chunked` has it."""
    parts = [body[start:start + size] for start in range(0, len(body), size)]
    return b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts) + b"0\r\n\r\n"


def ask(address: str, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Reply:
    """One request on a connection of its own."""
    with Connection(address) as connection:
        return connection.ask(method, path, headers, body)
