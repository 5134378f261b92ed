"""Hosts on a network of their own: network namespaces joined by a bridge, and packets dropped between them.

The bridge lies in a namespace too, so nothing is made in the machine's own network: no address can clash, no firewall rule of the
machine applies, and deleting the namespaces removes everything.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

PREFIX = "amp4ec-chaos"
NETWORK = "10.77.0"
#: `ip` and `iptables` answer in milliseconds; more means that they hang.
COMMAND_LIMIT_S = 20


class Impossible(Exception):
    """This machine cannot make network namespaces; the message says why and what helps."""


def run(*command: str | Path) -> str:
    result = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, timeout=COMMAND_LIMIT_S, check=False)
    if result.returncode != 0:
        raise Impossible(f"'{' '.join(str(part) for part in command)}' failed: {result.stdout.strip()}")
    return result.stdout


class NetLab:
    """Namespaces `hub` (the bridge) and one for each host, gone with the block."""

    def __init__(self, hosts: list[str]) -> None:
        self.hosts = {name: f"{NETWORK}.{number + 1}" for number, name in enumerate(hosts)}
        self._id = f"{PREFIX}-{os.getpid()}"
        self._drops: set[tuple[str, str]] = set()

    def namespace(self, host: str) -> str:
        return f"{self._id}-{host}"

    def enter(self, host: str) -> list[str]:
        """What to put before a command so that it runs on `host`. nsenter, unlike `ip netns exec`, leaves /sys (with the cgroups) as it is."""
        return ["nsenter", f"--net=/run/netns/{self.namespace(host)}", "--"]

    def __enter__(self) -> NetLab:
        if os.geteuid() != 0:
            raise Impossible("network namespaces need root: run it as root (sudo)")
        missing = [tool for tool in ("ip", "iptables", "nsenter") if shutil.which(tool) is None]
        if missing:
            raise Impossible(f"{', '.join(missing)} not found: apt-get install iproute2 iptables util-linux")
        self._remove_leftovers()
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _make(self) -> None:
        hub = self.namespace("hub")
        run("ip", "netns", "add", hub)
        run("ip", "-n", hub, "link", "add", "bridge", "type", "bridge")
        run("ip", "-n", hub, "link", "set", "bridge", "up")
        for host, address in self.hosts.items():
            space = self.namespace(host)
            run("ip", "netns", "add", space)
            run("ip", "-n", hub, "link", "add", f"to-{host}", "type", "veth", "peer", "name", "eth0", "netns", space)
            run("ip", "-n", hub, "link", "set", f"to-{host}", "master", "bridge", "up")
            run("ip", "-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
            run("ip", "-n", space, "link", "set", "eth0", "up")
            run("ip", "-n", space, "link", "set", "lo", "up")
        # The first rule of a namespace loads modules; that must not happen in the middle of a fault.
        for host in self.hosts:
            run(*self.enter(host), "iptables", "-w", "-L", "INPUT", "-n")

    def drop(self, source: str, destination: str) -> None:
        """From now on nothing that `source` sends arrives at `destination`."""
        self._drops.add((source, destination))
        run(*self.enter(destination), "iptables", "-w", "-A", "INPUT", "-s", self.hosts[source], "-j", "DROP")

    def undrop(self, source: str, destination: str) -> None:
        self._drops.discard((source, destination))
        run(*self.enter(destination), "iptables", "-w", "-D", "INPUT", "-s", self.hosts[source], "-j", "DROP")

    def __exit__(self, *_: object) -> None:
        for host in [*self.hosts, "hub"]:
            self._delete(self.namespace(host))

    @staticmethod
    def _delete(space: str) -> None:
        # One that was never made is fine.
        subprocess.run(["ip", "netns", "del", space], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=COMMAND_LIMIT_S, check=False)

    def _remove_leftovers(self) -> None:
        """Those of a run that was killed: nobody else can."""
        folder = Path("/run/netns")
        for space in folder.iterdir() if folder.is_dir() else []:
            parts = space.name.split("-")
            if space.name.startswith(PREFIX + "-") and parts[2].isdigit() and not Path(f"/proc/{parts[2]}").exists():
                self._delete(space.name)
