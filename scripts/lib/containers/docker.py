"""The one place where `docker` is called: what it prints, whether it does something, and what a container wrote."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from processes.local_cluster import Failed

#: Starting a container takes a second here; a loaded machine takes many times as long.
COMMAND_LIMIT_S = 180
#: How much of what a failed command said is shown.
SHOWN = 2000

Argument = str | os.PathLike[str] | int | float


def command(*arguments: Argument, program: Sequence[str] = ("docker",)) -> list[str]:
    """The whole command, for who runs it in a way of its own."""
    return [*program, *(str(argument) for argument in arguments)]


def docker(*arguments: Argument, program: Sequence[str] = ("docker",), limit_s: float = COMMAND_LIMIT_S,
           environment: Mapping[str, str] | None = None) -> str:
    """What `docker ARGUMENTS` prints; one that fails is a failure that shows what it said.

    - program: another way to call it, such as `docker-compose`.
    """
    whole = command(*arguments, program=program)
    try:
        result = subprocess.run(whole, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit_s, check=False,
                                env=environment)
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(whole)} did not end within {limit_s} s") from None
    if result.returncode != 0:
        raise Failed(f"{' '.join(whole)}: exit code {result.returncode}: {result.stderr.strip()[-SHOWN:]}")
    return result.stdout


def succeeds(*arguments: Argument, program: Sequence[str] = ("docker",), limit_s: float = COMMAND_LIMIT_S) -> bool:
    """Whether there is such a program, and the command ends well; what it says is nobody's concern."""
    return shutil.which(program[0]) is not None and subprocess.run(
        command(*arguments, program=program), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        timeout=limit_s, check=False).returncode == 0


def logs(container: str, *options: Argument, limit_s: float = COMMAND_LIMIT_S) -> tuple[str, str]:
    """Standard output and standard error of a container since its first start; of one that is gone, what the engine says of that."""
    result = subprocess.run(command("logs", *options, container), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            timeout=limit_s, check=False)
    return result.stdout, result.stderr
