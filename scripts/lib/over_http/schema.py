"""schemathesis: what the coordinator answers, against its own description of it."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

from over_http import environment
from over_http.raw import ask
from processes.local_cluster import ROOT, Argument, Failed

DOCUMENT = ROOT / "Sources" / "Gateway" / "OpenAPI" / "openapi.json"
EXAMPLES = 12
LIMIT_S = 150
SEED = 18


def check_served(address: str) -> int:
    """The document that is served is the repository's; how many operations it describes."""
    reply = ask(address, "GET", "/openapi.json")
    if reply.status != 200 or reply.json() != json.loads(DOCUMENT.read_text()):
        raise Failed(f"/openapi.json answers {reply.status} with another document than {DOCUMENT.relative_to(ROOT)}")
    # The server says itself what there is.
    said = ask(address, "GET", "/no-such-page").json()["error"]
    paths = set(re.findall(r"/[^\s,]*", said.partition("; there is ")[2]))
    described = set(reply.json()["paths"])
    if paths != described:
        raise Failed(f"described and not served: {sorted(described - paths)}; served and not described: {sorted(paths - described)}")
    return sum(method in ("get", "post") for path in reply.json()["paths"].values() for method in path)


def run(address: str) -> str:
    operations = check_served(address)
    command: list[Argument] = [environment.FOLDER / "schema" / "bin" / "schemathesis", "--config-file", environment.helper("schemathesis.toml"), "run",
               f"http://{address}/openapi.json", "--checks", "all",
               "--max-examples", EXAMPLES, "--seed", SEED, "--generation-deterministic",
               # It never ends, and what it says is no document.
               "--exclude-path", "/events", "--no-color", "--request-timeout", 30, "--continue-on-failure", "--warnings", "off",
               "--suppress-health-check", "all"]
    # It leaves a folder of its own where it runs.
    with tempfile.TemporaryDirectory() as folder:
        output = environment.run(command, LIMIT_S, folder=Path(folder))
    cases = re.search(r"Test cases:\s*([\d,]+) generated", output) or re.search(r"([\d,]+) generated", output)
    if cases is None:
        raise Failed(f"schemathesis does not say what it has tried:\n{output[-2_000:]}")
    return f"{operations} operations, {cases[1]} cases"
