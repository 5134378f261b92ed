"""One cluster in containers: workers with a profile's limits, a coordinator and a client without, and windows of measured requests."""

import json
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from processes.coordinator_log import CoordinatorLog
from processes.local_cluster import Failed, piped

from . import figures, settings
from .lab import Container, moment

START_LIMIT_S = 120
#: A bench that was told how long to run still waits for what is under way: at most the requests' deadline.
BENCH_LIMIT_S = 90


class Watch(threading.Thread):
    """`amp4ec status --watch` in the client's container: what the nodes' own monitors say, once a second."""

    def __init__(self, client):
        super().__init__(name="status", daemon=True)
        self._child = subprocess.Popen(
            client.command("amp4ec", "status", "--watch", "--json", "--coordinator", "coordinator:9100"), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        #: (time, status)
        self.statuses = []
        self.start()

    def run(self):
        for line in piped(self._child.stdout):
            try:
                self.statuses.append((time.time(), json.loads(line)))
            except ValueError:
                break

    def end(self):
        self._child.kill()
        self._child.wait()
        self.join(5)


class Cluster:
    def __init__(self, lab, cell, scale, model, data):
        self.lab, self.cell = lab, cell
        self.workers: dict[str, Container] = {}
        for name, profile in cell.nodes.items():
            cores, memory = settings.limits(profile, scale)
            self.workers[name] = Container(lab, name, ["amp4ec-worker", "--listen", "9000", "--name", name], cores, memory)
        for worker in self.workers.values():
            worker.wait_for_line("listening on ", START_LIMIT_S)
        self.model, self.data = model, data
        self.watch: Watch | None = None

    def serve(self, watches=True):
        """Starts coordinator and client; ready to measure on return.

        - watches: also asks for the status once a second, for the monitors' readings.
        """
        addresses = ",".join(f"{name}:9000" for name in self.workers)
        self.coordinator = Container(self.lab, "coordinator", [
            "amp4ec-coordinator", "--workers", addresses, "--model", "/model.pt", "--listen", ":9100", "--join-timeout", "30s",
            *self.cell.coordinator], mounts=[(self.model, "/model.pt")])
        self.client = Container(self.lab, "client", ["sleep", "infinity"], mounts=[(self.data, "/data")])
        self.coordinator.wait_for_line("ready: ", START_LIMIT_S)
        if watches:
            self.watch = Watch(self.client)

    def end(self):
        if self.watch is not None:
            self.watch.end()

    def containers(self):
        return {**self.workers, "coordinator": self.coordinator, "client": self.client}

    def status(self):
        return json.loads(self.client.execute("amp4ec", "status", "--json", "--coordinator", "coordinator:9100"))

    def events(self):
        """The coordinator's log."""
        with tempfile.NamedTemporaryFile("w", suffix=".log") as file:
            file.write(self.coordinator.log()[1])
            file.flush()
            log = CoordinatorLog(file.name)
            log.poll()
        return log

    # Windows

    def _bench(self, seconds, concurrency, batch):
        return self.client.command(
            "amp4ec", "bench", "--json", "--coordinator", "coordinator:9100", "--input", "/data/items.npz", "--verify", "/data/reference.npz",
            "--batch", batch, "--concurrency", concurrency, "--duration", f"{seconds}s", "--tolerance", settings.TOLERANCE,
            "--timeline", "/tmp/timeline.jsonl")

    def warm_up(self, seconds):
        self._finish(self._begin(seconds, settings.CONCURRENCY, settings.BATCH), seconds)

    def _begin(self, seconds, concurrency, batch):
        return subprocess.Popen(self._bench(seconds, concurrency, batch), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def _finish(self, child, seconds):
        try:
            output, errors = child.communicate(timeout=seconds + BENCH_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"the bench did not end within {seconds + BENCH_LIMIT_S} s.{self.coordinator.last_words()}") from None
        finally:
            child.kill()
            child.wait()
        if not output.strip():
            raise Failed(f"the bench ended with exit code {child.returncode} and no report: {errors.strip()}{self.coordinator.last_words()}")
        return json.loads(output)

    def measure(self, seconds, concurrency, batch=settings.BATCH, meanwhile=None):
        """One window: everything that is known of it, as a dictionary that a state file can hold.

        - meanwhile: called with the time at which the first request was sent, while requests go on.
        """
        status, network, host = self.status(), self._network(), HostCPU()
        child = self._begin(seconds, concurrency, batch)
        happened = None
        try:
            if meanwhile is not None:
                happened = meanwhile(self._sending_since(child))
            report = self._finish(child, seconds)
        finally:
            child.kill()
            child.wait()
        after, network_after = self.status(), self._network()
        if report["errors"] or report["mismatches"]:
            raise Failed(f"{report['errors']} errors and {report['mismatches']} wrong replies: {report.get('first_problem')}")
        begin, replies = read_timeline(self.client.execute("cat", "/tmp/timeline.jsonl"))
        end = begin + seconds
        busy = host.cores(begin, end)
        window = {
            "begin": begin, "seconds": seconds, "batch": batch, "concurrency": concurrency, "report": report, "replies": replies,
            "containers": {name: observed(container.stats, begin, end) for name, container in self.containers().items()},
            "monitor": self._monitor(begin, end), "host_cores": busy,
            "network": {name: [new - old for new, old in zip(network_after[name], network[name])] for name in network
                        if name in network_after},
            "links": link_rise(status["links"], after["links"]),
            "counters": {name: value - status["counters"].get(name, 0) for name, value in after["counters"].items()},
            "timing": timing_rise(status["nodes"], after["nodes"]),
            "plan": after["plan"],
        }
        return window if happened is None else {**window, **happened}

    def _sending_since(self, child):
        deadline = time.monotonic() + START_LIMIT_S
        # The file of the window before is there until the bench makes its own.
        asked = time.time()
        while time.monotonic() < deadline:
            text = subprocess.run(self.client.command("head", "-n", "1", "/tmp/timeline.jsonl"), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=30, check=False).stdout
            if text.endswith("\n") and json.loads(text)["started_unix_ms"] / 1e3 > asked - 1:
                return json.loads(text)["started_unix_ms"] / 1e3
            if child.poll() is not None:
                break
            time.sleep(0.1)
        raise Failed(f"the bench sent nothing within {START_LIMIT_S} s.{self.coordinator.last_words()}")

    def _network(self):
        return {name: container.network_bytes() for name, container in self.containers().items()}

    def _monitor(self, begin, end):
        """By node: means over the window of what its monitor said, and the last of its series for the plots."""
        if self.watch is None:
            raise Failed("what the monitors say is known only where the status is watched")
        found: dict[str, list[tuple]] = {}
        for at, status in list(self.watch.statuses):
            if not begin <= at <= end + 1:
                continue
            for node in status["nodes"]:
                network = node.get("network") or {}
                found.setdefault(node["name"], []).append((
                    at, node["cpu"]["used_cores"], node["memory"]["used_bytes"], node["memory"]["process_bytes"],
                    network.get("received_bytes"), network.get("sent_bytes")))
        result = {}
        for name, samples in found.items():
            # A sample looks back on a second, so the first one belongs half to what was before.
            inner = samples[1:] or samples
            result[name] = {"cores": sum(sample[1] for sample in inner) / len(inner),
                            "memory": sum(sample[2] for sample in inner) / len(inner),
                            "process": sum(sample[3] for sample in inner) / len(inner), "samples": len(inner)}
            if inner[0][4] is not None and len(inner) > 1:
                span = inner[-1][0] - inner[0][0]
                result[name]["received_per_s"] = (inner[-1][4] - inner[0][4]) / span
                result[name]["sent_per_s"] = (inner[-1][5] - inner[0][5]) / span
        return result

    # Times from the logs

    def start_times(self):
        """Seconds from each worker's container's start to its first line, and of the coordinator's way to serving."""
        log = self.events()
        began = self.coordinator.started_at()
        first, made, serves = (self._event(log, message) for message in ("coordinator started", "plan is made", "plan serves"))
        times = {"started_s": first.at - began, "planned_s": made.at - first.at, "deployed_s": serves.at - made.at,
                 "ready_s": serves.at - began, "workers_s": {}}
        for name, worker in self.workers.items():
            lines = [line for line in worker.log()[1].splitlines() if "worker started" in line]
            if lines:
                times["workers_s"][name] = moment(lines[0].split()[0]) - worker.started_at()
        return times

    @staticmethod
    def _event(log, message):
        event = log.first(message, 0)
        if event is None:
            raise Failed(f"the coordinator's log has no \"{message}\"")
        return event


class HostCPU(threading.Thread):
    """CPU seconds of the whole machine, once a second, and those that its hypervisor gave to others."""

    def __init__(self):
        super().__init__(name="host", daemon=True)
        self._ended = threading.Event()
        self._samples = [self._read()]
        self.start()

    def run(self):
        while not self._ended.wait(1):
            self._samples.append(self._read())

    @staticmethod
    def _read():
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        user, nice, system, _, _, interrupts, soft, stolen = fields
        # Hundredths of a second, whatever the kernel's own clock.
        return time.time(), (user + nice + system + interrupts + soft) / 100, stolen / 100

    def cores(self, begin, end):
        """Busy and stolen in the window, which has ended."""
        self._ended.set()
        samples = [*self._samples, self._read()]
        return [figures.rise([(sample[0], sample[index]) for sample in samples], begin, end) / (end - begin) for index in (1, 2)]


def read_timeline(text):
    """When the first request was sent, and of each reply: seconds since then, its latency, the wait for its dispatch, whether it was right,
    whether it came from the cache, how many of its micro-batches were sent again, and how much of the wait was for the inputs."""
    first, *lines = map(json.loads, text.splitlines())
    return first["started_unix_ms"] / 1e3, [
        [round(line["at_ms"] / 1e3, 4), round(line["latency_ms"], 3), round(line.get("queue_ms", 0), 4), int(line["ok"]),
         int(line.get("cached", False)), line["replays"], round(line.get("receive_ms", 0), 4)] for line in lines]


def observed(stats, begin, end):
    """Of a container in a window, by the engine: the CPU time, the memory, the bytes, and a series for the plots."""
    column = stats.column
    cpu = figures.rise(column(1), begin, end)
    memory = [(at, value) for at, value in column(2) if begin <= at <= end + 1]
    series = [[round(at - begin, 1), round(cores, 3)] for at, cores in figures.rates(column(1)) if begin - 1 <= at <= end + 1]
    return {
        "cpu_s": cpu, "cores": cpu / (end - begin), "memory_mean": figures.mean_between(memory, begin, end + 1),
        "memory_max": max((value for _, value in memory), default=None), "received": figures.rise(column(3), begin, end),
        "sent": figures.rise(column(4), begin, end), "periods": figures.rise(column(5), begin, end),
        "throttled": figures.rise(column(6), begin, end), "cores_series": series,
        "memory_series": [[round(at - begin, 1), value] for at, value in memory],
    }


def link_rise(before, after):
    """What each link carried meanwhile; a worker that was started again counts from 0."""
    known = {(link["from"], link["to"]): link for link in before}
    result = []
    for link in after:
        old = known.get((link["from"], link["to"]), {})
        rise = {name: link[name] - old.get(name, 0) if link[name] >= old.get(name, 0) else link[name]
                for name in ("messages", "raw_bytes", "wire_bytes")}
        result.append({"from": link["from"], "to": link["to"], "compressed_share": link["compressed_share"],
                       "bandwidth_bytes_per_second": link["bandwidth_bytes_per_second"], **rise})
    return result


def timing_rise(before, after):
    """Milliseconds of all micro-batches meanwhile, by node and part."""
    known = {node["name"]: node["timing"] for node in before}
    return {node["name"]: {part: value - known.get(node["name"], {}).get(part, 0) if isinstance(value, (int, float)) else value
                           for part, value in node["timing"].items()} for node in after}
