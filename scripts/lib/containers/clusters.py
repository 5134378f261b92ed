"""Clusters of containers for scripts: with Docker Compose or as a stack of a swarm, each gone without a trace at its end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from processes.local_cluster import ROOT, Failed

from .docker import docker, logs, succeeds

ENGINE_LIMIT_S = 60
#: A condition that is waited for: names are looked up every 5 s, then a worker is measured and a plan deployed.
WAIT_LIMIT_S = 120


Found = TypeVar("Found")


class Impossible(Exception):
    """This machine cannot run containers; the message says why."""


def wait_until(what: str, condition: Callable[[], Found], limit_s: float = WAIT_LIMIT_S) -> Found:
    """Until the condition gives something; returns that."""
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise Failed(f"not within {limit_s} s: {what}")
        # The command that asks loads libtorch: asked more often, it would be the load.
        time.sleep(1)
    return found


def install() -> None:
    """The packages of an engine, with apt, where something of it is missing and apt may be used."""
    if os.environ.get("AMP4EC_NO_PACKAGES") == "1" or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    if (Engine.answers() or shutil.which("dockerd")) and Compose.command() and shutil.which("debootstrap"):
        return
    install_them = ["apt-get", "install", "--yes", "-qq", "--no-install-recommends", "docker.io", "docker-compose", "debootstrap"]
    problem = ""
    for command in (install_them, ["apt-get", "update", "-qq"], install_them):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              timeout=600, check=False, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
        if done.returncode == 0 and command is install_them:
            return
        problem = done.stderr.strip()[-300:]
    raise Impossible(f"apt does not bring an engine: {problem}")


class Engine:
    """The Docker engine: the one that answers, else one that is started for the block, which needs root."""

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder)
        self._started: subprocess.Popen[bytes] | None = None

    @staticmethod
    def answers() -> bool:
        return succeeds("version", limit_s=60)

    def __enter__(self) -> Engine:
        if not shutil.which("docker"):
            raise Impossible("there is no docker command")
        if self.answers():
            return self
        if os.geteuid() != 0 or not shutil.which("dockerd"):
            raise Impossible("no Docker engine answers, and none can be started here (that needs root and dockerd)")
        # The engine would make the kernel drop what is forwarded between other networks if it found forwarding off.
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")
        with open(self._folder / "dockerd.log", "wb") as log:
            self._started = subprocess.Popen(["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + ENGINE_LIMIT_S
        while not self.answers():
            if self._started.poll() is not None or time.monotonic() > deadline:
                words = (self._folder / "dockerd.log").read_text(errors="replace").splitlines()[-1:]
                self.__exit__()
                raise Impossible(f"the Docker engine does not start: {' '.join(words)}")
            time.sleep(0.2)
        return self

    def __exit__(self, *_: object) -> None:
        if self._started is not None and self._started.poll() is None:
            self._started.send_signal(signal.SIGTERM)
            self._started.wait(ENGINE_LIMIT_S)

    @staticmethod
    def has_image(name: str) -> bool:
        return succeeds("image", "inspect", name)


class Cluster(ABC):
    """What Compose and a stack have in common. `folder` is a copy of compose/, which a test may change."""

    def __init__(self, folder: Path, name: str, ports: tuple[int, int]) -> None:
        self.folder, self.name, self.ports = folder, name, ports
        self.file = folder / "demo.yaml"
        self.environment = {**os.environ, "AMP4EC_MODELS": str(ROOT / ".models"), "AMP4EC_PORT": str(ports[0]),
                            "AMP4EC_HTTP_PORT": str(ports[1]), "COMPOSE_PROJECT_NAME": name}

    @abstractmethod
    def label(self, service: str) -> tuple[str, str]:
        """Name and value of the label by which the engine knows a service's containers."""

    @abstractmethod
    def filters(self) -> list[str]:
        """What narrows a list of containers to ours, where the label alone does not."""

    def containers(self, service: str, everything: bool = False) -> list[str]:
        """The ids of a service's containers, those that have ended only with `everything`."""
        key, value = self.label(service)
        return docker("ps", "--quiet", "--no-trunc", *(["--all"] if everything else []),
                    "--filter", f"label={key}={value}", *self.filters()).split()

    def inspect(self, containers: list[str]) -> list[dict[str, Any]]:
        return json.loads(docker("inspect", *containers)) if containers else []

    def healthy(self, service: str) -> list[dict[str, Any]]:
        return [one for one in self.inspect(self.containers(service)) if one["State"].get("Health", {}).get("Status") == "healthy"]

    def kill_one(self, service: str) -> str:
        """SIGKILL, as if its machine had lost power."""
        victim = self.containers(service)[0]
        docker("kill", victim)
        return victim[:12]

    def logs(self, service: str, lines: int = 15) -> str:
        text = ""
        for container in self.containers(service, everything=True):
            # Our programs log to standard error; what they print is a line at the start.
            text += f"\n  {service} {container[:12]}:\n" + "".join(logs(container, "--tail", lines))
        return text


class Compose(Cluster):
    """`docker compose`, else `docker-compose`."""

    def __init__(self, folder: Path, name: str, ports: tuple[int, int]) -> None:
        super().__init__(folder, name, ports)
        command = self.command()
        if command is None:
            raise Impossible("there is neither 'docker compose' nor 'docker-compose'")
        self._command = command

    @staticmethod
    def command() -> list[str] | None:
        for command in (["docker", "compose"], ["docker-compose"]):
            if succeeds("version", program=command):
                return command
        return None

    def _compose(self, *arguments: str) -> str:
        return docker("--file", self.file, *arguments, program=self._command, environment=self.environment)

    def label(self, service: str) -> tuple[str, str]:
        return "com.docker.compose.service", service

    def filters(self) -> list[str]:
        return ["--filter", f"label=com.docker.compose.project={self.name}"]

    def up(self, *services: str) -> None:
        self._compose("up", "--detach", *services)

    def bring_back(self) -> None:
        self.up()

    def scale(self, service: str, count: int) -> None:
        self._compose("up", "--detach", "--scale", f"{service}={count}")

    def stop(self) -> dict[str, int]:
        """SIGTERM to all; returns the exit code of each container that was running."""
        running = self.containers("coordinator") + self.containers("worker")
        # Workers are drained by a coordinator that lives.
        self._compose("stop", "worker")
        self._compose("stop")
        return {one["Name"].lstrip("/"): one["State"]["ExitCode"] for one in self.inspect(running)}

    def remove(self) -> None:
        self._compose("down", "--volumes", "--remove-orphans")


class Stack(Cluster):
    """`docker stack deploy` on a swarm of this one machine, which is made where there is none."""

    def __init__(self, folder: Path, name: str, ports: tuple[int, int]) -> None:
        super().__init__(folder, name, ports)
        self._made_swarm = False
        if docker("info", "--format", "{{.Swarm.LocalNodeState}}").strip() != "active":
            docker("swarm", "init", "--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1:2377")
            self._made_swarm = True

    def label(self, service: str) -> tuple[str, str]:
        return "com.docker.swarm.service.name", f"{self.name}_{service}"

    def filters(self) -> list[str]:
        return []

    def up(self, *_: str) -> None:
        """All services at once, in no order: a stack knows none."""
        docker("stack", "deploy", "--resolve-image", "never", "--compose-file", self.file,
             "--compose-file", self.folder / "swarm.yaml", self.name, environment=self.environment)

    def bring_back(self) -> None:
        """The swarm does that by itself."""

    def scale(self, service: str, count: int) -> None:
        docker("service", "scale", "--detach", f"{self.name}_{service}={count}")

    def stop(self) -> dict[str, int]:
        """A stack is not stopped, only removed: nothing is left to ask for exit codes."""
        return {}

    def remove(self) -> None:
        key, value = "com.docker.stack.namespace", self.name
        docker("stack", "rm", self.name)
        mine = ["--quiet", "--filter", f"label={key}={value}"]
        wait_until("the stack's containers are gone", lambda: not docker("ps", "--all", *mine).split())
        wait_until("the stack's networks are gone", lambda: not docker("network", "ls", *mine).split())
        # A volume is in use until its container's last trace is gone.
        wait_until("the stack's volumes are gone", lambda: self._remove_volumes(mine))
        if self._made_swarm:
            docker("swarm", "leave", "--force")
            # Made with the swarm, for the ports of its containers.
            docker("network", "rm", "docker_gwbridge")

    @staticmethod
    def _remove_volumes(mine: list[str]) -> bool:
        volumes = docker("volume", "ls", *mine).split()
        if volumes:
            succeeds("volume", "rm", *volumes)
        return not volumes
