"""A control group with a CPU quota, and a limit of memory where one is wanted (version 1 or 2), for a worker that is to believe in a machine of its own."""

import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PERIOD_US = 100_000
#: The kernel clears the last process away a moment after its end.
EMPTY_LIMIT_S = 5


class NoControlGroups(Exception):
    """This machine lets nobody limit CPU time; the message says why and what helps."""


class ControlGroup:
    def __init__(self, name: str, cores: float, comes_first: bool = False, memory_bytes: int | None = None) -> None:
        """
        - cores: the quota; the whole machine's cores limit nothing, and the usage is still counted by itself.
        - comes_first: the quota is to stop the processes in it, not other programs of this machine.
        - memory_bytes: what they may have in all; without it their memory is not looked at.
        """
        self.cores = cores
        is_v1 = self._is_v1 = (ROOT / "cpu" / "cgroup.procs").exists()
        controllers = ["cpu"] if memory_bytes is None else ["cpu", "memory"]
        # Version 1 counts the usage in a hierarchy of its own, often mounted with `cpu`.
        roots = {(ROOT / controller).resolve() for controller in (*controllers, "cpuacct")} if is_v1 else {ROOT}
        self.folders = [root / f"amp4ec-{os.getpid()}-{name}" for root in sorted(roots)]
        own = self.folders[0].name
        self._cpu = (ROOT / "cpu").resolve() / own if is_v1 else self.folders[0]
        try:
            for controller in controllers:
                if not is_v1 and controller not in (ROOT / "cgroup.subtree_control").read_text().split():
                    (ROOT / "cgroup.subtree_control").write_text(f"+{controller}")
            for folder in self.folders:
                folder.mkdir()
            self.set_quota(cores)
            if memory_bytes is not None:
                file = (ROOT / "memory").resolve() / own / "memory.limit_in_bytes" if is_v1 else self._cpu / "memory.max"
                file.write_text(str(memory_bytes))
                self._memory = file.parent
            if comes_first:
                (self._cpu / ("cpu.shares" if is_v1 else "cpu.weight")).write_text("8192" if is_v1 else "800")
        except OSError as error:
            self.remove()
            raise NoControlGroups(f"no control group with a CPU quota can be made ({error}): run it as root, outside a container") from None

    def set_quota(self, cores: float, period_us: int = PERIOD_US) -> None:
        quota = int(cores * period_us)
        if self._is_v1:
            (self._cpu / "cpu.cfs_period_us").write_text(str(period_us))
            (self._cpu / "cpu.cfs_quota_us").write_text(str(quota))
        else:
            (self._cpu / "cpu.max").write_text(f"{quota} {period_us}")
        self.cores = cores

    def enter(self) -> list[str]:
        """What to put before a command so that it runs in the group."""
        joins = " && ".join(f'echo $$ > "{folder}/cgroup.procs"' for folder in self.folders)
        return ["sh", "-c", f'{joins} && exec "$@"', "sh"]

    def throttled(self) -> tuple[int, int]:
        """Periods so far, and those in which the quota ran out."""
        counts = dict(line.split() for line in (self._cpu / "cpu.stat").read_text().splitlines())
        return int(counts["nr_periods"]), int(counts["nr_throttled"])

    def remove(self) -> None:
        deadline = time.monotonic() + EMPTY_LIMIT_S
        for folder in self.folders:
            while folder.exists():
                try:
                    folder.rmdir()
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)

    def memory_used_bytes(self) -> int:
        """Without the file pages that the kernel would give back."""
        usage = self._memory / ("memory.usage_in_bytes" if self._is_v1 else "memory.current")
        values = dict(line.split() for line in (self._memory / "memory.stat").read_text().splitlines())
        return int(usage.read_text()) - int(values.get("total_inactive_file", values.get("inactive_file", 0)))
