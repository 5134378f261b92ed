"""A server in front of a coordinator that refuses the first requests as a busy one would: for clients that must wait their turn."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import ClassVar

from over_http.raw import ask

#: Inferences of each kind are refused so often before they are passed on: with 429, with 503.
REFUSALS = (429, 503)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    target = ""
    #: By what the request is: with tritonclient, or without it.
    refused: ClassVar[dict[bool, int]] = {}

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind = "Inference-Header-Content-Length" in self.headers
        count = self.refused.get(kind, 0)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "content-length", "connection")}
        reply = ask(self.target, self.command, self.path, headers, body)
        # Mistakes on purpose are the coordinator's to refuse.
        if self.path.endswith("/infer") and reply.status == 200 and count < len(REFUSALS):
            self.refused[kind] = count + 1
            self.write(REFUSALS[count], {"Retry-After": "1", "content-type": "application/json"}, json.dumps({"error": "too much to do"}).encode())
        else:
            self.write(reply.status, reply.headers, reply.body)

    def write(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name not in ("content-length", "connection", "date"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


class Refusing:
    def __enter__(self) -> Refusing:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def through_to(self, address: str) -> str:
        """Where to ask for what the server at the address says, after the refusals, which begin again."""
        Handler.target, Handler.refused = address, {}
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
