"""A control group with a CPU quota (version 1 or 2), for a worker that is to believe in a machine of its own."""

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
    def __init__(self, name, cores, comes_first=False):
        """
        - cores: the quota; the whole machine's cores limit nothing, and the usage is still counted by itself.
        - comes_first: the quota is to stop the processes in it, not other programs of this machine.
        """
        is_v1 = (ROOT / "cpu" / "cgroup.procs").exists()
        # Version 1 counts the usage in a hierarchy of its own, often mounted with `cpu`.
        roots = {(ROOT / controller).resolve() for controller in ("cpu", "cpuacct")} if is_v1 else {ROOT}
        self.folders = [root / f"amp4ec-{os.getpid()}-{name}" for root in sorted(roots)]
        self._cpu = (ROOT / "cpu").resolve() / self.folders[0].name if is_v1 else self.folders[0]
        self._is_v1 = is_v1
        try:
            if not is_v1 and "cpu" not in (ROOT / "cgroup.subtree_control").read_text().split():
                (ROOT / "cgroup.subtree_control").write_text("+cpu")
            for folder in self.folders:
                folder.mkdir()
            if is_v1:
                (self._cpu / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            self.set_cores(cores)
            if comes_first:
                (self._cpu / ("cpu.shares" if is_v1 else "cpu.weight")).write_text("8192" if is_v1 else "800")
        except OSError as error:
            self.remove()
            raise NoControlGroups(f"no control group with a CPU quota can be made ({error}): run it as root, outside a container") from None

    def set_cores(self, cores):
        """Also while processes run in it."""
        quota = int(cores * PERIOD_US)
        if self._is_v1:
            (self._cpu / "cpu.cfs_quota_us").write_text(str(quota))
        else:
            (self._cpu / "cpu.max").write_text(f"{quota} {PERIOD_US}")

    def enter(self):
        """What to put before a command so that it runs in the group."""
        joins = " && ".join(f'echo $$ > "{folder}/cgroup.procs"' for folder in self.folders)
        return ["sh", "-c", f'{joins} && exec "$@"', "sh"]

    def throttled(self):
        """Periods so far, and those in which the quota ran out."""
        counts = dict(line.split() for line in (self._cpu / "cpu.stat").read_text().splitlines())
        return int(counts["nr_periods"]), int(counts["nr_throttled"])

    def remove(self):
        deadline = time.monotonic() + EMPTY_LIMIT_S
        for folder in self.folders:
            while folder.exists():
                try:
                    folder.rmdir()
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
