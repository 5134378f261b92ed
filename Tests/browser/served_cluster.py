"""A real coordinator with three workers and a dashboard, whose readers have tokens."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from processes import secret
from processes.local_cluster import PRODUCTS, ROOT, Failed, LocalCluster

MODEL = ROOT / ".models" / "mobilenet-v2.pt"


def free_port() -> int:
    """One that nobody listens on now, so that a coordinator that is started again is found where the first one was."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServedCluster:
    """Three workers, a coordinator, its history, and a token for each role."""

    def __init__(self, workers: int = 3) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="amp4ec-dashboard-")
        self.folder = Path(self._folder.name)
        secret.use(secret.make(PRODUCTS, self.folder))
        self.tokens = {role: self._token(role, label) for role, label in [("client", "grafana"), ("operator", "anna")]}
        self.cluster = LocalCluster(self.folder, MODEL, workers)
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}/"

    def _token(self, role: str, label: str) -> str:
        command = [str(PRODUCTS / "amp4ec"), "secret", "--http-token", role, "--label", label]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise Failed(f"amp4ec secret ended with exit code {result.returncode}: {result.stderr.strip()}")
        with open(self.folder / "tokens", "a", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(result.stdout)
        return result.stdout.strip().split(":")[1]

    def serve(self) -> None:
        self.cluster.serve("--http", f"127.0.0.1:{self.port}", "--http-token-file", self.folder / "tokens", "--state-dir", self.folder / "state")

    def __enter__(self) -> ServedCluster:
        self.cluster.__enter__()
        try:
            self.serve()
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.cluster.__exit__(kind, value, trace)
        finally:
            self._folder.cleanup()
