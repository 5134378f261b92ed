"""What a command may meet on the network of this machine: the addresses that cases call @name.

    @two     a coordinator that serves a model of two inputs over one worker, w1
    @worker  that worker
    @empty   a coordinator that has a model and no worker
    @closed  nobody listens there
    @silent  something that takes connections and says nothing
    @web     a web server
    @gone    something that ends each connection at once
"""

import socket
import threading
import time
from contextlib import ExitStack

from processes.local_cluster import Failed, Process
from runner import LIMIT_S


class Listener:
    """Takes connections on a port of its own, and gives each what `reply` says; None: nothing, and the connection stays open."""

    def __init__(self, reply):
        self._reply = reply
        self._open = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            if self._reply is None:
                self._open.append(peer)
                continue
            try:
                if self._reply:
                    peer.recv(65536)
                peer.sendall(self._reply)
                peer.close()
            except OSError:
                pass

    def kill(self):
        self._socket.close()
        for peer in self._open:
            peer.close()


class Closed:
    """A port that is taken, so that nobody else listens on it, and that takes no connections."""

    def __init__(self):
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"

    def kill(self):
        self._socket.close()


class Surroundings:
    def __init__(self, folder, programs, models, needed):
        self._folder, self._programs, self._models, self._needed = folder, programs, models, needed
        self._addresses = {}
        self._stack = ExitStack()

    def __enter__(self):
        logs = self._folder / "logs"
        logs.mkdir()
        make = {
            "closed": Closed, "silent": lambda: Listener(None), "gone": lambda: Listener(b""),
            "web": lambda: Listener(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")}
        try:
            for name, maker in make.items():
                self._add(name, maker())
            if self._needed & {"two", "worker"}:
                worker = self._start("worker", logs, "amp4ec-worker", "--name", "w1", "--executors", "1")
                self._addresses["worker"] = worker.wait_for("listening on ")
                coordinator = self._start(
                    "two", logs, "amp4ec-coordinator", "--workers", self._addresses["worker"], "--maximum-load", "1",
                    "--model", self._models / "two-inputs.pt", "--state-dir", self._folder / "taken-state")
                self._addresses["two"] = coordinator.wait_for("listening on ")
                coordinator.wait_for("ready: ")
            if "empty" in self._needed:
                empty = self._start("empty", logs, "amp4ec-coordinator", "--model", self._models / "two-inputs.pt")
                self._addresses["empty"] = empty.wait_for("listening on ")
                # Until then it says that the model is being analysed.
                self._wait_for_log(empty, "no plan")
        except BaseException:
            self._stack.close()
            raise
        return self

    def _start(self, name, logs, program, *options):
        process = Process(name, [self._programs / program, "--listen", "127.0.0.1:0", *options], logs)
        self._stack.callback(process.kill)
        return process

    @staticmethod
    def _wait_for_log(process, text):
        deadline = time.monotonic() + LIMIT_S
        while text not in process.log.read_text(errors="replace"):
            if time.monotonic() > deadline:
                raise Failed(f"{process.name} did not say \"{text}\".{process.last_words()}")
            time.sleep(0.1)

    def _add(self, name, peer):
        self._stack.callback(peer.kill)
        self._addresses[name] = peer.address

    def __exit__(self, *_):
        self._stack.close()

    def fill(self, word):
        """@name as its address."""
        for name, address in self._addresses.items():
            word = word.replace(f"@{name}", address)
        return word

    def named(self, text):
        """Addresses as @name."""
        for name, address in self._addresses.items():
            port = address.rsplit(":", 1)[1]
            text = text.replace(address, f"@{name}").replace(f":{port}", f":@{name}").replace(f"port {port}", "port <port>")
        return text
