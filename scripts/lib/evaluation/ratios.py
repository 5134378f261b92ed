"""A report's ratios in a file of their own, so that a later run, also a short one, can be held against them."""

import json

from . import settings
from .document import percent, show
from .figures import difference

FILE = "ratios.json"
#: By how much a ratio of another run may differ.
TOLERANCE = 0.15


def of(summary):
    """Every ratio of a cluster by a monolith or by nodes that was measured, by its name.

    None of the result cache: a hit is answered by the coordinator, which has no limit, so by a limited monolith it is no ratio of like things,
    and changes with whatever slows the monolith alone.
    """
    found = {}
    for cell, cores in settings.BASELINE.items():
        for kind in ("eager", "optimised", "cut"):
            monolith = f"{kind}-{cores}"
            found[f"throughput, {cell} by {monolith}"] = summary.throughput_by(cell, monolith)
            found[f"lone request, {cell} by {monolith}"] = summary.lone_by(cell, monolith)
        found[f"throughput, {cell} by the sum of its nodes alone"] = summary.throughput_by_parts(cell)
        for node in sorted(set(settings.BY_NAME[cell].nodes.values())):
            found[f"throughput, {cell} by {node} alone"] = summary.throughput_by(cell, node)
    return {name: value for name, value in found.items() if value is not None}


def write(path, ratios):
    path.write_text(json.dumps({name: round(value, 5) for name, value in ratios.items()}, indent=1) + "\n", encoding="utf-8")


def compare(mine, others):
    """Lines for each ratio that both runs have, and those that differ by more than the tolerance."""
    lines, far = [], []
    for name in (name for name in mine if name in others):
        off = difference(mine[name], others[name])
        lines.append(f"{name}: {show(mine[name], 3)}, there {show(others[name], 3)} ({percent(off, 1, True)})")
        if off is None or abs(off) > TOLERANCE:
            far.append(name)
    return lines, far
