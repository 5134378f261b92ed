"""Runs one command and makes what differs from run to run alike."""

import os
import re
import select
import signal
import subprocess
import time
from dataclasses import dataclass

from processes.local_cluster import piped

#: A busy machine takes several times what a model's analysis takes.
LIMIT_S = 120
#: Of a log, what a user is told of.
SHOWN_LEVELS = ("warning", "error", "critical")
#: A warning at each start.
ALWAYS_SAID = "no cluster secret"
#: What differs from run to run, and what stands for it.
DIFFERENT = (
    (r"^Usage: (amp4ec(?:-\w+)?(?: [a-z]+)?) .*", r"Usage: \1 …"),
    (r"127\.0\.0\.1:[1-6]\d{4}\b", "127.0.0.1:<port>"),
    (r"\bwithin \d+ ms\b", "within <time>"),
    (r"\(process \d+\)", "(process <pid>)"),
    (r"\b\d+\.\d+\.\d+\b(?= cannot encrypt)", "<version>"),
    (r"\bcoordinator@[\w.-]+", "coordinator@<host>"),
    (r"does not resolve: [^;]+", "does not resolve: <why>"),
    (r"\boff by [0-9.e-]+", "off by <figure>"),
)


@dataclass(frozen=True)
class Result:
    #: None: it went on, and was ended.
    code: int | None
    text: str


class Runner:
    def __init__(self, folder, programs, peers):
        self.folder, self.programs, self.peers = folder, programs, peers

    def run(self, case):
        words = [self.peers.fill(word) for word in case.arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AMP4EC_", "COMPOSE_"))}
        environment.update(case.variables)
        child = subprocess.Popen(
            [self.programs / words[0], *words[1:]], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            if case.until is None:
                said, code = child.communicate(timeout=LIMIT_S)[1], child.returncode
            else:
                said, code = self._until(child, case.until.encode())
        except subprocess.TimeoutExpired:
            return Result(None, f"(it was still running after {LIMIT_S} s)")
        finally:
            child.kill()
            child.wait()
            piped(child.stderr).close()
        return Result(code, self.alike(said.decode(errors="replace")))

    @staticmethod
    def _until(child, text):
        """Whole lines up to the one with that text in it."""
        said, deadline = b"", time.monotonic() + LIMIT_S
        while (end := Runner._end_of(text, said)) is None:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([child.stderr], [], [], left)[0]:
                return said + b"(it did not say what was waited for)\n", None
            chunk = os.read(child.stderr.fileno(), 65536)
            if not chunk:
                return said, child.wait()
            said += chunk
        child.send_signal(signal.SIGTERM)
        return said[:end], None

    @staticmethod
    def _end_of(text, said):
        """Behind the first whole line with that text in it; None where there is none yet."""
        end = 0
        for line in said[:said.rfind(b"\n") + 1].splitlines(keepends=True):
            end += len(line)
            if text in line and ALWAYS_SAID not in line.decode(errors="replace"):
                return end
        return None

    @staticmethod
    def _without_figures(line):
        for pattern, name in DIFFERENT:
            line = re.sub(pattern, name, line)
        return line

    def alike(self, text):
        lines = []
        for line in self.peers.named(text).replace(str(self.folder), "<folder>").splitlines():
            if found := re.match(r"\d{4}-\d\d-\d\dT\S+Z (\w+) (\w+): (.*)", line):
                if found[1] not in SHOWN_LEVELS or ALWAYS_SAID in line:
                    continue
                lines.append(self._without_figures(f"<time> {found[1]} {found[2]}: {found[3]}"))
                continue
            lines.append(self._without_figures(line))
        # What is said again each few seconds is one message.
        return "\n".join(line for index, line in enumerate(lines) if line not in lines[:index] or not line.startswith("<time>"))
