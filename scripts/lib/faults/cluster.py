"""A cluster of real processes over a `NetLab`: a worker on each host, coordinator and client on one of their own."""

import signal
import time

from load.verified_load import Load
from processes.coordinator_log import CoordinatorLog
from processes.local_cluster import Failed, Process

COORDINATOR = "coordinator"
PORT = 9000
#: Between two looks at logs and replies: short against everything that is measured.
LOOK_S = 0.02
#: After a fault the cluster is whole again within this time, or the run has failed. A link that was cut may rest for some seconds first.
WHOLE_LIMIT_S = 60
#: The log's times are cut to milliseconds.
LOG_RESOLUTION_S = 0.002


def now():
    """As the logs and the replies have it."""
    return time.time()


class ChaosCluster:
    def __init__(self, lab, groups, products, folder, model, workers, deadline):
        #: Of each worker; empty where the machine has none.
        self.groups = groups
        self.lab, self.products, self.folder, self.model = lab, products, folder, model
        self.names = workers
        self.expected = set(workers)
        self.processes: dict[str, Process] = {}
        self.coordinator: Process | None = None
        self._log: CoordinatorLog | None = None
        self.load: Load | None = None
        #: Until when all of the run must be over, on the monotonic clock.
        self.deadline = deadline
        self._started = 0

    @property
    def address(self):
        return f"{self.lab.hosts[COORDINATOR]}:{PORT}"

    @property
    def log(self) -> CoordinatorLog:
        """Of the coordinator that was started last."""
        if self._log is None:
            raise Failed("no coordinator was started, so there is no log of one")
        return self._log

    # Processes.

    def _start(self, name, host, command):
        self._started += 1
        return Process(f"{name}-{self._started}", [*self.lab.enter(host), *command], self.folder)

    def start_worker(self, name, *options):
        """Returns when it listens, with the time."""
        group = self.groups[name].enter() if name in self.groups else []
        process = self._start(name, name, [
            *group, self.products / "amp4ec-worker", "--name", name, "--listen", f"{self.lab.hosts[name]}:{PORT}", "--executors", "1",
            "--cache-dir", self.folder / f"cache-{name}", *options])
        self.processes[name] = process
        process.wait_for("listening on ")
        self.expected.add(name)
        return now()

    def start_coordinator(self):
        addresses = ",".join(f"{self.lab.hosts[name]}:{PORT}" for name in self.names)
        self.coordinator = self._start(COORDINATOR, COORDINATOR, [
            self.products / "amp4ec-coordinator", "--workers", addresses, "--listen", self.address, "--model", self.model,
            "--micro-batch", "4",
            # Other programs on this machine are no reason to leave a worker out.
            "--maximum-load", "1"])
        self.coordinator.wait_for("listening on ")
        self._log = CoordinatorLog(self.coordinator.log)

    def start(self):
        for name in self.names:
            self.start_worker(name)
        self.start_coordinator()
        self.wait_whole()

    def kill_worker(self, name):
        self.expected.discard(name)
        self.processes.pop(name).kill()

    def terminate_worker(self, name):
        """SIGTERM; returns its exit code once it has drained and ended."""
        self.expected.discard(name)
        process = self.processes.pop(name)
        process.signal()
        return process.wait()

    def kill_coordinator(self):
        if self.coordinator is not None:
            self.coordinator.kill()
            self.coordinator = None

    def start_load(self, name, items, reference, batch, concurrency, seed):
        load = self.load = Load(self.products, self.folder, name, self.lab.enter(COORDINATOR), self.address, items, reference, batch,
                                concurrency, seed)
        self.wait("the first replies", lambda: len(load.replies) >= concurrency)

    def finish_load(self):
        load, self.load = self.load, None
        if load is None:
            raise Failed("no load was started")
        try:
            return load.finish()
        except BaseException:
            load.kill()
            raise

    def stop(self):
        """SIGTERM to all; each must end with exit code 0."""
        running = [*self.processes.values(), *([self.coordinator] if self.coordinator else [])]
        self.processes, self.coordinator = {}, None
        for process in reversed(running):
            process.signal()
        problems = []
        for process in reversed(running):
            code = process.wait()
            if code != 0:
                problems.append(f"{process.name} ended with exit code {code} on SIGTERM.{process.last_words()}")
        if problems:
            raise Failed("\n".join(problems))

    def kill_all(self):
        """Whatever is still there, stopped ones too."""
        for process in [self.load, self.coordinator, *self.processes.values()]:
            if process is not None:
                process.kill()
        self.load, self.coordinator, self.processes = None, None, {}

    # Conditions.

    def look(self):
        if self._log is not None:
            self._log.poll()
        if self.load is not None:
            self.load.poll()

    def wait(self, what, condition, limit_s=WHOLE_LIMIT_S):
        """Until the condition is true; returns what it gave."""
        end = time.monotonic() + limit_s
        while True:
            self.look()
            value = condition()
            if value:
                return value
            if time.monotonic() > self.deadline:
                raise Failed(f"the run's own time limit has passed while waiting: {what}")
            if time.monotonic() > end:
                raise Failed(f"not within {limit_s} s: {what}.{self.coordinator.last_words() if self.coordinator else ''}")
            time.sleep(LOOK_S)

    def wait_whole(self):
        """All ready, in one plan that serves, and replies since; returns the time."""
        expected = set(self.expected)
        self.wait(f"{', '.join(sorted(expected))} ready and a plan that serves", lambda: self.log.is_whole(expected))
        whole = now()
        if (load := self.load) is not None:
            self.wait("a reply", lambda: load.replies and load.replies[-1]["at"] > whole)
        return whole

    def event(self, what, message, after, **facts):
        """Waits for a line of the coordinator's log; returns its time."""
        return self.wait(what, lambda: self.log.first(message, after - LOG_RESOLUTION_S, **facts)).at

    def served(self, what, after, having=(), lacking=()):
        return self.wait(what, lambda: self.log.served(after - LOG_RESOLUTION_S, having, lacking))

    def signal_worker(self, name, number):
        self.processes[name].send(number)

    def freeze(self, process):
        process.send(signal.SIGSTOP)

    def thaw(self, process):
        process.send(signal.SIGCONT)

    def route(self):
        """The nodes of the plan that serves, in the order of its stages."""
        if self.log.serving is None:
            raise Failed("no plan serves yet")
        return list(self.log.serving[1])
