"""How each kind of cell is measured. A cell's result is plain data; what it means is the report's business."""

import io
import json
import subprocess
import tarfile
import time

from containers.docker import command, docker
from processes.local_cluster import Failed

from . import settings, together
from .cluster import BENCH_LIMIT_S, START_LIMIT_S, Cluster, HostCPU, observed, read_timeline
from .figures import longest_gap
from .lab import Container, Lab

#: Standby partitions are loaded after the first plan serves; an idle cluster is one where that is over.
SETTLE_LIMIT_S = 60
#: Of the machine, while nothing is asked: below this the cluster is at rest.
REST_CORES = 0.05


class Bench:
    """What the cells share: the image, the model, the inputs, the factor and the times."""

    def __init__(self, image, model, data, scale, times, owner, image_options):
        self.image, self.model, self.data, self.scale, self.times, self.owner = image, model, data, scale, times, owner
        self._image_options = image_options
        self._labs = 0

    def lab(self):
        self._labs += 1
        return Lab(self.image, self.owner, self._labs)

    def impossible(self, cell):
        """Why this image cannot run the cell, or None."""
        for option in cell.coordinator:
            if option.startswith("--") and option not in self._image_options:
                return f"the image's coordinator has no {option}"
        return None

    def measure(self, cell):
        return {"cluster": self.cluster, "loss": self.loss, "idle": self.idle, "monolith": self.monolith,
                "together": self.together}[cell.kind](cell)

    # Kinds

    def cluster(self, cell):
        with self.lab() as lab:
            cluster = Cluster(lab, cell, self.scale, self.model, self.data)
            try:
                cluster.serve()
                cluster.warm_up(self.times.warm_up)
                lone = cluster.measure(self.times.window, 1)
                load = cluster.measure(self.times.window, settings.CONCURRENCY)
                return {"lone": lone, "load": load, "start": cluster.start_times()}
            finally:
                cluster.end()

    def loss(self, cell):
        """Kills the node with most of the work under load, and starts its container again later."""
        victim = next(iter(cell.nodes))
        with self.lab() as lab:
            cluster = Cluster(lab, cell, self.scale, self.model, self.data)

            def strike(begin):
                return self._kill_and_return(cluster, victim, begin)

            try:
                cluster.serve()
                self._rest(cluster)
                cluster.warm_up(self.times.warm_up)
                window = cluster.measure(self.times.loss, settings.LOSS_CONCURRENCY, settings.LOSS_BATCH, strike)
                return {"loss": {**window, **self._what_followed(cluster, window)}}
            finally:
                cluster.end()

    def _kill_and_return(self, cluster, victim, begin):
        container = cluster.workers[victim]
        self._until(begin + self.times.kill_at)
        killed = time.time()
        docker("kill", container.name)
        self._until(begin + self.times.return_at)
        returned = time.time()
        docker("start", container.name)
        return {"victim": victim, "killed_s": killed - begin, "returned_s": returned - begin}

    @staticmethod
    def _until(moment):
        while (left := moment - time.time()) > 0:
            time.sleep(min(left, 0.2))

    def _what_followed(self, cluster, window):
        """Times relative to the kill and the return, from the coordinator's log and the replies."""
        log, begin, victim = cluster.events(), window["begin"], window["victim"]
        killed, returned = begin + window["killed_s"], begin + window["returned_s"]
        times = [begin + reply[0] for reply in window["replies"] if reply[3]]

        def since(start, at):
            return None if at is None else at - start

        lost, ready = log.first("node is lost", killed - 1, node=victim), log.first("node is ready", returned, node=victim)
        return {
            "lost_after_s": since(killed, lost and lost.at), "ready_after_s": since(returned, ready and ready.at),
            "without_after_s": since(killed, log.served(killed, lacking=[victim])),
            "with_after_s": since(returned, log.served(returned, having=[victim])),
            "gap_before_s": longest_gap(times, begin + 1, killed - 0.5), "gap_at_loss_s": longest_gap(times, killed, returned),
            "gap_at_return_s": longest_gap(times, returned, begin + window["seconds"]),
            "events": [[round(event.at - begin, 2), event.message, event.facts.get("node"), event.facts.get("deployed_in")]
                       for event in log.events if killed - 1 <= event.at <= begin + window["seconds"]
                       and event.message in ("node is lost", "node is ready", "plan is made", "plan serves")],
        }

    def idle(self, cell):
        """The workers alone first, where only their monitors run, then with a coordinator, where heartbeats go as well."""
        with self.lab() as lab:
            cluster = Cluster(lab, cell, self.scale, self.model, self.data)
            try:
                alone = self._still(cluster.workers)
                cluster.serve(watches=False)
                self._rest(cluster)
                return {"alone": alone, "connected": self._still({**cluster.workers, "coordinator": cluster.coordinator}),
                        "start": cluster.start_times(),
                        "image_bytes": json.loads(docker("image", "inspect", self.image))[0]["Size"]}
            finally:
                cluster.end()

    def _still(self, containers):
        # The start's own work is over when a whole second of it is behind us.
        time.sleep(2)
        begin = time.time()
        time.sleep(self.times.idle)
        end = time.time()
        time.sleep(1.5)
        return {"begin": begin, "seconds": end - begin, "containers": {
            name: observed(container.stats, begin, end) for name, container in containers.items()}}

    @staticmethod
    def _rest(cluster):
        deadline = time.monotonic() + SETTLE_LIMIT_S
        while time.monotonic() < deadline:
            time.sleep(1)
            recent = [worker.stats.column(1)[-3:] for worker in cluster.workers.values()]
            if all(len(samples) == 3 for samples in recent) and sum(
                    (samples[-1][1] - samples[0][1]) / (samples[-1][0] - samples[0][0]) for samples in recent) < REST_CORES:
                return
        raise Failed(f"the workers were still at work {SETTLE_LIMIT_S} s after the first plan served.{cluster.coordinator.last_words()}")

    def together(self, cell):
        with self.lab() as lab:
            return {"together": together.measure(lab, cell, self.model, self.scale, self.times)}

    def monolith(self, cell):
        cores, memory = settings.monolith_limits(cell.cores, self.scale)
        seconds = self.times.window
        with self.lab() as lab:
            host = HostCPU()
            container = Container(lab, cell.name, [
                "amp4ec", "baseline", "--json", "--model", "/model.pt", "--batch", settings.BATCH, "--warm-up", f"{self.times.warm_up}s",
                "--duration", f"{seconds}s", "--timeline", "/tmp/timeline.jsonl", *settings.monolith_arguments(cell, self.scale)],
                cores, memory, mounts=[(self.model, "/model.pt")])
            limit = START_LIMIT_S + self.times.warm_up + seconds + BENCH_LIMIT_S
            deadline = time.monotonic() + limit
            while container.is_running:
                if time.monotonic() > deadline:
                    raise Failed(f"the monolith did not end within {limit} s.{container.last_words()}")
                time.sleep(1)
            state = container.inspect()["State"]
            output, errors = container.log()
            if state["ExitCode"] != 0 or not output.strip():
                why = "it was out of memory" if state["OOMKilled"] else errors.strip()[-500:]
                raise Failed(f"the monolith ended with exit code {state['ExitCode']}: {why}")
            begin, replies = read_timeline(container_file(container, "/tmp/timeline.jsonl"))
            return {"lone": {
                "begin": begin, "seconds": seconds, "batch": settings.BATCH, "concurrency": 1, "report": json.loads(output),
                "replies": replies, "host_cores": host.cores(begin, begin + seconds),
                "containers": {"monolith": observed(container.stats, begin, begin + seconds)}}}


def container_file(container, path):
    """A file of a container that has ended."""
    result = subprocess.run(command("cp", f"{container.name}:{path}", "-"), stdin=subprocess.DEVNULL, capture_output=True,
                            timeout=60, check=False)
    if result.returncode != 0:
        raise Failed(f"{path} of {container.name} cannot be read: {result.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(result.stdout)) as archive:
        file = archive.extractfile(archive.getmembers()[0])
        if file is None:
            raise Failed(f"{path} of {container.name} is no file")
        return file.read().decode()
