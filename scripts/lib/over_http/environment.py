"""What scripts/serving-env has made: Python with one tritonclient or the other, perf_analyzer, schemathesis."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from processes.local_cluster import ROOT, Argument, Failed

FOLDER = ROOT / ".venv-serving"
#: tritonclient 2.50.0, and the newest there is.
CLIENTS = ("pinned", "newest")


def bring() -> None:
    result = subprocess.run([str(ROOT / "scripts" / "serving-env"), str(FOLDER)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            check=False)
    if result.returncode != 0:
        raise Failed(f"scripts/serving-env ended with exit code {result.returncode}: {(result.stdout + result.stderr).strip()}")


def python(client: str) -> Path:
    return FOLDER / client / "bin" / "python"


def run(command: Sequence[Argument], limit_s: float, environment: Mapping[str, str] | None = None, expected: int = 0,
        folder: Path | None = None) -> str:
    """What it prints on stdout; fails where its exit code is another one."""
    try:
        result = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                                timeout=limit_s, env={**os.environ, **(environment or {})}, cwd=folder)
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[0]} {command[1]} did not end within {limit_s} s") from None
    if result.returncode != expected:
        raise Failed(f"{' '.join(str(part) for part in command)}\nended with exit code {result.returncode}, not {expected}:\n"
                     f"{(result.stdout + result.stderr).strip()[-4_000:]}")
    return result.stdout


def version(client: str) -> str:
    return run([python(client), "-c", "from importlib.metadata import version; print(version('tritonclient'))"], 60).strip()


def perf_environment() -> dict[str, str]:
    """Where perf_analyzer finds the libraries that it is linked with."""
    cuda = sorted((FOLDER / "pinned" / "lib").glob("python3.*/site-packages/nvidia/cuda_runtime/lib"))
    if not cuda:
        raise Failed("CUDA's runtime library is missing, which perf_analyzer is linked with; remove .venv-serving and run this again")
    return {"LD_LIBRARY_PATH": f"{FOLDER / 'lib'}:{cuda[0]}"}


def perf_command(address: str, model: str, *options: Argument) -> list[Argument]:
    return [FOLDER / "pinned" / "bin" / "perf_analyzer", "-m", model, "-u", address, *options]


def torch_python() -> Path:
    """The Python that has torch (scripts/python-env)."""
    path = Path(os.environ.get("AMP4EC_PYTHON", ROOT / ".venv" / "bin" / "python"))
    if not path.exists():
        subprocess.run([str(ROOT / "scripts" / "python-env")], check=True)
    return path


def helper(name: str) -> Path:
    """A script of this folder that runs in one of those Pythons."""
    return Path(__file__).resolve().parent / name


def last_object(text: str) -> dict[str, Any]:
    """The JSON object on a program's last line."""
    return json.loads(text.strip().splitlines()[-1])
