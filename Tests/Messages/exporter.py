"""Runs scripts/export-model's own program for many cases: torch is loaded once, and each case is a child of that process."""

import os
import subprocess
import sys

from processes.local_cluster import piped
from runner import LIMIT_S, Result

#: Loads torch and the exporter, then runs each line of stdin in a child: the exit code and the length of what it said, then that.
SERVER = """
import os, sys, tempfile
import torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
import main as exporter
for line in sys.stdin:
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            sys.argv[1:] = line.rstrip("\\n").split("\\t")
            code = 0
            try:
                exporter.main()
            except SystemExit as end:
                code = end.code
                if isinstance(code, str):
                    print(code, file=sys.stderr)
                    code = 1
            except BaseException:
                import traceback
                traceback.print_exc()
                code = 1
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code or 0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said.seek(0)
        text = said.read()
    sys.stdout.buffer.write(b"%d %d\\n" % (code, len(text)) + text)
    sys.stdout.flush()
"""


class Exporter:
    def __init__(self, root, folder):
        self.root, self.folder = root, folder

    def run(self, cases):
        """Each case with its result."""
        results = {}
        server = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SERVER, str(self.root / "scripts" / "export")], cwd=self.folder,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        asked, answers = piped(server.stdin), piped(server.stdout)
        try:
            for case in cases:
                arguments = case.arguments[1:]
                if not arguments:
                    # Refused before Python is looked for.
                    results[case] = self._script([])
                    continue
                asked.write(("\t".join(["--cache", str(self.folder / "cache"), *arguments]) + "\n").encode())
                asked.flush()
                code, length = map(int, answers.readline().split())
                results[case] = Result(code, self._alike(answers.read(length)))
        finally:
            asked.close()
            server.wait(LIMIT_S)
            answers.close()
        return results

    def _script(self, arguments):
        child = subprocess.run(
            [self.root / "scripts/export-model", *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, timeout=LIMIT_S, check=False)
        return Result(child.returncode, self._alike(child.stderr))

    def _alike(self, said):
        return said.decode(errors="replace").replace(str(self.folder), "<folder>").replace(str(self.root), "<repository>")
