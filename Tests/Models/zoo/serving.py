"""One network of the zoo: made and exported in a process of its own, served over three workers at O0 and O1, compared with plain PyTorch."""

import contextlib
import importlib
import json
import multiprocessing
import pathlib
import signal
import subprocess
import sys
import time

import numpy
import prepare

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts" / "lib"))
from processes import local_cluster  # noqa: E402
from processes.local_cluster import PRODUCTS, Failed, LocalCluster  # noqa: E402

WORKERS = 3
LEVELS = ("O0", "O1")
#: Items of each request: one alone, an odd few, and more than two micro-batches of the usual eight with some left over.
SIZES = (1, 7, 19)
#: Within this, a busy machine is no question of the network; what hangs ends with the network's limit.
PATIENCE_S = 600
#: Exit code of the programs for a model that they do not take.
BAD_MODEL = 65


class Refused(Exception):
    """The product does not take the network: by which of its parts, and in its words."""

    def __init__(self, by, words):
        super().__init__(words)
        self.by, self.words = by, words


class Wrong(Exception):
    """An answer that is not the network's."""


class TimedOut(Exception):
    pass


@contextlib.contextmanager
def limited(seconds):
    """Ends the block with `TimedOut` after that many seconds; what it started ends as for any exception."""

    def end(*_):
        raise TimedOut(f"not done within {seconds} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def prepared(network, folder):
    """Made, exported and asked in a process of its own: what crashes there ends nothing else."""
    # Imported here, so that the processes share it: transformers alone takes seconds.
    importlib.import_module(network.made_by.partition(":")[0])
    child = multiprocessing.get_context("fork").Process(target=prepare.write, args=(network, folder, SIZES))
    child.start()
    try:
        child.join()
    finally:
        child.kill()
        child.join()
    facts_file = folder / "facts.json"
    if child.exitcode != 0 or not facts_file.exists():
        raise Failed(f"the network was not made (exit code {child.exitcode}): {(folder / 'prepare.log').read_text().strip()[-2000:]}")
    facts = json.loads(facts_file.read_text())
    if "dull" in facts:
        raise Failed(f"the network proves nothing: {facts['dull']}")
    said = facts["export_said"]
    if "Traceback" in said:
        raise Failed(f"the exporter ended with a traceback: {said[-2000:]}")
    if facts["export_code"] != 0:
        words = [line.partition("error: ")[2] for line in said.splitlines() if "error: " in line]
        raise Refused("exporter", words[-1] if words else said.strip())
    return facts


def difference(got, wanted):
    """The largest difference as a part of the largest value; whole numbers and flags count by how many differ."""
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        raise Wrong(f"{got.dtype}{list(got.shape)} instead of {wanted.dtype}{list(wanted.shape)}")
    if not numpy.issubdtype(wanted.dtype, numpy.floating):
        return float((got != wanted).mean()) if wanted.size else 0.0
    got, wanted = got.astype(numpy.float64), wanted.astype(numpy.float64)
    if not (numpy.isfinite(got) == numpy.isfinite(wanted)).all():
        return float("inf")
    with numpy.errstate(invalid="ignore"):
        apart = numpy.where(got == wanted, 0, numpy.abs(got - wanted))
    return float(numpy.nan_to_num(apart).max() / max(numpy.abs(wanted[numpy.isfinite(wanted)]).max(), 1e-30)) if wanted.size else 0.0


def outputs_of(file, names):
    """The named outputs in an answer: an .npz."""
    with numpy.load(file) as answer:
        if sorted(answer.files) != sorted(names):
            raise Wrong(f"outputs {answer.files} instead of {names}")
        return [answer[name] for name in names]


def legal_cuts(folder):
    """Where the model may be cut, as the coordinator's kept profile has it."""
    for file in sorted((folder / "state" / "profiles").iterdir()):
        with contextlib.suppress(ValueError, KeyError, UnicodeDecodeError):
            analysis = json.loads(file.read_text())["analysis"]
            return len(analysis["layers"]), sum(1 for cut in analysis["cuts"][1:-1] if cut["isLegal"])
    return None, None


class Run:
    """A network under way; `facts` is what the table is written from."""

    def __init__(self, network, folder):
        self.network, self.folder = network, folder
        self.model = folder / "model.pt"
        self.facts = {}

    def go(self):
        self.facts.update(prepared(self.network, self.folder))
        with LocalCluster(self.folder, self.model, WORKERS) as cluster:
            for level, limit in zip(LEVELS, self.network.limits):
                self.facts[level] = self.serve(cluster, level, limit)
                cluster.stop_coordinator()
            self.facts["layers"], self.facts["legal_cuts"] = legal_cuts(self.folder)
            # Each ends with exit code 0, or this says so.
            cluster.stop()

    def serve(self, cluster, level, limit):
        try:
            # Limits of time that a busy machine would break are no question of the network.
            seconds = cluster.serve(
                "--optimize", level, "--state-dir", self.folder / "state", "--heartbeat-timeout", f"{PATIENCE_S}s", "--join-timeout", f"{PATIENCE_S}s")
        except Failed:
            self.started(cluster)
            raise
        status = cluster.status()
        plan, batching = status["plan"], status["model"]["batching"]
        found = {
            "start_seconds": seconds, "micro_batch": plan["micro_batch"], "batching": batching, "stages": len(plan["stages"]),
            "workers": len({name for stage in plan["stages"] for name in stage["replicas"]}), "reasons": plan["reasons"]}
        found["error"] = max(self.request(cluster, size) for size in SIZES)
        if level == "O0":
            found["equal_to_reference"] = self.equals_reference(plan["micro_batch"] if batching == "splittable" else None)
        failed = cluster.status()["counters"]["requests_failed"]
        if failed:
            raise Failed(f"at {level} the coordinator counts {failed} failed requests")
        if found["error"] > limit:
            raise Wrong(f"at {level} by {found['error']:.2g} of the largest value, and {limit:g} is allowed")
        return found

    def started(self, cluster):
        """Tells a refusal from a failure, where the coordinator ended in place of serving."""
        coordinator = cluster.coordinator
        if coordinator.is_running:
            return
        cluster.coordinator = None
        if coordinator.wait() == BAD_MODEL:
            words = [line.partition("error: ")[2] for line in coordinator.log.read_text().splitlines() if line.startswith("error: ")]
            raise Refused("coordinator", words[-1].replace(f"{self.model}: ", "") if words else "(no word)")

    def request(self, cluster, size):
        answer = self.folder / "answer.npz"
        try:
            cluster.ask("infer", "--deadline", f"{PATIENCE_S}s", "--input", self.folder / f"{size}.npz", "--output", answer)
        except Failed as failure:
            raise Refused(f"request of {size}", str(failure).partition("exit code ")[2]) from None
        names = self.facts["outputs"]
        pairs = zip(outputs_of(answer, names), outputs_of(self.folder / f"{size}.wanted.npz", names))
        return max(difference(got, wanted) for got, wanted in pairs)

    def equals_reference(self, micro_batch):
        """Whether the last answer is, bit for bit, what the whole model gives in one process for the same parts."""
        alone = self.folder / "reference.npz"
        command = [PRODUCTS / "amp4ec", "reference", "--model", self.model, "--input", self.folder / f"{SIZES[-1]}.npz", "--output", alone]
        command += ["--batch", str(micro_batch)] if micro_batch else []
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if ended.returncode != 0:
            raise Failed(f"amp4ec reference ended with exit code {ended.returncode}: {ended.stderr.strip()}")
        names = self.facts["outputs"]
        pairs = zip(outputs_of(alone, names), outputs_of(self.folder / "answer.npz", names))
        return all(a.tobytes() == b.tobytes() for a, b in pairs)


def judged(network, folder, limit_s):
    """What came of the network, and whether that is what the catalogue expects."""
    # Nothing else bounds a start: a network that takes long to measure is no failure, nor are processes that a busy machine lets stop late.
    local_cluster.START_LIMIT_S, local_cluster.STOP_LIMIT_S = limit_s, max(local_cluster.STOP_LIMIT_S, limit_s / 5)
    run, began = Run(network, folder), time.monotonic()
    result = {"name": network.name, "kind": network.kind, "verdict": "works", "by": None, "words": None}
    try:
        with limited(limit_s):
            run.go()
    except Refused as refusal:
        result.update(verdict="refused", by=refusal.by, words=refusal.words)
    except Wrong as wrong:
        result.update(verdict="wrong", words=str(wrong))
    except TimedOut as late:
        result.update(verdict="late", words=str(late))
    except (Failed, OSError, ValueError) as failure:
        result.update(verdict="failed", words=str(failure))
    expected = "works" if network.refused is None else "refused"
    result["as_expected"] = result["verdict"] == expected and (network.refused is None or network.refused in result["words"])
    return {**result, **run.facts, "seconds": time.monotonic() - began}


def programs():
    """The files whose change makes old results worthless."""
    return [PRODUCTS / name for name in ("amp4ec", "amp4ec-worker", "amp4ec-coordinator")]
