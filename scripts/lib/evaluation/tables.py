"""The report's sections of tables about requests: the paper's two, then what they leave out."""

from . import plots, settings
from .document import percent, show, times
from .figures import median, ratio


def table_one(document, summary):
    document.head("Table I: monolith, cluster, cluster with cache")
    paper = settings.PAPER
    names = summary.nodes("standard")
    clusters = {"cluster": summary.window("standard", "lone"), "cache": summary.window("cache", "lone")}
    loads = {"cluster": summary.window("standard", "load"), "cache": summary.window("cache", "load")}
    monolith = summary.window("eager-2", "lone")

    rows = []

    def add(title, key, digits, one, of_cluster):
        row = [title]
        for system, value in (("monolith", one), ("cluster", of_cluster("cluster")), ("cache", of_cluster("cache"))):
            stated = paper[system][key]
            row += [f"{stated:g}", show(value, digits), times(ratio(value, stated))]
        rows.append(row)

    add("latency, mean, ms", "latency_ms", 1, monolith.mean_ms(), lambda s: clusters[s].mean_ms())
    add("throughput, requests/s", "requests_per_second", 2, monolith.requests_per_second(), lambda s: loads[s].requests_per_second())
    add("communication, ms a request", "communication_ms", 2, 0.0 if monolith else None, lambda s: clusters[s].communication_ms())
    add("CPU, % of all limits, under load", "cpu_percent", 1, _cpu_percent(summary, monolith, "eager-2", ["monolith"]),
        lambda s: _cpu_percent(summary, loads[s], "standard", names))
    add("memory, MB, all nodes", "memory_mb", 0, monolith.memory_mb(["monolith"]), lambda s: loads[s].memory_mb(names))
    add("network, MB a request", "network_mb", 2, 0.0 if monolith else None, lambda s: loads[s].network_mb(names))
    add("stability", "stability", 2, monolith.stability(), lambda s: clusters[s].stability())
    add("scheduling, ms a request", "scheduling_ms", 2, 0.0 if monolith else None, lambda s: clusters[s].scheduling_ms())
    document.table(["metric", "monolith: paper", "ours (eager)", "ratio", "AMP4EC: paper", "ours", "ratio", "with cache: paper", "ours", "ratio"], rows)
    document.text(
        "Ratio: ours by the paper's. *Communication* is receiving, decompressing and compressing on all nodes, mostly while others compute; the "
        "paper's is a negative time. *Memory* is what the engine charges to the containers without the page cache; the paper's megabytes are below "
        "what libtorch alone takes. *Network* is what the kernel counted on all workers, received and sent. The paper does not say over "
        "what time or how many requests its CPU and network figures were taken.".replace("*", "**"))
    if summary.problem("cache"):
        document.text(f"With the cache: not measured, because {summary.problem('cache')}.")


def _cpu_percent(summary, window, cell, names):
    return None if not window else ratio(window.cores(names) * 100, summary.quota(cell))


def table_two(document, summary):
    document.head("Table II: each profile alone")
    rows = []
    for profile, (cores, memory) in settings.PROFILES.items():
        found = summary.window(profile, "lone").latency() or {}
        stated = settings.PAPER["profiles"][profile]
        rows.append([profile, f"{cores:g}", f"{settings.limits(profile, summary.scale)[0]:g}", f"{memory} MB", show(stated, 2),
                     show(found.get("mean"), 1), times(ratio(found.get("mean"), stated)),
                     show(found.get("p50"), 1), show(found.get("p95"), 1), show(found.get("p99"), 1),
                     times(summary.lone_by(profile, "high")),
                     times(ratio(stated, settings.PAPER["profiles"]["high"]))])
    document.table(["profile", "CPU: paper", "CPU: here", "memory", "mean, ms: paper", "ours", "ratio", "p50", "p95", "p99",
                    "by high: ours", "by high: paper"], rows)
    document.text("The whole model on one worker, a lone request of 32 images through coordinator and network. The paper's section IV-E "
                  "gives other times for the same profiles (22–23 ms for high and medium, 40 ms for low).")


def scenarios(document, summary):
    document.head("Scenarios against monoliths of the paper's cores")
    rows = []
    for cell, cores in settings.BASELINE.items():
        load = summary.window(cell, "load")
        eager, optimised, cut = (summary.throughput_by(cell, f"{kind}-{cores}") for kind in ("eager", "optimised", "cut"))
        lone = summary.window(cell, "lone").mean_ms()
        rows.append([settings.BY_NAME[cell].title, f"{summary.quota(cell):g}", f"{summary.quota(f'eager-{cores}'):g}",
                     show(load.requests_per_second(), 2), _spread(load), show(summary.throughput(cell), 1), times(eager), times(optimised),
                     times(cut), times(summary.throughput_by_parts(cell)), show(lone, 1), times(summary.lone_by(cell, f"eager-{cores}")),
                     times(summary.lone_by(cell, f"optimised-{cores}")), _plan(load)])
    document.table(["scenario", "CPU", "monolith's CPU", "requests/s", "range", "images/s", "by eager", "by optimised", "by cut", "by sum of nodes",
                    "lone request, ms", "by eager", "by optimised", "plan"], rows)


def at_once(document, summary):
    document.head("What the machine itself takes from nodes that compute at the same time")
    rows = []
    for cell in settings.BASELINE:
        found = [result["together"] for result in summary.results(f"together-{cell}")]
        for name in summary.nodes(cell) if found else []:
            alone, others = (median([median(one[phase][name]) for one in found]) for phase in ("alone", "together"))
            rows.append([cell, name, show(alone, 1), show(others, 1), times(ratio(others, alone)), ""])
        if found:
            value, own = summary.at_once_by_alone(cell), summary.throughput_by_parts(cell)
            rows.append([cell, "all", "", "", times(value), times(ratio(own, value))])
    if not rows:
        document.text("Not measured: the cells were not run.")
        return
    document.table(["scenario", "node", "alone, images/s", "with the others", "by alone", "the cluster by the sum of its nodes at once"], rows)
    document.text("The whole model in a container of each node's limits (`amp4ec baseline`, requests of "
                  f"{settings.LOSS_BATCH}), without coordinator, network and pipeline; in turn one runs while the others are stopped, and all run. What they "
                  "lose to each other is the machine's: its memory and caches are shared whatever runs on them, and nodes on machines of their own "
                  "would not lose it. The last column is the rest of what the cluster lacks to the sum of its nodes' own throughputs: "
                  "the messages' way through the kernel, on the nodes' own limits, and what the plan and the micro-batches leave unused.")


def _spread(window):
    found = window.requests_spread()
    return "–" if not found else f"{show(found[0], 2)}–{show(found[1], 2)}"


def _plan(window):
    if not window:
        return "–"
    stages = window.repeats[-1]["plan"]["stages"]
    return " → ".join(f"{stage['first_layer']}–{stage['last_layer']} {'+'.join(stage['replicas'])}" for stage in stages)


def monoliths(document, summary):
    document.head("Monoliths")
    rows = []
    for cell in settings.CELLS:
        if cell.kind != "monolith":
            continue
        window = summary.window(cell.name, "lone")
        if not window and not summary.problem(cell.name):
            continue
        cores, memory = settings.monolith_limits(cell.cores, summary.scale)
        found = window.latency() or {}
        run = window.repeats[-1]["report"] if window else {}
        rows.append([cell.title, f"{cores:g}", f"{memory} MB", str(run.get("threads", 1) * run.get("executors", 1)) if run else "–",
                     show(found.get("mean"), 1), show(found.get("p95"), 1), show(window.requests_per_second(), 2), show(window.items_per_second(), 1),
                     show(window.memory_mb(["monolith"]), 0), str(found.get("count", 0))])
    document.table(["monolith", "CPU", "memory limit", "threads", "mean, ms", "p95", "requests/s", "images/s", "memory used, MB", "requests"], rows)
    document.text("The same engine as the workers' in one process (`amp4ec baseline`), with as many threads as whole cores and at least one.")


def latencies(document, summary):
    document.head("Latency of a request of 32 images")
    rows, series = [], []
    for cell in settings.CELLS:
        for kind, title in (("lone", cell.title), ("load", f"{cell.title}, {settings.CONCURRENCY} at once")):
            window = summary.window(cell.name, kind)
            found = window.latency()
            if not found:
                continue
            rows.append([title, *(show(found[part], 1) for part in ("mean", "p50", "p95", "p99", "max")), str(found["count"])])
            if kind == "lone" and not cell.name.startswith("cut"):
                series.append((cell.title.replace("monolith of ", "").replace(", malloc as it is", "").replace(", allocator tuned", ""),
                               plots.distribution([reply[1] for reply in window.replies()])))
    document.table(["what", "mean, ms", "p50", "p95", "p99", "max", "requests"], rows)
    document.plot("latency.svg", plots.lines("Latency of a lone request of 32 images", "milliseconds", "share of requests", series, is_log=True, top=1),
                  "How many of the lone requests took at most so long.")


def steadiness(document, summary):
    document.head("Stability")
    rows = []
    for cell in settings.CELLS:
        for kind in ("lone", "load"):
            window = summary.window(cell.name, kind)
            if window:
                rows.append([cell.title + (f", {settings.CONCURRENCY} at once" if kind == "load" else ""), show(window.requests_per_second(), 2),
                             show(window.stability(), 2), show(window.stability(10), 2), percent(window.within_twice())])
    document.table(["what", "requests/s", "windows of 1 s", "windows of 10 s", "within 2× the median"], rows)
    document.text("1 − the coefficient of variation of the replies counted in windows. A window of 1 s holds the whole replies of this request size that "
                  "end in it, often none or one: the figure then says how few there are, not how unsteady the system is (steady replies "
                  "every 3 s give −0.41). The wider windows and the share of requests within twice the median do not have that flaw.")


def cache(document, summary):
    document.head("The result cache")
    rows = []
    for kind, title in (("lone", "one at a time"), ("load", f"{settings.CONCURRENCY} at once")):
        window = summary.window("cache", kind)
        hit, miss = window.latency(1) or {}, window.latency(0) or {}
        if window:
            rows.append([title, percent(window.hit_share()), show(hit.get("mean"), 2), show(hit.get("p95"), 2), show(miss.get("mean"), 1),
                         show(window.requests_per_second(), 2), show(window.items_per_second(), 0)])
    if not rows:
        document.text(f"Not measured: {summary.problem('cache') or 'the cell was not run'}.")
        return
    document.table(["requests", "hits", "hit, mean ms", "p95", "miss, mean ms", "requests/s", "images/s"], rows)
    document.text("16 distinct batches are sent again and again, so nearly all are hits once each was answered; the warm-up does that. What a cache "
                  "brings is a matter of how often inputs repeat, which the paper does not state.")


def scheduling(document, summary, machine):
    document.head("Scheduling")
    rows = []
    for cell in ("standard", "scale-up", "scale-down", "high"):
        if lone := summary.window(cell, "lone"):
            load = summary.window(cell, "load")
            rows.append([settings.BY_NAME[cell].title, show(lone.receive_ms(), 1), show(lone.scheduling_ms(), 3), show(lone.scheduling_p95_ms(), 3),
                         show(load.scheduling_ms(), 1), show(load.coordinator_cpu_per_thousand(), 3)])
    document.table(["what", "until the inputs were there, lone, ms", "inputs to first dispatch, lone, ms", "95 % within",
                    f"with {settings.CONCURRENCY} at once, waiting for room included", "coordinator's CPU, s for 1,000 micro-batches"], rows)
    decisions = machine.get("decisions") or []
    document.table(["nodes", "one decision of node selection, µs", "the paper's plain loop, µs"],
                   [[str(entry["nodes"]), show(entry["microseconds"], 2), show(entry["plain_microseconds"], 2)] for entry in decisions])
    document.text("The decisions ran on the machine itself, outside containers (`PlanningBench --decisions`)." if decisions else
                  "Decisions of node selection: not measured (`make build` makes PlanningBench).")


def loss(document, summary):
    document.head("A node lost and back")
    results = summary.results("loss")
    if not results:
        document.text(f"Not measured: {summary.problem('loss') or 'the cell was not run'}.")
        return
    rows = []
    for number, result in enumerate(results, 1):
        one = result["loss"]
        report = one["report"]
        rows.append([str(number), one["victim"], show(one["gap_before_s"], 2), show(one["gap_at_loss_s"], 2), show(one["gap_at_return_s"], 2),
                     str(one["counters"]["micro_batches_replayed"]), str(report["errors"]), str(report["mismatches"]), str(report["requests"]),
                     show(one["lost_after_s"], 2), show(one["without_after_s"], 2), show(one["ready_after_s"], 2), show(one["with_after_s"], 2)])
    document.table(["repeat", "node", "gap before, s", "gap at the loss", "gap at the return", "replayed", "lost", "wrong", "requests",
                    "loss noticed after, s", "plan without it after", "ready again after", "plan with it after"], rows)
    document.text(f"`docker kill` of the worker with most of the work, `docker start` later, under {settings.LOSS_CONCURRENCY} requests of "
                  f"{settings.LOSS_BATCH} images at once, so that a gap shows. Gaps are the longest times without a right reply. Times of the return "
                  "count from `docker start` and include the start of the process within its scaled CPU limit.")
    last = results[-1]["loss"]
    counts = [0] * int(last["seconds"])
    for reply in last["replies"]:
        if reply[3] and 0 <= reply[0] < len(counts):
            counts[int(reply[0])] += last["batch"]
    events = [(last["killed_s"], "killed"), (last["returned_s"], "started")]
    # Of several at once one is enough.
    serves = [at for at, text, _, _ in last["events"] if text == "plan serves" and 0 <= at <= last["seconds"]]
    events += [(at, "plan serves") for before, at in zip([-1, *serves], serves) if at - before > 0.5]
    document.plot("loss.svg", plots.lines("Throughput while a node is lost and comes back", "seconds", "images in each second",
                                          [("images/s", [(second + 0.5, count) for second, count in enumerate(counts)])], sorted(events)),
                  "The last repeat, counted in windows of 1 s.")


def starts(document, summary):
    document.head("Deployment")
    parts = ("started_s", "planned_s", "deployed_s", "ready_s")
    rows = [[settings.BY_NAME[cell].title, *(show(summary.start(cell, part), 2) for part in parts)]
            for cell in ("standard", "scale-up", "scale-down", "high", "medium", "low") if summary.results(cell)]
    document.table(["what", "coordinator's start, s", "analysis and plan", "cutting, sending, loading", "container's start to serving"], rows)
    document.text("From the coordinator's log, medians. Each run starts with empty disks.")
