"""The report's plots, as SVG texts of their own: readable without a script, in a page or as a file."""

import itertools
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 860, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 210, 30, 44
#: Distinct also where colours are told apart badly (after Okabe and Ito).
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7f7f7f"]


def nice_ticks(low, high, count=5):
    """Round numbers that cover the span, about so many."""
    if high <= low:
        high = low + 1
    raw = (high - low) / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first = math.floor(low / step) * step
    ticks: list[float] = []
    while first + len(ticks) * step < high + step * 0.999:
        ticks.append(first + len(ticks) * step)
    return ticks


def decade_ticks(low, high):
    """1, 2 and 5 times powers of ten, from below the lowest to above the highest."""
    ticks = [factor * 10.0 ** power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1) for factor in (1, 2, 5)]
    first = max((index for index, tick in enumerate(ticks) if tick <= low), default=0)
    last = min((index for index, tick in enumerate(ticks) if tick >= high), default=len(ticks) - 1)
    return ticks[first:last + 1]


def number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:g}" if abs(value) >= 1 or value == 0 else f"{value:.3g}"


class _Axis:
    def __init__(self, ticks, begin, end, is_log):
        self.ticks, self._begin, self._end, self._is_log = ticks, begin, end, is_log
        self._low, self._high = self._scale(ticks[0]), self._scale(ticks[-1])

    def _scale(self, value):
        return math.log10(value) if self._is_log else value

    def at(self, value):
        share = (self._scale(value) - self._low) / ((self._high - self._low) or 1)
        return self._begin + share * (self._end - self._begin)


def _frame(title, height):
    return [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
            f'font-family="sans-serif" font-size="12"><title>{escape(title)}</title>',
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            f'<text x="{LEFT}" y="18" font-size="14" font-weight="bold">{escape(title)}</text>']


def runs(values, longest):
    """The points in pieces, apart where nothing was measured for longer than that; all together with None."""
    pieces = [values[:1]]
    for before, point in itertools.pairwise(values):
        if longest is not None and point[0] - before[0] > longest:
            pieces.append([])
        pieces[-1].append(point)
    return pieces


def lines(title, across, up, series, events=(), is_log=False, top=None, longest=None):
    """A line for each series.

    - series: (name, [(x, y)]) in order of x
    - events: (x, text), a marked moment each
    - is_log: of the axis across
    - top: the highest value of the axis up, where it is known
    - longest: the longest time that a line may bridge
    """
    points = [point for _, values in series for point in values]
    if not points:
        return None
    xs, highest = [x for x, _ in points], top or max(y for _, y in points)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    x_ticks = decade_ticks(max(min(xs), 1e-3), max(xs)) if is_log else nice_ticks(min(xs), max(xs), 8)
    x_axis = _Axis(x_ticks, LEFT, right, is_log)
    y_axis = _Axis(nice_ticks(0, highest), bottom, TOP, False)
    parts = _frame(title, HEIGHT)
    for tick in y_axis.ticks:
        y = y_axis.at(tick)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="#dddddd"/><text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(tick)}</text>')
    for tick in x_axis.ticks:
        x = x_axis.at(tick)
        parts.append(f'<path d="M{x:.1f} {bottom}v4" stroke="#555555"/><text x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{number(tick)}</text>')
    parts.append(f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="#555555"/>')
    parts.append(f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(across)}</text>')
    parts.append(f'<text transform="translate(14 {(TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">{escape(up)}</text>')
    for index, (moment, text) in enumerate(events):
        x, y = x_axis.at(moment), TOP + 10 + index % 4 * 13
        parts.append(f'<path d="M{x:.1f} {TOP}V{bottom}" stroke="#999999" stroke-dasharray="3 3"/>'
                     f'<text x="{x + 3:.1f}" y="{y}" font-size="10" fill="#333333">{escape(text)}</text>')
    for index, (name, values) in enumerate(series):
        colour = COLOURS[index % len(COLOURS)]
        dashes = ' stroke-dasharray="6 3"' if index >= len(COLOURS) else ""
        for piece in runs(values, longest):
            path = " ".join(f"{x_axis.at(max(x, 1e-3) if is_log else x):.1f},{y_axis.at(y):.1f}" for x, y in piece)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"{dashes}/>')
        y = TOP + 8 + index * 17
        parts.append(f'<path d="M{right + 12} {y - 4}h18" stroke="{colour}" stroke-width="3"{dashes}/>'
                     f'<text x="{right + 35}" y="{y}" font-size="11">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def bars(title, across, rows):
    """A horizontal bar for each (name, value), with the value beside it."""
    if not rows:
        return None
    height = TOP + 26 * len(rows) + BOTTOM
    left, right = 220, WIDTH - 90
    axis = _Axis(nice_ticks(0, max(value for _, value in rows)), left, right, False)
    parts = _frame(title, height)
    for tick in axis.ticks:
        parts.append(f'<path d="M{axis.at(tick):.1f} {TOP}V{height - BOTTOM}" stroke="#dddddd"/>'
                     f'<text x="{axis.at(tick):.1f}" y="{height - BOTTOM + 16}" text-anchor="middle">{number(tick)}</text>')
    for index, (name, value) in enumerate(rows):
        y = TOP + 5 + index * 26
        parts.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
                     f'<rect x="{left}" y="{y}" width="{max(axis.at(value) - left, 1):.1f}" height="17" fill="{COLOURS[0]}"/>'
                     f'<text x="{axis.at(value) + 6:.1f}" y="{y + 13}">{number(round(value, 3))}</text>')
    parts.append(f'<text x="{(left + right) / 2}" y="{height - 8}" text-anchor="middle">{escape(across)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def distribution(values, points=200):
    """The share of values at or below each, as points of a line; of very many only some."""
    ordered = sorted(values)
    step = max(1, len(ordered) // points)
    chosen = list(range(0, len(ordered), step))
    if ordered and chosen[-1] != len(ordered) - 1:
        chosen.append(len(ordered) - 1)
    return [(value, 0.0) for value in ordered[:1]] + [(ordered[index], (index + 1) / len(ordered)) for index in chosen]
