"""A report's ratios in a file of their own, so that a later run, also a short one, can be held against them."""

import json

from . import settings
from .document import percent, show
from .figures import difference, ratio

FILE = "ratios.json"
#: By how much a ratio of another run may differ.
TOLERANCE = 0.15


def of(summary):
    """Every ratio that was measured, by its name; what a cell is missing for is left out."""
    found = {}
    for cell, cores in settings.BASELINE.items():
        for kind in ("eager", "optimised", "cut"):
            monolith = f"{kind}-{cores}"
            found[f"throughput, {cell} by {monolith}"] = ratio(summary.throughput(cell), summary.throughput(monolith))
            found[f"lone request, {cell} by {monolith}"] = ratio(
                summary.window(cell, "lone").mean_ms(), summary.window(monolith, "lone").mean_ms())
        found[f"throughput, {cell} by the sum of its nodes alone"] = ratio(summary.throughput(cell), summary.sum_of_parts(cell))
        for node in sorted(set(settings.BY_NAME[cell].nodes.values())):
            found[f"throughput, {cell} by {node} alone"] = ratio(summary.throughput(cell), summary.throughput(node))
    found["lone request, cache by eager-2"] = ratio(summary.window("cache", "lone").mean_ms(), summary.window("eager-2", "lone").mean_ms())
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
