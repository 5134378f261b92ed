"""What is measured: the paper's profiles, scenarios and figures, the one factor that fits them to this machine, and the times."""

from dataclasses import dataclass, field
from typing import Any

#: CPU and memory of the paper's Table II. Memory is never scaled: a smaller processor does not make a model smaller.
PROFILES = {"high": (1.0, 1024), "medium": (0.6, 512), "low": (0.4, 512)}
MONOLITHS = {2: 2048, 3: 3072, 1: 1024}

#: Tables I and II of the paper, and what its text claims.
PAPER: dict[str, Any] = {
    "monolith": {"latency_ms": 1082.53, "requests_per_second": 0.96, "cpu_percent": 0.00056, "memory_mb": 0.625, "network_mb": 0.0,
                 "communication_ms": 0.0, "stability": 1.0, "scheduling_ms": 0.0},
    "cluster": {"latency_ms": 605.32, "requests_per_second": 5.01, "cpu_percent": 0.0034, "memory_mb": 1.625, "network_mb": 100.0,
                "communication_ms": -37.41, "stability": 0.95, "scheduling_ms": 10.0},
    "cache": {"latency_ms": 234.56, "requests_per_second": 5.07, "cpu_percent": 0.0034, "memory_mb": 1.625, "network_mb": 100.0,
              "communication_ms": -37.41, "stability": 0.95, "scheduling_ms": 10.0},
    "profiles": {"high": 234.56, "medium": 389.27, "low": 583.91},
    "latency_change": -0.7835, "throughput_change": 4.1473, "monitoring_share": 0.01,
}

BATCH = 32
#: Requests that are under way at once where throughput is measured.
CONCURRENCY = 3
#: Small ones, where the gap in the replies is: of requests of 32 on slow workers only one or two end in a second.
LOSS_BATCH, LOSS_CONCURRENCY = 4, 8
#: More than all results of the bench's distinct batches together.
CACHE_SIZE = "64MiB"
#: Replies are compared with the whole model as saved; optimised partitions differ from it by up to 1e-4 of the largest value, or a
#: little more where the value is small.
TOLERANCE = 0.001


@dataclass(frozen=True)
class Cell:
    """One row that is measured in each repeat."""

    name: str
    kind: str
    title: str
    #: Names of the workers and their profiles.
    nodes: dict = field(default_factory=dict)
    #: The paper's cores of a monolith.
    cores: int = 0
    arguments: tuple = ()
    coordinator: tuple = ()


def _cluster(name, title, *profiles, **more):
    names = [profile if profiles.count(profile) == 1 else f"{profile}-{profiles[:index].count(profile) + 1}"
             for index, profile in enumerate(profiles)]
    return Cell(name, more.pop("kind", "cluster"), title, dict(zip(names, profiles)), **more)


STANDARD = ("high", "medium", "low")
CELLS = [
    _cluster("standard", "standard: high, medium, low", *STANDARD),
    _cluster("scale-up", "scale-up: high, high, medium, low", "high", "high", "medium", "low"),
    _cluster("scale-down", "scale-down: high, medium", "high", "medium"),
    _cluster("high", "high alone", "high"),
    _cluster("medium", "medium alone", "medium"),
    _cluster("low", "low alone", "low"),
    _cluster("cache", "standard, result cache on", *STANDARD, coordinator=("--result-cache", CACHE_SIZE)),
    _cluster("loss", "standard, a node lost and back", *STANDARD, kind="loss"),
    _cluster("idle", "standard, without requests", *STANDARD, kind="idle"),
    _cluster("together-standard", "the nodes of standard, each with the whole model, alone and all at once", *STANDARD, kind="together"),
]
for _cores in (2, 3, 1):
    CELLS += [
        Cell(f"eager-{_cores}", "monolith", f"monolith of {_cores} cores, eager, malloc as it is", cores=_cores,
             arguments=("--optimize", "O0", "--default-allocator")),
        Cell(f"optimised-{_cores}", "monolith", f"monolith of {_cores} cores, optimised, allocator tuned", cores=_cores),
        Cell(f"cut-{_cores}", "monolith", f"monolith of {_cores} cores, optimised, requests cut into fours", cores=_cores,
             arguments=("--micro-batch", "4")),
    ]
BY_NAME = {cell.name: cell for cell in CELLS}
#: The paper's baseline of each scenario.
BASELINE = {"standard": 2, "scale-up": 3, "scale-down": 1}
SHORT = ["standard", "high", "cache", "loss", "idle", "eager-2", "optimised-2"]


@dataclass(frozen=True)
class Times:
    """All in seconds."""

    window: int
    warm_up: int
    #: A measurement without requests.
    idle: int
    #: The run in which a node is lost, after how long, and when it is started again.
    loss: int
    kill_at: int
    return_at: int
    #: The time for which one node, or all, compute before the next, and how often each does.
    slice: int
    rounds: int

    def expected(self, cell):
        """About how long the cell takes, with starting and ending everything."""
        if cell.kind == "monolith":
            # Three runs come before the warm-up, of which an eager one takes many seconds.
            return 35 + self.warm_up + self.window
        if cell.kind == "idle":
            return 45 + 2 * self.idle
        if cell.kind == "loss":
            return 30 + self.warm_up + self.loss
        if cell.kind == "together":
            return 20 + (len(cell.nodes) + 1) * self.rounds * (self.slice + 2)
        return 40 + self.warm_up + 2 * self.window

    def limit(self, cell):
        """After this the cell has failed, whatever it waits for."""
        return 3 * self.expected(cell) + 120


FULL_TIMES = Times(window=60, warm_up=15, idle=30, loss=75, kill_at=20, return_at=40, slice=5, rounds=3)
SHORT_TIMES = Times(window=15, warm_up=3, idle=8, loss=24, kill_at=6, return_at=12, slice=4, rounds=1)


def factor(host_cores):
    """What all CPU limits are multiplied by, so that a core is left for coordinator, client and the engine, and no limit is above what the
    host has. A machine of four cores or more runs the paper's own limits."""
    largest = max([sum(PROFILES[profile][0] for profile in cell.nodes.values()) for cell in CELLS] + list(MONOLITHS))
    return round(min(1.0, max(host_cores - 1, 0.5) / largest), 4)


def limits(profile, scale):
    """The cores and MiB of a worker's container."""
    cores, memory = PROFILES[profile]
    return round(cores * scale, 4), memory


def monolith_limits(cores, scale):
    return round(cores * scale, 4), MONOLITHS[cores]


def monolith_arguments(cell, scale):
    """As many threads as whole cores, at least one; a cut request has them run its parts, one thread for each."""
    threads = max(1, int(monolith_limits(cell.cores, scale)[0]))
    split = "--executors" if "--micro-batch" in cell.arguments else "--threads"
    return [*cell.arguments, split, str(threads)]


def chosen(names):
    """The cells by name, in the order of this file; an unknown one is a mistake."""
    for name in names:
        if name not in BY_NAME:
            raise ValueError(f"there is no scenario \"{name}\"; there are {', '.join(BY_NAME)}")
    return [cell for cell in CELLS if cell.name in names]
