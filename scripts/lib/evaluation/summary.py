"""What the repeats of each cell amount to: latencies of all repeats together, medians of the repeats for everything else.

Two cells are compared within each repeat, whose cells follow one another, and the median of those ratios counts: a machine that is slower in
one hour than in another then changes both sides alike.
"""

import statistics

from . import figures, settings

AT, LATENCY, QUEUE, OK, CACHED, REPLAYS, RECEIVE = range(7)
#: Windows that hold several requests even of a slow node.
WIDE_S = 10


class Window:
    """One kind of window (`lone`, `load`, `loss`) of all repeats of a cell."""

    def __init__(self, repeats):
        self.repeats = repeats

    def __bool__(self):
        return bool(self.repeats)

    def replies(self, cached=None):
        return [reply for one in self.repeats for reply in one["replies"] if reply[OK] and (cached is None or reply[CACHED] == cached)]

    def latency(self, cached=None):
        return figures.latency([reply[LATENCY] for reply in self.replies(cached)])

    def mean_ms(self):
        found = self.latency()
        return found and found["mean"]

    def _each(self, function):
        """The function of each repeat; those that it cannot say are left out."""
        return [value for value in map(function, self.repeats) if value is not None]

    def median(self, function):
        return figures.median(self._each(function))

    def requests_per_second(self):
        return self.median(throughput)

    def requests_spread(self):
        return figures.spread(self._each(throughput))

    def items_per_second(self):
        rate = self.requests_per_second()
        return None if rate is None else rate * self.repeats[0]["batch"]

    def stability(self, width=1.0):
        return self.median(lambda one: figures.stability(times(one), 0, one["seconds"], width))

    def within_twice(self):
        return figures.within([reply[LATENCY] for reply in self.replies()])

    def hit_share(self):
        replies = self.replies()
        return sum(reply[CACHED] for reply in replies) / len(replies) if replies else None

    def _scheduling(self):
        return [reply[QUEUE] - reply[RECEIVE] for reply in self.replies(cached=0)]

    def scheduling_ms(self):
        """Mean time from a request's last byte at the coordinator to its first micro-batch's dispatch."""
        waits = self._scheduling()
        return statistics.fmean(waits) if waits else None

    def scheduling_p95_ms(self):
        return figures.percentile(self._scheduling(), 0.95)

    def receive_ms(self):
        """Mean time from a request's announcement to its last byte."""
        waits = [reply[RECEIVE] for reply in self.replies(cached=0)]
        return statistics.fmean(waits) if waits else None

    def communication_ms(self):
        """Receiving, decompressing and compressing on all nodes, for one request; most of it while others compute."""
        return self.median(lambda one: per_request(one, sum(
            parts["receive_ms"] + parts["decode_ms"] + parts["encode_ms"] for parts in one["timing"].values())) if one.get("timing") else None)

    def network_mb(self, names):
        """Received and sent by those containers for one request, by the kernel's counters."""
        return self.median(lambda one: per_request(one, sum(sum(one["network"].get(name, (0, 0))) for name in names) / 1e6)
                           if one.get("network") else None)

    def container(self, name, what):
        return self.median(lambda one: one["containers"].get(name, {}).get(what))

    def cores(self, names):
        return sum(self.container(name, "cores") or 0 for name in names) if self.repeats else None

    def memory_mb(self, names):
        found = [self.container(name, "memory_mean") for name in names]
        return None if None in found or not found else sum(found) / 1e6

    def throttled(self, name):
        return self.median(lambda one: figures.ratio(one["containers"][name]["throttled"], one["containers"][name]["periods"]))

    def monitor(self, name, what):
        return self.median(lambda one: one.get("monitor", {}).get(name, {}).get(what))

    def others_cores(self):
        """What the machine's processors did that was in none of our containers: the engine, the kernel, and whoever else was there."""
        return self.median(lambda one: max(0.0, one["host_cores"][0] - sum(part["cores"] for part in one["containers"].values())))

    def stolen_cores(self):
        return self.median(lambda one: one["host_cores"][1])

    def coordinator_cpu_per_thousand(self):
        """Seconds of CPU of the coordinator for 1,000 micro-batches."""
        return self.median(lambda one: figures.ratio(one["containers"]["coordinator"]["cpu_s"] * 1000, one["counters"]["micro_batches_dispatched"]))


def times(window):
    return [reply[AT] for reply in window["replies"] if reply[OK]]


def throughput(window):
    """Requests a second.

    One after another: all of them by the time that they took. Several at once: from the first reply to the last within the window, so that
    neither the filling of the pipeline nor its emptying counts.
    """
    if window["concurrency"] == 1:
        answered = times(window)
        return len(answered) / answered[-1] if answered else None
    return figures.rate(times(window), 0, window["seconds"])


def per_request(window, total):
    answered = len(times(window))
    return total / answered if answered else None


class Summary:
    """All cells of a state file, of all repeats or of a single one."""

    def __init__(self, state, repeat=None):
        self._state, self._repeat = state, repeat
        self.scale = state.settings["factor"]

    def results(self, cell):
        if self._repeat is None:
            return self._state.results(cell)
        return [result for repeat, result in self._state.by_repeat(cell).items() if repeat == self._repeat]

    def paired(self, function):
        """The median of what the function says of each repeat alone; None where it says nothing of any."""
        return figures.median([function(one) for one in self._singly()])

    def _singly(self):
        repeats = self._state.repeats() if self._repeat is None else [self._repeat]
        return [Summary(self._state, repeat) for repeat in repeats]

    def throughput_by(self, cell, other):
        return self.paired(lambda one: figures.ratio(one.throughput(cell), one.throughput(other)))

    def throughput_by_fastest(self, cell, others):
        def fastest(one):
            known = [value for value in map(one.throughput, others) if value is not None]
            return figures.ratio(one.throughput(cell), max(known, default=None))
        return self.paired(fastest)

    def throughput_by_parts(self, cell):
        return self.paired(lambda one: figures.ratio(one.throughput(cell), one.sum_of_parts(cell)))

    def lone_by(self, cell, other):
        """Of the mean latencies of lone requests."""
        return self.paired(lambda one: figures.ratio(one.window(cell, "lone").mean_ms(), one.window(other, "lone").mean_ms()))

    def minutes(self):
        """For each repeat the time from its first window's begin to its last one's."""
        spans = []
        for one in self._singly():
            begins = [result[kind]["begin"] for cell in settings.CELLS for result in one.results(cell.name)
                      for kind in ("lone", "load", "loss") if "begin" in result.get(kind, {})]
            spans.append((max(begins) - min(begins)) / 60 if begins else 0.0)
        return spans

    def window(self, cell, kind):
        return Window([result[kind] for result in self.results(cell) if kind in result])

    def problem(self, cell):
        return self._state.problem(cell)

    def repeats(self, cell):
        return len(self.results(cell))

    def nodes(self, cell):
        return list(settings.BY_NAME[cell].nodes)

    def quota(self, cell):
        """The cores of all of a cell's workers, or of the monolith."""
        one = settings.BY_NAME[cell]
        if one.kind == "monolith":
            return settings.monolith_limits(one.cores, self.scale)[0]
        return sum(settings.limits(profile, self.scale)[0] for profile in one.nodes.values())

    def throughput(self, cell):
        """Images a second: under load where there is a cluster, one request after another where there is a monolith."""
        kind = "lone" if settings.BY_NAME[cell].kind == "monolith" else "load"
        return self.window(cell, kind).items_per_second()

    def start(self, cell, name):
        return figures.median([result["start"][name] for result in self.results(cell) if "start" in result])

    def loss(self, name):
        """Of the runs in which a node was lost: every repeat's figure."""
        return [result["loss"].get(name) for result in self.results("loss")]

    def worst_loss(self, name):
        known = [value for value in self.loss(name) if value is not None]
        return max(known) if known else None

    def sum_of_parts(self, cell):
        """The throughputs of a cluster's nodes, each alone with the whole model, added up; None where one was not measured."""
        alone = [self.throughput(profile) for profile in settings.BY_NAME[cell].nodes.values()]
        return None if None in alone else sum(alone)

    def at_once_by_alone(self, cell):
        """What the nodes of a cell, each with the whole model, get done all at once, by the sum of what each gets done while the others rest."""
        def of(one):
            found = [result["together"] for result in one.results(f"together-{cell}")]
            total = [sum(figures.median(rates) for rates in found[0][phase].values()) if found else None for phase in ("together", "alone")]
            return figures.ratio(*total)
        return self.paired(of)

    def idle_cores(self, phase):
        """The largest share of a core that any worker took without requests: alone, or connected."""
        found = [figures.median([result[phase]["containers"][name]["cores"] for result in self.results("idle")])
                 for name in self.nodes("idle")]
        return max(found) if found and None not in found else None
