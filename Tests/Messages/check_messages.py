"""Runs the commands of cases/ and compares what they say with messages.txt; see scripts/test-messages."""

import argparse
import difflib
import os
import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT / "scripts" / "lib")]

import material  # noqa: E402
import rules  # noqa: E402
from cases import all_cases  # noqa: E402
from exporter import Exporter  # noqa: E402
from golden import Golden, block  # noqa: E402
from runner import Runner  # noqa: E402
from surroundings import Surroundings  # noqa: E402

GOLDEN = HERE / "messages.txt"


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(64, f"test-messages: error: {message}\n    See: test-messages --help\n")


def parsed():
    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=(os.cpu_count() or 1) + 1)
    parser.add_argument("--programs", type=Path, default=ROOT / ".build" / "release")
    parser.add_argument("--models", type=Path, default=ROOT / ".models" / "test")
    options = parser.parse_args()
    if options.jobs < 1:
        parser.error(f"--jobs takes 1 and more, not {options.jobs}")
    for file in [options.programs / "amp4ec", options.models / "two-inputs.pt"]:
        if not file.exists():
            sys.exit(f"test-messages: error: {file} is missing\n    Type: make build models")
    options.programs, options.models = options.programs.resolve(), options.models.resolve()
    return options


def run_all(cases, options, folder):
    """Each case with its exit code and what it said, in the order of the cases."""
    material.make(folder, options.models)
    with Surroundings(folder, options.programs, options.models, needed={name for case in cases for name in case.peers}) as peers:
        runner = Runner(folder, options.programs, peers)
        exports = [case for case in cases if case.program == "scripts/export-model"]
        others = [case for case in cases if case not in exports]
        with ThreadPoolExecutor(options.jobs) as pool:
            # The exporter's cases share one process that has torch; it runs beside the others.
            exported = pool.submit(Exporter(ROOT, folder).run, exports) if exports else None
            results = dict(zip(others, pool.map(runner.run, others)))
            if exported:
                results.update(exported.result())
            known = rules.known_options(pool, runner, ROOT, {case.program for case in cases})
    return results, known


def main():
    options = parsed()
    began = time.monotonic()
    cases = [case for case in all_cases() if re.search(options.only, case.command)]
    if not cases:
        sys.exit(f"test-messages: error: no command matches {options.only!r}")
    with tempfile.TemporaryDirectory(prefix="amp4ec-messages-") as folder:
        # Programs look for a key at home, and the user's own is none of the cases'.
        os.environ["HOME"] = f"{folder}/home"
        os.environ.pop("XDG_CONFIG_HOME", None)
        results, known = run_all(cases, options, Path(folder).resolve())
    broken = [f"{case.command}\n    {problem}" for case, result in results.items() for problem in rules.problems(case, result, known)]
    said = {case.command: block(case, result) for case, result in results.items()}
    golden = Golden(GOLDEN)
    differing = [command for command in said if golden.blocks.get(command) != said[command]]
    # What nobody runs any more.
    stale = [] if options.only else [command for command in golden.blocks if command not in said]
    if options.update:
        golden.update(said, stale)
    else:
        for command in differing:
            old, new = golden.blocks.get(command, ""), said[command]
            print(*difflib.unified_diff(old.splitlines(), new.splitlines(), "messages.txt", command, lineterm=""), sep="\n")
        for command in stale:
            print(f"STALE {command}: in messages.txt, but no case")
    for problem in broken:
        print(f"RULE  {problem}")
    wrong = len(broken) + (0 if options.update else len(differing) + len(stale))
    changed = f"{len(differing)} written, {len(stale)} taken out" if options.update else f"{len(differing)} differ, {len(stale)} stale"
    print(f"messages: {len(said)} commands, {changed}, {len(broken)} against a rule, {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
