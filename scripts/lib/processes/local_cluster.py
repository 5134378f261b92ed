"""Workers and a coordinator as processes of this machine, on free ports, for scripts that show or measure them.

Whatever ends the script ends them too, and nothing else: each is a child of this process, known by its own handle.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import select
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, AnyStr

ROOT = Path(__file__).resolve().parents[3]
PRODUCTS = ROOT / ".build" / "release"
#: Analysing the model and deploying it takes seconds; a loaded machine takes several times as long.
START_LIMIT_S = 120
#: A process that was told to stop finishes its running work first; that takes milliseconds here.
STOP_LIMIT_S = 10
PR_SET_PDEATHSIG = 1


#: A word of a command.
Argument = str | os.PathLike[str] | int | float


class Failed(Exception):
    """Something did not work; the message says what, for people."""


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def piped(stream: IO[AnyStr] | None) -> IO[AnyStr]:
    """A stream that `Popen` was asked for, and therefore has."""
    assert stream is not None
    return stream


class Process:
    """One program, started; its log goes to a file in `folder`."""

    def __init__(self, name: str, command: Sequence[Argument], folder: str | os.PathLike[str]) -> None:
        self.name = name
        self.log = Path(folder) / f"{name}.log"
        self._pending = b""
        # Appended: a worker that is started again goes on in its log.
        with open(self.log, "ab") as log:
            self._child = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                preexec_fn=_end_with_parent)
        self._output = piped(self._child.stdout)

    @property
    def pid(self) -> int:
        return self._child.pid

    def wait_for(self, prefix: str) -> str:
        """The rest of the first line of its output that begins with `prefix`."""
        deadline = time.monotonic() + START_LIMIT_S
        output = self._output.fileno()
        while True:
            while b"\n" in self._pending:
                line, self._pending = self._pending.split(b"\n", 1)
                if line.decode().startswith(prefix):
                    return line.decode()[len(prefix):].strip()
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([output], [], [], left)[0]:
                raise Failed(f"{self.name} did not say \"{prefix}\" within {START_LIMIT_S} s.{self.last_words()}")
            chunk = os.read(output, 65536)
            if not chunk:
                raise Failed(f"{self.name} ended with exit code {self._child.wait()} instead of starting.{self.last_words()}")
            self._pending += chunk

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-5:]
        return "".join(f"\n    {line}" for line in lines)

    def resident_bytes(self) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise Failed(f"{self.name} is no longer running.{self.last_words()}")

    @property
    def is_running(self) -> bool:
        return self._child.poll() is None

    def signal(self) -> None:
        self.send(signal.SIGTERM)

    def send(self, number: int) -> None:
        if self.is_running:
            self._child.send_signal(number)

    def output(self, limit_s: float) -> tuple[str, int]:
        """What it still writes until its end, and its exit code."""
        try:
            text, _ = self._child.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.name} did not end within {limit_s} s.{self.last_words()}") from None
        return text.decode(), self._child.returncode

    def kill(self) -> None:
        """SIGKILL: no last word, no clean-up; gone on return. One that is gone already is fine."""
        self._child.kill()
        self._child.wait()
        self._output.close()

    def log_lines(self) -> list[tuple[float, str]]:
        """Each line of its log so far: seconds, and the rest."""
        lines = []
        for line in self.log.read_text(errors="replace").splitlines():
            found = re.match(r"(\S+T\S+)Z \w+ \w+: (.*)", line)
            if found:
                lines.append((datetime.fromisoformat(found[1]).timestamp(), found[2]))
        return lines

    def wait(self) -> int:
        """Its exit code; a process that does not stop in time is killed, and that counts as a failure of it."""
        try:
            code = self._child.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
            raise Failed(f"{self.name} did not stop within {STOP_LIMIT_S} s of SIGTERM.{self.last_words()}") from None
        finally:
            self._output.close()
        return code


class LocalCluster:
    """Workers that run as long as the block, and one coordinator at a time."""

    def __init__(self, folder: str | os.PathLike[str], model: str | os.PathLike[str], workers: int) -> None:
        self.folder, self.model = folder, model
        self.count = workers
        self.workers: list[Process] = []
        self.coordinator: Process | None = None
        #: Where the coordinator listens; empty until there is one.
        self.address = ""
        self._addresses: list[str] = []
        self._started = 0

    def __enter__(self) -> LocalCluster:
        try:
            for number in range(1, self.count + 1):
                self.workers.append(self._start_worker(f"w{number}"))
            # All start at the same time; only then is each waited for.
            self._addresses = [worker.wait_for("listening on ") for worker in self.workers]
        except BaseException as error:
            # With the error, or workers that end before they started would take its place.
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def _start_worker(self, name: str, port: str = "0") -> Process:
        return Process(name, [PRODUCTS / "amp4ec-worker", "--listen", f"127.0.0.1:{port}", "--name", name], self.folder)

    def worker(self, name: str) -> Process:
        return next(worker for worker in self.workers if worker.name == name)

    def restart_worker(self, name: str) -> None:
        """A new process under the name and at the address of one that has ended."""
        index = next(index for index, worker in enumerate(self.workers) if worker.name == name)
        port = self._addresses[index].rsplit(":", 1)[1]
        self.workers[index] = self._start_worker(name, port)
        self.workers[index].wait_for("listening on ")

    def serve(self, *options: Argument) -> float:
        """Starts a coordinator over the workers; returns the seconds until the model served."""
        began = time.monotonic()
        self._started += 1
        self.coordinator = Process(f"coordinator-{self._started}", [
            PRODUCTS / "amp4ec-coordinator", "--workers", ",".join(self._addresses), "--listen", "127.0.0.1:0",
            "--model", self.model,
            # Other programs on this machine are no reason to leave a worker out.
            "--maximum-load", "1", *options], self.folder)
        self.address = self.coordinator.wait_for("listening on ")
        self.http = self.coordinator.wait_for("http on ") if "--http" in options else None
        self.coordinator.wait_for("ready: ")
        return time.monotonic() - began

    def stop_coordinator(self) -> None:
        coordinator, self.coordinator = self.coordinator, None
        self._stop([coordinator] if coordinator is not None else [])

    def ask(self, command: str, *arguments: Argument) -> dict[str, Any]:
        """What `amp4ec COMMAND --json` says."""
        return amp4ec(command, "--coordinator", self.address, "--json", *arguments)

    def status(self) -> dict[str, Any]:
        return self.ask("status")

    def quick_status(self) -> dict[str, Any]:
        """The same over HTTP, in a few milliseconds: for what is over before a command has started. It needs `serve("--http", …)`."""
        with urllib.request.urlopen(f"http://{self.http}/status", timeout=START_LIMIT_S) as reply:
            return json.load(reply)

    def wait_for_status(self, what: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first status that is as wanted."""
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            status = self.status()
            if condition(status):
                return status
            if time.monotonic() > deadline:
                words = self.coordinator.last_words() if self.coordinator is not None else ""
                raise Failed(f"not within {START_LIMIT_S} s: {what}.{words}")

    def begin(self, command: str, *arguments: Argument) -> Background:
        """As `ask`, but in the background: what is returned gives the answer by its `result()`."""
        return Background(command, "--coordinator", self.address, "--json", *arguments)

    def stop(self) -> None:
        """Tells all to stop; fails unless each ends with exit code 0."""
        running = [process for process in [self.coordinator, *self.workers] if process is not None]
        self.coordinator, self.workers = None, []
        self._stop(running)

    @staticmethod
    def _stop(processes: list[Process]) -> None:
        for process in processes:
            process.signal()
        problems = []
        for process in processes:
            try:
                code = process.wait()
                if code != 0:
                    problems.append(f"{process.name} ended with exit code {code}.{process.last_words()}")
            except Failed as failure:
                problems.append(str(failure))
        if problems:
            raise Failed("\n".join(problems))

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.stop()
        except Failed:
            # The failure that ended the block is the one to report.
            if kind is None:
                raise


class Background:
    """A run of the command beside what the script does meanwhile."""

    def __init__(self, command: str, *arguments: Argument) -> None:
        self.command = command
        self._child = subprocess.Popen(
            [str(PRODUCTS / "amp4ec"), command, *(str(argument) for argument in arguments)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_end_with_parent)

    @property
    def is_running(self) -> bool:
        return self._child.poll() is None

    def result(self) -> dict[str, Any]:
        output, errors = self._child.communicate()
        if self._child.returncode != 0:
            raise Failed(f"amp4ec {self.command} ended with exit code {self._child.returncode}: {errors.strip()}")
        return json.loads(output)


def amp4ec(command: str, *arguments: Argument) -> dict[str, Any]:
    """Runs the command and reads the JSON object that it prints."""
    result = subprocess.run(
        [str(PRODUCTS / "amp4ec"), command, *(str(argument) for argument in arguments)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Failed(f"amp4ec {command} ended with exit code {result.returncode}: {result.stderr.strip()}")
    return json.loads(result.stdout)
