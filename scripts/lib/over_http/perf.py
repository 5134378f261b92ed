"""perf_analyzer, Triton's load generator, against a coordinator: its runs, and what it prints."""

from __future__ import annotations

import csv
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from over_http import environment
from processes.local_cluster import Argument, Failed

#: Three windows are the fewest that it takes.
WINDOWS = 3


@dataclass(frozen=True)
class Run:
    form: str
    concurrency: int
    #: Items in a second.
    throughput: float
    p50_us: int
    p99_us: int
    #: Mean of the server's own: queue, compute input, compute infer, compute output.
    server_us: list[int]
    text: str

    def row(self) -> str:
        server = " | ".join(f"{each / 1_000:.1f}" for each in self.server_us)
        return f"| {self.form} | {self.concurrency} | {self.throughput:.1f} | {self.p50_us / 1_000:.1f} | {self.p99_us / 1_000:.1f} | {server} |"


HEAD = ("| bodies | requests at once | images/s | p50, ms | p99, ms | queue | input | infer | output |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")


class Running:
    """A run in the background."""

    def __init__(self, address: str, model: str, form: str, concurrency: int, window_ms: int, batch: int = 1) -> None:
        self.form, self.concurrency = form, concurrency
        self.limit_s = 60 + WINDOWS * window_ms / 250
        with tempfile.NamedTemporaryFile(suffix=".csv", delete=False) as file:
            self._table = Path(file.name)
        options: list[Argument] = [
            "-b", batch, "--concurrency-range", concurrency, "--input-data", "random", "--measurement-interval", window_ms,
            # It measures until three windows agree; here they agree always, so that the time is known.
            "--stability-percentage", 999, "--max-trials", WINDOWS, "-f", self._table,
            "--input-tensor-format", form, "--output-tensor-format", form]
        self._child = subprocess.Popen(
            [str(part) for part in environment.perf_command(address, model, *options)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, env={**os.environ, **environment.perf_environment()})

    @property
    def is_running(self) -> bool:
        return self._child.poll() is None

    def kill(self) -> None:
        self._child.kill()
        self._child.wait()

    def result(self) -> Run:
        try:
            text, _ = self._child.communicate(timeout=self.limit_s)
            rows = list(csv.DictReader(self._table.read_text().splitlines()))
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"perf_analyzer did not end within {self.limit_s:.0f} s") from None
        finally:
            self._table.unlink()
        # A request that fails ends it.
        if self._child.returncode != 0 or len(rows) != 1:
            raise Failed(f"perf_analyzer ({self.form}, {self.concurrency} at once) ended with exit code {self._child.returncode}:\n{text}")
        row = rows[0]
        throughput = float(row["Inferences/Second"])
        if throughput <= 0:
            raise Failed(f"perf_analyzer measured nothing:\n{text}")
        server = [int(row.get(f"Server {name}") or 0) for name in ("Queue", "Compute Input", "Compute Infer", "Compute Output")]
        if server[2] <= 0:
            raise Failed(f"perf_analyzer has no times of the server's own:\n{text}")
        return Run(self.form, self.concurrency, throughput, int(row["p50 latency"]), int(row["p99 latency"]), server, text)


def run(address: str, model: str, form: str, concurrency: int, window_ms: int, batch: int = 1) -> Run:
    running = Running(address, model, form, concurrency, window_ms, batch)
    try:
        return running.result()
    finally:
        if running.is_running:
            running.kill()
