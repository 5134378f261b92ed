"""The evaluation's report, from nothing but what a state file holds."""

from . import claims, nodes, ratios, settings, tables
from .document import Document, percent, show
from .figures import median
from .summary import Summary, Window, throughput

#: The files that a report writes beside its plots.
PAGE, TEXT = "report.html", "report.md"


def one_line(cell, result):
    """For the log while measuring."""
    if cell.kind == "idle":
        cores = [part["cores"] for name, part in result["alone"]["containers"].items()]
        return f"idle workers take {percent(max(cores), 3)} of a core"
    if cell.kind == "loss":
        loss = result["loss"]
        return f"gap {show(loss['gap_at_loss_s'], 2)} s, {loss['report']['errors']} lost, {loss['counters']['micro_batches_replayed']} replayed"
    if cell.kind == "together":
        found = result["together"]
        return "; ".join(f"{name} {show(median(found['alone'][name]), 1)} images/s alone, {show(median(found['together'][name]), 1)} with the others"
                         for name in cell.nodes)
    text = []
    for kind in ("lone", "load"):
        if kind in result:
            window = Window([result[kind]])
            text.append(f"{kind} {show(window.mean_ms())} ms, {show(throughput(result[kind]), 2)} requests/s")
    return "; ".join(text)


def write(options, state):
    """Writes the report into the folder; returns what it says is missing, and whether anything of that is a failure."""
    summary = Summary(state)
    document = build(options, state, summary)
    options.out.mkdir(parents=True, exist_ok=True)
    for old in options.out.glob("*.svg"):
        old.unlink()
    for name, svg in document.plots.items():
        (options.out / name).write_text(svg, encoding="utf-8")
    (options.out / TEXT).write_text(document.markdown(), encoding="utf-8")
    (options.out / PAGE).write_text(document.html(), encoding="utf-8")
    ratios.write(options.out / ratios.FILE, ratios.of(summary))
    problems = missing(options, state)
    return list(problems.values()), not all(state.is_impossible(name) for name in problems)


def missing(options, state):
    """Cells of this run with fewer repeats than were asked for, and why."""
    problems = {}
    for cell in options.cells:
        done = len(state.results(cell.name))
        if done < options.repeats:
            why = state.problem(cell.name) or next((line["problem"] for line in reversed(state.lines) if line["cell"] == cell.name
                                                    and "problem" in line), "the run ended before")
            problems[cell.name] = f"{cell.name}: {done} of {options.repeats} repeats: {why}"
    return problems


def build(options, state, summary):
    document = Document("The paper's evaluation, measured")
    _setting(document, options, state, summary)
    document.head("The paper's claims")
    document.text("Each verdict follows from the numbers of this page. *Not comparable* stands where the paper's figure is no measurement of "
                  "the same thing; its public code holds the overhead, stability and bandwidth as constants.".replace("*", "**"))
    head, rows = claims.paper_claims(summary)
    document.table(head, rows, is_prose=True)
    document.head("Our own limits that this evaluation can show")
    head, rows = claims.design_rows(summary, state.machine)
    document.table(head, rows, is_prose=True)
    tables.table_one(document, summary)
    tables.table_two(document, summary)
    tables.scenarios(document, summary)
    tables.at_once(document, summary)
    tables.monoliths(document, summary)
    tables.latencies(document, summary)
    tables.steadiness(document, summary)
    tables.cache(document, summary)
    tables.scheduling(document, summary, state.machine)
    tables.loss(document, summary)
    tables.starts(document, summary)
    nodes.resources(document, summary)
    nodes.cross_check(document, summary)
    nodes.links(document, summary)
    nodes.over_time(document, summary)
    problems = missing(options, state)
    document.head("What is missing")
    if problems:
        document.points(problems.values())
    else:
        document.text("Nothing: every cell of this run has all its repeats.")
    return document


def _setting(document, options, state, summary):
    machine, given = state.machine, state.settings
    times = given["times"]
    if options.short:
        document.text("**A short run: it shows that everything works. Its figures are not to be quoted.**")
    document.text(
        "The scenarios, profiles and figures of the AMP4EC paper's section IV, in containers with its limits: MobileNetV2, requests of "
        f"{given['batch']} images of 224×224, each worker in a container with its profile's CPU and memory, coordinator and client in containers "
        "without limits, on a bridge network of their own. Latency is that of a lone request; throughput is measured with "
        f"{given['concurrency']} requests under way. Every reply is compared with the whole model's output. Monoliths run one request after "
        "another in one container, with no network at all.")
    cores = machine.get("cores")
    document.points([
        f"Machine: {machine.get('processor')}, {cores} cores, {show(machine.get('memory_mb'), 0)} MiB of memory; kernel {machine.get('kernel')}; "
        f"Docker {machine.get('engine')}, cgroup version {machine.get('cgroup')} ({machine.get('driver')}).",
        f"Software: revision `{machine.get('revision')}`, image `{machine.get('image')}` of revision `{machine.get('image_revision')}`, "
        f"{show((machine.get('image_bytes') or 0) / 1e6, 0)} MB. Begun {machine.get('at')}, with a load average of {show(machine.get('load_before'), 2)}.",
        f"**Factor: {given['factor']}.** The engine allows no limit above the machine's cores, and coordinator and client need some of their own: "
        "so every CPU limit, workers' and monoliths' alike, is the paper's times this factor; memory is not scaled. Absolute milliseconds "
        "are therefore those of smaller nodes than the paper's; ratios within this page are not touched by it.",
        f"Windows of {times['window']} s after {times['warm_up']} s of warm-up, repeats: {options.repeats}, all cells of a repeat before the next. "
        "Latencies are of all repeats together; everything else is the median of the repeats. Two cells are compared within each repeat, and "
        "the median of those ratios counts, so that an hour in which the machine is slower changes both sides alike. From a repeat's first "
        f"window to its last one: {', '.join(show(one, 0) for one in summary.minutes())} minutes.",
        f"Processors busy outside our containers during the windows (the engine, the kernel, whatever else ran): "
        f"{show(_largest(summary, Window.others_cores), 2)} cores at most by cell; taken by the hypervisor: "
        f"{show(_largest(summary, Window.stolen_cores), 3)}.",
    ])


def _largest(summary, figure):
    found = [figure(summary.window(cell.name, kind)) for cell in settings.CELLS for kind in ("lone", "load")]
    known = [value for value in found if value is not None]
    return max(known) if known else None
