"""The key of the clusters that a script starts: of its own, or none, whatever the user of this machine has."""

import os
import subprocess
from pathlib import Path

from processes.local_cluster import Failed

VARIABLE = "AMP4EC_CLUSTER_SECRET_FILE"


def make(products: Path, folder: str | os.PathLike[str]) -> Path:
    """A fresh root key in the folder."""
    path = Path(folder) / "root.key"
    result = subprocess.run([str(products / "amp4ec"), "secret", "--output", str(path)], stdin=subprocess.DEVNULL, capture_output=True,
                            text=True, check=False)
    if result.returncode != 0:
        raise Failed(f"amp4ec secret ended with exit code {result.returncode}: {result.stderr.strip()}")
    return path


def use(path: Path | None) -> None:
    """From here on everything that this script starts has that key; `None`: none, and plain text."""
    os.environ[VARIABLE] = "" if path is None else str(path)
    if path is None:
        # Nor the one in the user's folder.
        os.environ["XDG_CONFIG_HOME"] = "/nonexistent"
