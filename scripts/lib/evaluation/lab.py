"""Containers with limits and networks of their own, and what the engine and the kernel say of them once a second."""

import calendar
import http.client
import json
import os
import re
import socket
import threading
import time

from containers.docker import COMMAND_LIMIT_S, docker, logs
from containers.docker import command as docker_command
from processes.local_cluster import Failed

LABEL = "org.amp4ec.evaluation"
STATS_LIMIT_S = 30
#: How often the removal is tried before it is a failure.
REMOVALS = 10


def moment(text):
    """Seconds since 1970 of the engine's times, which have up to nine digits after the second."""
    found = re.match(r"(\d+-\d+-\d+T\d+:\d+:\d+)(\.\d+)?Z", text)
    if found is None:
        raise Failed(f"the engine gives a time as {text!r}")
    whole = calendar.timegm(time.strptime(found[1], "%Y-%m-%dT%H:%M:%S"))
    return whole + float(found[2] or 0)


def remove_all(owner):
    """Every container and network that this owner (a process id) made; also one that the engine was just about to make."""
    mine = ["--filter", f"label={LABEL}={owner}"]
    problem = None
    for _ in range(REMOVALS):
        containers, networks = docker("ps", "--all", "--quiet", *mine).split(), docker("network", "ls", "--quiet", *mine).split()
        if not containers and not networks:
            return
        try:
            if containers:
                docker("rm", "--force", "--volumes", *containers)
            if networks:
                docker("network", "rm", *networks)
        except Failed as failure:
            # One that went by itself meanwhile, or a network whose last container is still leaving it.
            problem = failure
            time.sleep(0.5)
    raise Failed(f"not everything could be removed (docker ps --all --filter label={LABEL}={owner}): {problem}")


def remove_orphans():
    """What runs left behind that were killed without a chance to clean up: their process is no more."""
    for kind in (["ps", "--all"], ["network", "ls"]):
        for line in docker(*kind, "--filter", f"label={LABEL}", "--format", f'{{{{.Label "{LABEL}"}}}}').split():
            if line.isdigit() and not os.path.exists(f"/proc/{line}"):
                remove_all(line)


def stats_socket():
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not host.startswith("unix://"):
        raise Failed(f"the engine's statistics are read from a socket of this machine, and DOCKER_HOST is {host}: unset it")
    return host.removeprefix("unix://")


class _Connection(http.client.HTTPConnection):
    """HTTP to the engine's socket."""

    def __init__(self, path):
        super().__init__("engine", timeout=STATS_LIMIT_S)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Stats(threading.Thread):
    """The engine's statistics of one container as they come, once a second, also after it was started again."""

    def __init__(self, container):
        super().__init__(name=f"stats of {container}", daemon=True)
        self._container, self._path = container, stats_socket()
        self._ended = threading.Event()
        #: (time, CPU seconds, memory bytes without the cache, received, sent, periods, throttled periods)
        self.samples = []
        self.start()

    def run(self):
        while not self._ended.is_set():
            connection = _Connection(self._path)
            try:
                connection.request("GET", f"/containers/{self._container}/stats?stream=true")
                response = connection.getresponse()
                while not self._ended.is_set() and (line := response.readline()):
                    self._take(json.loads(line))
            except (OSError, ValueError, http.client.HTTPException):
                # A container that ended or was removed; it may come back.
                pass
            finally:
                connection.close()
            self._ended.wait(0.5)

    def _take(self, sample):
        memory = sample.get("memory_stats", {})
        if sample["read"].startswith("0001") or "usage" not in memory:
            return
        parts = memory.get("stats", {})
        cache = parts.get("total_inactive_file", parts.get("inactive_file", 0))
        interfaces = sample.get("networks", {}).values()
        throttling = sample["cpu_stats"].get("throttling_data", {})
        self.samples.append((
            moment(sample["read"]), sample["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9, memory["usage"] - cache,
            sum(one["rx_bytes"] for one in interfaces), sum(one["tx_bytes"] for one in interfaces),
            throttling.get("periods", 0), throttling.get("throttled_periods", 0)))

    def column(self, index):
        return [(sample[0], sample[index]) for sample in list(self.samples)]

    def end(self):
        self._ended.set()


class Container:
    """One container, started; its statistics are read until it is removed."""

    def __init__(self, lab, name, command, cores=None, memory_mb=None, mounts=(), alias=None):
        self.name = f"{lab.name}-{name}"
        limits = []
        if cores is not None:
            # No swap: a node without memory is to fail, not to crawl.
            limits = ["--cpus", f"{cores:.4f}", "--memory", f"{memory_mb}m", "--memory-swap", f"{memory_mb}m"]
        binds = [part for host, inside in mounts for part in ("--volume", f"{host}:{inside}:ro")]
        # A health check would run beside the worker, on the worker's quota.
        docker("run", "--detach", "--name", self.name, "--label", f"{LABEL}={lab.owner}", "--no-healthcheck", "--network", lab.network,
               "--network-alias", alias or name, "--cap-drop", "ALL", *limits, *binds, lab.image, *command)
        lab.containers.append(self)
        self.stats = Stats(self.name)

    def inspect(self):
        return json.loads(docker("inspect", self.name))[0]

    @property
    def is_running(self):
        return self.inspect()["State"]["Running"]

    def started_at(self):
        return moment(self.inspect()["State"]["StartedAt"])

    def command(self, *command):
        return docker_command("exec", self.name, *command)

    def execute(self, *command, limit_s=COMMAND_LIMIT_S):
        return docker("exec", self.name, *command, limit_s=limit_s)

    def log(self):
        """Standard output and standard error since its first start."""
        return logs(self.name)

    def last_words(self):
        output, errors = self.log()
        return "".join(f"\n    {line}" for line in (output + errors).splitlines()[-6:])

    def network_bytes(self):
        """Received and sent on its interfaces by the kernel's own counters, loopback left out."""
        received = sent = 0
        for line in self.execute("cat", "/proc/net/dev").splitlines()[2:]:
            interface, _, counters = line.partition(":")
            fields = counters.split()
            if interface.strip() != "lo":
                received, sent = received + int(fields[0]), sent + int(fields[8])
        return received, sent

    def wait_for_line(self, prefix, limit_s):
        """The rest of the first line of its output that begins so."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            for line in self.log()[0].splitlines():
                if line.startswith(prefix):
                    return line[len(prefix):].strip()
            if not self.is_running:
                raise Failed(f"{self.name} ended instead of starting.{self.last_words()}")
            time.sleep(0.2)
        raise Failed(f"{self.name} did not say \"{prefix}\" within {limit_s:.0f} s.{self.last_words()}")


class Lab:
    """A network and its containers, as long as the block."""

    def __init__(self, image, owner, number):
        self.image, self.owner = image, owner
        self.name = f"amp4ec-evaluation-{owner}-{number}"
        self.network = self.name
        self.containers = []

    def __enter__(self):
        docker("network", "create", "--label", f"{LABEL}={self.owner}", self.network)
        return self

    def __exit__(self, *_):
        for container in self.containers:
            container.stats.end()
        remove_all(self.owner)
