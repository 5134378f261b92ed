"""Figures in documents: what a script measured, between the lines that name the script."""

from __future__ import annotations

from pathlib import Path

from processes.local_cluster import Failed


def put(name: str, text: str, file: Path) -> None:
    """Takes the place of what stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    head, found, rest = file.read_text().partition(begin)
    _, ended, tail = rest.partition(end)
    if not found or not ended:
        raise Failed(f"{file} has no lines '{begin}' and '{end}'")
    file.write_text(f"{head}{begin}\n\n{text}\n\n{end}{tail}")
