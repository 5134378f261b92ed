"""Serves the dashboard's own files and the events of a made cluster, with the headers that the coordinator sends."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from made_states import MadeCluster

PAGE = Path(__file__).resolve().parents[2] / "Sources" / "Gateway" / "Dashboard" / "Page"
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; "
          "frame-ancestors 'none'")


class MockCoordinator:
    """A coordinator as far as the page can tell. Seconds pass ten times as fast as they do: what takes five seconds is tested in half of one."""

    def __init__(self, cluster: MadeCluster, role: str = "anyone", port: int = 0, pause_s: float = 0.1) -> None:
        self.cluster = cluster
        self.role = role
        self.label = "anna" if role != "anyone" else None
        self.pause_s = pause_s
        self.is_silent = False
        #: Tokens with roles, where the page must log in; `None` where there are none.
        self.tokens: dict[str, str] | None = None
        self.refusal: tuple[int, str] | None = None
        self.posts: list[tuple[str, Any]] = []
        self.changed = threading.Condition()
        self.has_ended = False
        mock = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                mock.get(self)

            def do_POST(self) -> None:
                mock.post(self)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.address = f"http://127.0.0.1:{self.port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def __enter__(self) -> MockCoordinator:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        if self.has_ended:
            return
        self.has_ended = True
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # Requests

    def get(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.split("?")[0]
        if path == "/events":
            return self.events(request)
        file = PAGE / ("index.html" if path == "/" else path[1:])
        if file.parent != PAGE or not file.is_file():
            return self.answer(request, 404, {"error": f"there is no {path}"})
        return self.send(request, 200, TYPES[file.suffix], file.read_bytes())

    def post(self, request: BaseHTTPRequestHandler) -> None:
        value = json.loads(request.rfile.read(int(request.headers.get("Content-Length", 0))) or b"null")
        self.posts.append((request.path, value))
        if request.path == "/login":
            role = (self.tokens or {}).get(value["token"])
            if role is None:
                return self.answer(request, 401, {"error": "the token is none of those of --http-token-file"})
            self.role, self.label, self.tokens = role, "anna", {}
            return self.answer(request, 200, {"role": role})
        if request.path.endswith("/drain"):
            name = request.path.split("/")[2]
            self.cluster.states[name] = "ready" if value.get("undo") else "drained"
            return self.answer(request, 200, {"node": name, "outcome": f"{name} is drained: no plan uses it and nothing runs on it"})
        return self.answer(request, 404, {"error": "no such path"})

    def events(self, request: BaseHTTPRequestHandler) -> None:
        if self.tokens and self.role == "anyone":
            return self.answer(request, 401, {"error": "GET /events needs a token"})
        if self.refusal is not None:
            return self.answer(request, self.refusal[0], {"error": self.refusal[1]})
        request.send_response(200)
        request.send_header("Content-Type", "text/event-stream")
        request.send_header("Connection", "close")
        request.end_headers()
        can_drain = self.role == "operator"
        who = {"role": self.role, "can_drain": can_drain, "can_log_in": self.tokens is not None, "version": "0.0.0"}
        if self.label:
            who["label"] = self.label
        if not can_drain:
            who["reason"] = "that takes an operator's token"
        try:
            self.write(request, "who", who)
            self.write(request, "history", {"recent": True, "last": len(self.cluster.events), "events": self.cluster.events})
            sent = len(self.cluster.events)
            while not self.has_ended:
                if self.is_silent:
                    request.wfile.write(b": still here\n\n")
                else:
                    if len(self.cluster.events) > sent:
                        # One that was sent already comes again, as from a coordinator while it connects.
                        again = self.cluster.events[max(0, sent - 1):]
                        self.write(request, "history", {"recent": False, "last": len(self.cluster.events), "events": again})
                        sent = len(self.cluster.events)
                    self.cluster.tick(self.pause_s)
                    self.write(request, "status", self.cluster.status())
                with self.changed:
                    self.changed.wait(self.pause_s)
        except OSError:
            pass
        finally:
            request.close_connection = True
        return None

    @staticmethod
    def write(request: BaseHTTPRequestHandler, name: str, value: Any) -> None:
        request.wfile.write(f"event: {name}\ndata: {json.dumps(value)}\n\n".encode())

    def answer(self, request: BaseHTTPRequestHandler, code: int, value: Any) -> None:
        self.send(request, code, "application/json", json.dumps(value).encode())

    @staticmethod
    def send(request: BaseHTTPRequestHandler, code: int, kind: str, body: bytes) -> None:
        request.send_response(code)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Content-Security-Policy", POLICY)
        request.send_header("X-Content-Type-Options", "nosniff")
        request.end_headers()
        request.wfile.write(body)
