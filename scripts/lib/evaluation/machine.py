"""What the report says of the machine that it was measured on."""

import json
import os
import platform
import re
import subprocess
import time
from pathlib import Path

from containers.docker import docker


def _first(path, pattern):
    try:
        found = re.search(pattern, Path(path).read_text(), re.MULTILINE)
    except OSError:
        return None
    return found and found[1].strip()


def _revision(root):
    def git(*arguments):
        result = subprocess.run(["git", "-C", str(root), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True, timeout=30, check=False)
        return result.stdout.strip() if result.returncode == 0 else None

    revision = git("rev-parse", "HEAD")
    return None if revision is None else revision + ("-modified" if git("status", "--porcelain") else "")


def describe(root, image):
    """- image: what `docker image inspect` says of it."""
    server = json.loads(docker("version", "--format", "{{json .Server}}"))
    info = json.loads(docker("info", "--format", "{{json .}}"))
    labels = image["Config"].get("Labels") or {}
    memory = _first("/proc/meminfo", r"^MemTotal:\s+(\d+) kB")
    return {
        "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "cores": os.cpu_count(), "processor": _first("/proc/cpuinfo", r"^model name\s*:\s*(.+)$") or platform.machine(),
        "memory_mb": int(memory) // 1024 if memory else None, "kernel": platform.release(),
        "engine": server["Version"], "cgroup": info.get("CgroupVersion", "unknown"), "driver": info.get("CgroupDriver", "unknown"),
        "image": image["Id"].removeprefix("sha256:")[:12], "image_bytes": image["Size"],
        "image_revision": labels.get("org.opencontainers.image.revision", "unknown"), "revision": _revision(root),
        "load_before": os.getloadavg()[0],
    }
