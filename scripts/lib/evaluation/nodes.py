"""The report's sections about nodes: what they use, whether their monitors say the same as the engine, what the links carry."""

from . import plots, settings
from .document import percent, show
from .figures import difference

MEASURED = ("standard", "scale-up", "scale-down", "high", "medium", "low", "cache")


def resources(document, summary):
    document.head("CPU and memory of each container under load")
    rows = []
    for cell in MEASURED:
        window = summary.window(cell, "load")
        if not window:
            continue
        for name in [*summary.nodes(cell), "coordinator", "client"]:
            profile = settings.BY_NAME[cell].nodes.get(name)
            quota = settings.limits(profile, summary.scale)[0] if profile else None
            cores, mean, most = (window.container(name, what) for what in ("cores", "memory_mean", "memory_max"))
            rows.append([cell, name, show(quota, 3), show(cores, 3), percent(cores / quota if quota and cores is not None else None, 0),
                         percent(window.throttled(name), 0) if profile else "–", show(mean and mean / 1e6, 0), show(most and most / 1e6, 0)])
    document.table(["cell", "container", "CPU limit", "cores used", "of the limit", "throttled periods", "memory, mean MB", "largest"], rows)
    document.text("From the engine's statistics. Coordinator and client have no limits; their CPU is beside the nodes', not in any ratio of this page.")
    idle(document, summary)


def idle(document, summary):
    results = summary.results("idle")
    if not results:
        document.text(f"Without requests: not measured ({summary.problem('idle') or 'the cell was not run'}).")
        return
    rows = []
    for name in [*summary.nodes("idle"), "coordinator"]:
        row = [name]
        for phase in ("alone", "connected"):
            found = [result[phase]["containers"][name]["cores"] for result in results if name in result[phase]["containers"]]
            row.append(percent(sorted(found)[len(found) // 2] if found else None, 3))
        rows.append(row)
    document.table(["container", "worker alone, of a core", "connected, of a core"], rows)
    document.text("The cost of monitoring, from the processors' accounts of the containers while nothing is asked. A worker without a coordinator does "
                  "nothing but read its own resources once a second: that is the monitor. Connected, it also sends a heartbeat four times a second, "
                  "answers pings, and so on.")


def cross_check(document, summary):
    document.head("Monitors and engine compared")
    rows = []
    for cell in MEASURED:
        window = summary.window(cell, "load")
        for name in summary.nodes(cell) if window else []:
            cores, known = window.monitor(name, "cores"), window.container(name, "cores")
            memory, held = window.monitor(name, "memory"), window.container(name, "memory_mean")
            process = window.monitor(name, "process")
            row = [cell, name, show(known, 3), show(cores, 3), percent(difference(cores, known), 1, True), show(held and held / 1e6, 0),
                   show(memory and memory / 1e6, 0), percent(difference(memory, held), 1, True), show(process and process / 1e6, 0)]
            for direction, _index in (("received", 0), ("sent", 1)):
                rate = window.monitor(name, f"{direction}_per_s")
                engine = window.median(lambda one, name=name, what=direction: one["containers"][name][what] / one["seconds"])
                row += [show(engine / 1e6, 2), show(rate and rate / 1e6, 2), percent(difference(rate, engine), 1, True)]
            rows.append(row)
    document.table(["cell", "node", "cores: engine", "monitor", "differs", "memory, MB: engine", "monitor", "differs", "process", "in, MB/s: engine",
                    "monitor", "differs", "out, MB/s: engine", "monitor", "differs"], rows)
    document.text("Engine: Docker's statistics API, once a second, interpolated at the window's ends. Monitor: what the worker read of its own control "
                  "group and said in its heartbeats, as `amp4ec status` shows it, the mean of the window. The engine does not charge a container for "
                  "pages of the image's libraries that another container touched first; the monitor counts at least what its process "
                  "has resident, these pages included, so it may say more. A dash: the monitor of this version does not say it.")


def links(document, summary):
    document.head("What the links carry")
    rows, bars = [], []
    for cell in MEASURED:
        window = summary.window(cell, "load")
        if not window:
            continue
        last = window.repeats[-1]
        answered = max(1, sum(reply[3] for reply in last["replies"]))
        for link in last["links"]:
            if not link["messages"]:
                continue
            mb = link["wire_bytes"] / 1e6 / answered
            rows.append([cell, f"{link['from']} → {link['to']}", show(link["messages"], 0), show(link["raw_bytes"] / 1e6, 1),
                         show(link["wire_bytes"] / 1e6, 1), show(mb, 2), percent(link["compressed_share"], 0),
                         show(link["bandwidth_bytes_per_second"] / 1e6, 0)])
            if cell == "standard":
                bars.append((f"{link['from']} → {link['to']}", mb))
    document.table(["cell", "link", "messages", "raw, MB", "on the wire, MB", "MB a request", "compressed", "bandwidth, MB/s"], rows)
    document.plot("links.svg", plots.bars("Bytes on each link, standard", "MB on the wire for a request of 32 images", bars), "Of the last repeat.")
    kernel = []
    for cell in MEASURED:
        window = summary.window(cell, "load")
        for name in [*summary.nodes(cell), "coordinator", "client"] if window else []:
            received, sent = (window.median(lambda one, name=name, index=index: one["network"][name][index] / 1e6) for index in (0, 1))
            engine_in, engine_out = (window.container(name, what) for what in ("received", "sent"))
            kernel.append([cell, name, show(received, 1), show(sent, 1), show(engine_in / 1e6, 1), show(engine_out / 1e6, 1),
                           show(window.network_mb([name]), 2)])
    document.table(["cell", "container", "received, MB", "sent, MB", "received: engine", "sent: engine", "MB a request"], kernel)
    document.text("Received and sent: the kernel's counters of the container's interface (`/proc/net/dev`) before the window's first request and after "
                  "its last, so they hold all requests, the few messages that stand for no request, and the answers to `status`. The engine's are of the "
                  "window alone.")


def over_time(document, summary):
    """Of the last repeat: the cluster under load, and the loss."""
    document.head("CPU and memory over time")
    for cell, kind, title in (("standard", "load", "standard, under load"), ("loss", "loss", "while a node is lost and comes back")):
        window = summary.window(cell, kind)
        if not window:
            continue
        last = window.repeats[-1]
        names = [*summary.nodes(cell), "coordinator", "client"]
        events = [(last["killed_s"], "killed"), (last["returned_s"], "started")] if kind == "loss" else []
        for what, text, scale in (("cores_series", "cores", 1), ("memory_series", "memory, MB", 1e6)):
            series = [(name, [(at, value / scale) for at, value in last["containers"][name][what] if at >= 0]) for name in names]
            document.plot(f"{what.split('_')[0]}-{kind}.svg", plots.lines(
                f"{text.split(',')[0].capitalize()}: {title}", "seconds", text, [one for one in series if one[1]], events, longest=3),
                f"{text}, from the engine's statistics of the last repeat.")
