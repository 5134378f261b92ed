"""Whether `--compress auto` did what scripts/test-shaped-link expects: python3 scripts/lib/shaped_link.py STATUS.json BENCH.json FIRST."""

import json
import sys
from pathlib import Path


def problems(status: dict, bench: dict, first: str) -> list[str]:
    """Prints a line for each link between workers. Only what leaves `first` was shaped.

    - status, bench: what the commands printed.
    """
    found = []
    if bench["errors"] or bench["mismatches"]:
        found.append(f"the bench met {bench['errors']} errors and {bench['mismatches']} mismatches")
    stages = [stage["replicas"][0] for stage in status["plan"]["stages"]]
    if len(stages) != 3:
        found.append(f"the plan is over {stages}, not over three workers")
    for link in status["links"]:
        if "coordinator" in (link["from"], link["to"]) or link["messages"] == 0:
            continue
        is_shaped = link["from"] == first
        is_good = link["compressed_share"] > 0.5 if is_shaped else link["compressed_share"] < 0.2
        print(f"{link['from']} → {link['to']}: {'10 Mbit/s' if is_shaped else 'unshaped'}, {link['messages']} messages, "
              f"{link['raw_bytes']} bytes raw, {link['wire_bytes']} on the wire, {link['compressed_share']:.0%} compressed, "
              f"{link['bandwidth_bytes_per_second'] / 1e6:.1f} MB/s: {'as it should' if is_good else 'WRONG'}")
        if not is_good:
            found.append(f"{link['from']} → {link['to']} is compressed in {link['compressed_share']:.0%} of its messages")
    return found


def main(status: str, bench: str, first: str) -> int:
    found = problems(json.loads(Path(status).read_text()), json.loads(Path(bench).read_text()), first)
    for problem in found:
        print(f"test-shaped-link: WRONG: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
