"""What the machine itself takes from nodes that compute at the same time: the whole model in a process for each node of a cell, without
coordinator, network and pipeline, in turn one of them alone and all at once. Shared caches, memory and processor threads are no matter of
how a model is distributed, and a cluster on one machine still pays for them.
"""

import functools
import time

from containers.clusters import wait_until
from containers.docker import docker
from processes.local_cluster import Failed

from . import figures, settings
from .cluster import START_LIMIT_S, read_timeline
from .lab import Container

TIMELINE = "/tmp/timeline.jsonl"
#: A process that goes on has its caches to fill again; what it does until then counts for nothing.
SETTLE_S = 1.0
#: Replies of each process before the first slice begins.
FIRST_REPLIES = 3


def measure(lab, cell, model, scale, times):
    """Slices of `times.slice` seconds, in each round one for each node alone and one for all: images a second of each node in each."""
    containers = {name: _start(lab, name, profile, model, scale, times, len(cell.nodes)) for name, profile in cell.nodes.items()}
    for container in containers.values():
        wait_until(f"{container.name} answers", functools.partial(_answers, container), START_LIMIT_S)
    names = [container.name for container in containers.values()]
    slices = []
    stopped: set[str] = set()
    for _ in range(times.rounds):
        for who in [*([name] for name in containers), list(containers)]:
            running = {containers[name].name for name in who}
            stopped = _switch(names, running, stopped)
            begin = time.time() + SETTLE_S
            time.sleep(SETTLE_S + times.slice)
            slices.append((who, begin, begin + times.slice))
    _switch(names, set(names), stopped)
    return rates({name: read_timeline(container.execute("cat", TIMELINE)) for name, container in containers.items()}, slices)


def _start(lab, name, profile, model, scale, times, count):
    cores, memory = settings.limits(profile, scale)
    # Longer than all slices; it is removed when they are over.
    seconds = START_LIMIT_S + 2 * times.rounds * (count + 1) * (times.slice + SETTLE_S)
    return Container(lab, name, [
        "amp4ec", "baseline", "--json", "--model", "/model.pt", "--batch", settings.LOSS_BATCH, "--warm-up", "0s", "--duration", f"{seconds:.0f}s",
        "--timeline", TIMELINE], cores, memory, mounts=[(model, "/model.pt")])


def _answers(container):
    if not container.is_running:
        raise Failed(f"{container.name} ended instead of running.{container.last_words()}")
    try:
        return container.execute("cat", TIMELINE).count("\n") > FIRST_REPLIES
    except Failed:
        # No request has run yet.
        return False


def _switch(names, running, stopped):
    """Lets only those run; returns which are stopped now. By signals: not every kernel freezes a group that its quota holds back."""
    wanted = set(names) - running
    for signal, those in (("STOP", wanted - stopped), ("CONT", stopped - wanted)):
        if those:
            docker("kill", "--signal", signal, *sorted(those))
    return wanted


def rates(timelines, slices):
    """Images a second by phase and node, from (who runs, begin, end)."""
    result: dict[str, dict[str, list[float]]] = {"alone": {name: [] for name in timelines}, "together": {name: [] for name in timelines}}
    for who, begin, end in slices:
        for name in who:
            started, replies = timelines[name]
            rate = figures.rate([started + reply[0] for reply in replies], begin, end)
            if rate is None:
                raise Failed(f"{name} answered fewer than two requests in {end - begin:.0f} s")
            result["alone" if len(who) == 1 else "together"][name].append(rate * settings.LOSS_BATCH)
    return result
