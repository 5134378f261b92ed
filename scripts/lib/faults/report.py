"""The table of a chaos run: what each fault did to the replies, and which limits were reached."""

import statistics
from pathlib import Path

BEGIN, END = "<!-- chaos table: begin -->", "<!-- chaos table: end -->"
#: A worker that joins or comes back as a new process serves within this time, and the replies do not pause for it.
JOIN_LIMIT_S = 2
RETURN_GAP_LIMIT_S = 2
THROUGHPUT_LIMIT = 0.8
#: The throughput between faults is taken over this long, right before each.
RATE_SPAN_S = 2


def seconds(values, pick):
    return f"{pick(values):.2f}" if values else "–"


def verdict(is_reached):
    return "yes" if is_reached else "**no**"


class Report:
    """Collects faults; `problems` holds what went wrong whatever the machine's speed, `missed` the limits of time that were not reached."""

    def __init__(self, wanted):
        self.wanted = wanted
        self.faults = []
        self.problems, self.missed = [], []
        #: Replies before the first fault that were sent more than once.
        self.early = []
        self.fresh_rates = []

    def add(self, fault, load):
        """Reads from the replies what the fault did to them."""
        fault.rate_before = load.rate(fault.began - RATE_SPAN_S, fault.began)
        fault.gap_s = load.longest_gap(fault.began, fault.ended)
        for comeback in fault.returns:
            comeback.gap_s = load.longest_gap(comeback.began, comeback.served)
        self.faults.append(fault)
        self.attribute(load)

    def attribute(self, load):
        """Which fault each replay and each retry belongs to: the first that began while the request was under way. Some are answered only after
        the next fault has begun."""
        for fault in self.faults:
            fault.replayed = fault.retries = 0
        retries = 0
        for reply in load.replies:
            again, retries = max(0, reply["retries"] - retries), max(retries, reply["retries"])
            if not again and not reply["replays"]:
                continue
            sent = reply["at"] - reply["latency_ms"] / 1e3
            known = [fault for fault in self.faults if fault.began <= reply["at"]]
            fault = next((fault for fault in known if fault.began >= sent), known[-1] if known else None)
            if fault is None:
                self.early.append(reply)
            else:
                fault.replayed += reply["replays"]
                fault.retries += again

    @property
    def counted(self):
        return sum(fault.counts for fault in self.faults)

    def judge(self, bench):
        """What the bench says at the end, and the faults together."""
        if bench["errors"]:
            self.problems.append(f"{bench['errors']} errors; the first problem: {bench.get('first_problem')}")
        if bench["mismatches"]:
            self.problems.append(f"{bench['mismatches']} mismatches; the first problem: {bench.get('first_problem')}")
        if self.early:
            self.problems.append(f"{len(self.early)} requests were sent again before the first fault")
        for fault in self.faults:
            if fault.retries and fault.proof != "retried":
                self.problems.append(f"{fault.retries} requests were sent again by the client after: {fault.kind} ({fault.detail})")
        if self.counted < self.wanted:
            self.problems.append(f"{self.counted} faults hit work in flight, fewer than {self.wanted}")

    def _rows(self):
        kinds: dict[str, list] = {}
        for fault in self.faults:
            kinds.setdefault(fault.kind, []).append(fault)
        for kind, faults in sorted(kinds.items(), key=lambda item: (item[1][0].proof != "replayed", item[0])):
            gaps = [fault.gap_s for fault in faults]
            plans = [fault.plan_s for fault in faults if fault.plan_s is not None]
            limit = faults[0].limit_s
            reached = "–" if limit is None else verdict(max(gaps) <= limit)
            if limit is not None and max(gaps) > limit:
                self.missed.append(f"{kind}: {max(gaps):.2f} s without a reply, limit {limit} s")
            yield (f"| {kind} | {len(faults)} | {sum(f.counts for f in faults)} | {seconds(gaps, statistics.median)} | {seconds(gaps, max)} | "
                   f"{seconds(plans, statistics.median)} | {seconds(plans, max)} | {sum(f.replayed for f in faults)} | "
                   f"{sum(f.retries for f in faults)} | {'–' if limit is None else f'≤ {limit}'} | {reached} |")

    def _return_rows(self):
        kinds: dict[str, list] = {}
        for fault in self.faults:
            for comeback in fault.returns:
                kinds.setdefault(comeback.kind, []).append(comeback)
        for kind, comebacks in sorted(kinds.items()):
            gaps = [comeback.gap_s for comeback in comebacks]
            times = [comeback.served - comeback.began for comeback in comebacks]
            is_join = not kind.startswith("return")
            limits = f"gap ≤ {RETURN_GAP_LIMIT_S}" + (f", serves ≤ {JOIN_LIMIT_S}" if is_join else "")
            reached = max(gaps) <= RETURN_GAP_LIMIT_S and (not is_join or max(times) <= JOIN_LIMIT_S)
            if not reached:
                self.missed.append(f"{kind}: serves after {max(times):.2f} s, {max(gaps):.2f} s without a reply; limits: {limits}")
            yield (f"| {kind} | {len(comebacks)} | {seconds(gaps, statistics.median)} | {seconds(gaps, max)} | "
                   f"{seconds(times, statistics.median)} | {seconds(times, max)} | {limits} | {verdict(reached)} |")

    def markdown(self, heading, bench):
        lines = [heading, "",
                 "| fault | times | counted | gap: median | worst | new plan: median | worst | replayed | retried | limit | reached |",
                 "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |", *self._rows(), "",
                 "| a worker comes | times | gap: median | worst | serves after: median | worst | limits | reached |",
                 "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |", *self._return_rows(), "",
                 "Times in seconds. Counted: it hit work in flight (micro-batches replayed; for the coordinator, requests sent again).", ""]
        between = statistics.median(fault.rate_before for fault in self.faults)
        fresh = statistics.median(self.fresh_rates)
        if between < THROUGHPUT_LIMIT * fresh:
            self.missed.append(f"throughput between faults: {between / fresh:.0%} of a fresh start, limit {THROUGHPUT_LIMIT:.0%}")
        retries = sum(fault.retries for fault in self.faults if fault.proof != "retried")
        lines += ["| over the whole run | | limit | reached |", "| --- | ---: | ---: | --- |",
                  f"| faults that hit work in flight | {self.counted} | ≥ {self.wanted} | {verdict(self.counted >= self.wanted)} |",
                  f"| requests, each answered once and compared | {bench['requests']} | | |",
                  f"| errors | {bench['errors']} | 0 | {verdict(bench['errors'] == 0)} |",
                  f"| mismatches ({bench['distinct_inputs']} distinct inputs, relative tolerance {bench['tolerance']:g}) | {bench['mismatches']} | 0 | "
                  f"{verdict(bench['mismatches'] == 0)} |",
                  f"| requests that the client sent again, coordinator restarts apart | {retries} | 0 | {verdict(retries == 0)} |",
                  f"| throughput between faults by that of a fresh start ({between:.0f} by {fresh:.0f} items/s) | {between / fresh:.0%} | "
                  f"≥ {THROUGHPUT_LIMIT:.0%} | {verdict(between >= THROUGHPUT_LIMIT * fresh)} |"]
        return "\n".join(lines) + "\n"


def write_markdown(path, text):
    """Between the markers where the file has them; else the file is the table."""
    path = Path(path)
    old = path.read_text() if path.exists() else ""
    if BEGIN in old and END in old:
        head, rest = old.split(BEGIN, 1)
        tail = rest.split(END, 1)[1]
        text = f"{head}{BEGIN}\n\n{text}\n{END}{tail}"
    path.write_text(text)
