"""The arithmetic of the report: pure functions of numbers."""

import itertools
import math
import statistics


def percentile(values, share):
    """The smallest value with at least that share of all at or below it (nearest rank); None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def latency(values):
    """Mean and percentiles of milliseconds; None of nothing."""
    if not values:
        return None
    return {"count": len(values), "mean": statistics.fmean(values), "p50": percentile(values, 0.5), "p95": percentile(values, 0.95),
            "p99": percentile(values, 0.99), "max": max(values)}


def windows(times, begin, end, width):
    """How many of the times lie in each whole window of that width between the two."""
    count = int((end - begin) / width + 1e-9)
    counts = [0] * count
    for time in times:
        index = math.floor((time - begin) / width)
        if 0 <= index < count:
            counts[index] += 1
    return counts


def variation(values):
    """The coefficient of variation: deviation by mean; None where there is no mean or fewer than two values."""
    if len(values) < 2 or statistics.fmean(values) == 0:
        return None
    return statistics.pstdev(values) / statistics.fmean(values)


def stability(times, begin, end, width=1.0):
    """1 − the coefficient of variation of the replies counted in windows."""
    found = variation(windows(times, begin, end, width))
    return None if found is None else 1 - found


def within(values, times_median=2.0):
    """The share of the values at most so many times their median."""
    if not values:
        return None
    limit = times_median * statistics.median(values)
    return sum(value <= limit for value in values) / len(values)


def rise(samples, begin, end):
    """What a counter rose by between two moments.

    `samples` are (time, value) in order. The ends are interpolated; a counter that fell was started again, and what it counted since then counts.
    """
    total = 0.0
    for (before, low), (after, high) in itertools.pairwise(samples):
        share = (min(after, end) - max(before, begin)) / (after - before) if after > before else 0.0
        if share > 0:
            total += share * (high - low if high >= low else high)
    return total


def rate(times, begin, end):
    """Events a second between the first and the last of those in the window; None of fewer than two."""
    inside = [time for time in times if begin <= time <= end]
    return (len(inside) - 1) / (inside[-1] - inside[0]) if len(inside) > 1 and inside[-1] > inside[0] else None


def rates(samples):
    """(time, rise a second) between each two samples, at the later one's time; a counter that fell gives none."""
    return [(after, (high - low) / (after - before)) for (before, low), (after, high) in itertools.pairwise(samples)
            if after > before and high >= low]


def mean_between(samples, begin, end):
    """The mean of the values sampled between two moments, or None."""
    found = [value for time, value in samples if begin <= time <= end]
    return statistics.fmean(found) if found else None


def longest_gap(times, begin, end):
    """The longest time between two neighbours of which the later is after `begin` and the earlier before `end`."""
    return max((after - before for before, after in itertools.pairwise(times) if after > begin and before < end), default=0.0)


def median(values):
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def spread(values):
    """Smallest and largest of what is known."""
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if known else None


def ratio(value, by):
    return None if value is None or not by else value / by


def difference(reported, known):
    """By how much, of the known value, a reading is off."""
    return None if reported is None or not known else reported / known - 1
