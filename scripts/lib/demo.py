"""Photos in, labels out, over three worker processes; every claim that it prints is checked. See scripts/demo --help."""

import io
import itertools
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from processes.local_cluster import ROOT, Failed, LocalCluster, amp4ec

WORKERS = 3
#: Sent at once: far more than the three stages hold, so that requests wait, overtake and are joined again.
REQUESTS = 48
#: The stream in which a worker dies, and the one in which it comes back, last about this long at the rate that the machine has just
#: shown: to see the worker at work, and later to plan it in, takes a second or two on any machine.
STREAM_S = 2.5
#: Photos of such a stream: enough that all stages have some under way; at most what the coordinator holds for all clients, with room to spare.
STREAM_LEAST, STREAM_MOST = 72, 900
#: The worker in the middle: its work comes from one worker and goes to another.
VICTIM = "w2"
TOP = 5
#: Largest difference of a probability, as a share of the one that the whole model gives.
TOLERANCE = 1e-3
#: The weights of the partitions together, against the model's.
WEIGHT_TOLERANCE = 0.01
EXAMPLES = ROOT / "examples" / "python"
#: Without these the demo would agree with itself and still be wrong.
EXPECTED = {"grace_hopper.jpg": "military uniform"}


def size(count):
    if count < 1024:
        return f"{count:.0f} B"
    return f"{count / 1024:.1f} KiB" if count < 1024 * 1024 else f"{count / 1024 / 1024:.1f} MiB"


def heading(text):
    print(f"\n{text}")


def table(head, rows):
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        print("  " + "   ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def check(condition, problem):
    if not condition:
        raise Failed(problem)


def run(*command):
    """What a program prints."""
    result = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    check(result.returncode == 0, f"{command[0]} ended with exit code {result.returncode}: {(result.stdout + result.stderr).strip()}")
    return result.stdout


class Demo:
    def __init__(self, cluster, model, photos):
        self.cluster, self.model, self.photos = cluster, model, photos
        self.reference = {}
        #: Photos of one stream.
        self.stream_length = STREAM_LEAST

    def show_plan(self, seconds):
        status = self.cluster.status()
        plan, model = status["plan"], status["model"]
        nodes = {node["name"]: node for node in status["nodes"]}
        layers = plan["stages"][-1]["last_layer"] + 1
        heading(f"Plan, made and deployed in {seconds:.1f} s: {model['name']}, {layers} layers, {size(model['weight_bytes'])} of weights")
        rows, held = [], 0
        for number, stage in enumerate(plan["stages"]):
            node = nodes[stage["replicas"][0]]
            # Beside it a node may hold what it will need when another is lost.
            layers_there = f"{stage['first_layer']}..<{stage['last_layer'] + 1}"
            loaded = [partition for partition in node["partitions"] if partition["layers"] == layers_there]
            check(len(stage["replicas"]) == 1 and len(loaded) == 1, f"node {node['name']} does not hold layers {layers_there}")
            held += loaded[0]["weight_bytes"]
            rows.append([
                str(number), f"{stage['first_layer']}–{stage['last_layer']}", node["name"], f"pid {self.pid(node['name'])}",
                size(loaded[0]["weight_bytes"]), size(stage["input_bytes"] / plan["micro_batch"])])
        table(["stage", "layers", "node", "process", "weights there", "bytes in per photo"], rows)
        check(len(plan["stages"]) == WORKERS, f"the plan has {len(plan['stages'])} stages, not {WORKERS}")
        check(abs(held - model["weight_bytes"]) <= WEIGHT_TOLERANCE * model["weight_bytes"],
              f"the stages have {held} bytes of weights together, but the model has {model['weight_bytes']}")
        print(f"  Each worker runs only its own part; together {size(held)}.")

    def pid(self, name):
        return next(worker.pid for worker in self.cluster.workers if worker.name == name)

    def run_reference(self):
        """The whole model as saved, in one process, without the cluster."""
        results = amp4ec("reference", "--model", self.model, "--json", "--top", TOP, *self.photos)["results"]
        self.reference = {result["file"]: result["labels"] for result in results}
        # The largest of the children that have ended; it has been the only one so far.
        self.reference_bytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024

    def difference(self, result):
        """The largest relative difference of the best labels' probabilities; fails where a label differs."""
        wanted = self.reference[result["file"]]
        name = Path(result["file"]).name
        check([label["label"] for label in result["labels"]] == [label["label"] for label in wanted],
              f"{name}: the workers say {result['labels']}, the whole model in one process says {wanted}")
        worst = max(abs(a["score"] - b["score"]) / b["score"] for a, b in zip(result["labels"], wanted))
        check(worst <= TOLERANCE, f"{name}: a probability is off by {worst:.2%} of its value, allowed are {TOLERANCE:.1%}")
        return worst

    def show_photos(self):
        heading("Photos: the best label over three workers, and of the whole model in one process")
        rows, worst = [], 0.0
        for result in self.cluster.ask("infer", "--top", TOP, *self.photos)["results"]:
            name, best, wanted = Path(result["file"]).name, result["labels"][0], self.reference[result["file"]][0]
            rows.append([name, f"{best['label']} {best['score']:.2%}", f"{wanted['label']} {wanted['score']:.2%}"])
            worst = max(worst, self.difference(result))
            expected = EXPECTED.get(name)
            check(expected in (None, best["label"]), f"{name} is labelled \"{best['label']}\", not \"{expected}\"")
        table(["photo", "three workers", "one process"], rows)
        print(f"  Equal: the same {TOP} best labels for each; probabilities differ by at most {worst:.5%} of their value"
              f" (allowed {TOLERANCE:.1%}).")

    def show_http(self):
        """One photo, asked for as people do who have nothing of ours."""
        address, photo = self.cluster.http, self.photos[0]
        wanted = self.reference[photo][0]["label"]
        heading("The same over HTTP (the Open Inference Protocol)")
        url = f"http://{address}/v2/models/{Path(self.model).stem}/infer"
        if shutil.which("curl"):
            answer = json.loads(run("curl", "-sS", "-H", "Content-Type: image/jpeg", "--data-binary", f"@{photo}", url))
            check("error" not in answer, f"curl is told: {answer}")
            score, _, label = answer["outputs"][0]["data"][0].split(":", 2)
            check(label == wanted, f"curl is told that {Path(photo).name} is \"{label}\", not \"{wanted}\"")
            print(f"  curl -H 'Content-Type: image/jpeg' --data-binary @{Path(photo).name} {url}\n    {label} {float(score):.2%}")
        python = os.environ.get("AMP4EC_DEMO_PYTHON")
        if python:
            said = run(python, EXAMPLES / "picture.py", "--url", address, photo).strip()
            check(said.startswith(f"{Path(photo).name}: {wanted} "), f"examples/python/picture.py says: {said}")
            print(f"  python examples/python/picture.py --url {address} {Path(photo).name}\n    {said}")
        print(f"  While this runs, the cluster is to be seen at http://{address}/")

    def send_many(self, heading_text):
        """Sends `REQUESTS` photos at once and shows what came back and what it cost on each link."""
        heading(heading_text)
        files = [self.photos[number % len(self.photos)] for number in range(REQUESTS)]
        before = self.cluster.status()
        began = time.monotonic()
        results = self.cluster.ask("infer", "--top", TOP, *files)["results"]
        seconds = time.monotonic() - began
        after = self.cluster.status()
        check([result["file"] for result in results] == files, f"{len(results)} of {REQUESTS} requests were answered")
        for result in results:
            self.difference(result)
        counted = {name: after["counters"][name] - before["counters"][name] for name in after["counters"]}
        check(counted["requests_completed"] == REQUESTS and counted["requests_failed"] == 0,
              f"the coordinator counts {counted['requests_completed']} completed and {counted['requests_failed']} failed")
        print(f"  {REQUESTS} sent, {len(results)} answered, 0 failed, in {seconds:.1f} s; every answer equals the one process's.")
        self.stream_length = min(max(STREAM_LEAST, round(STREAM_S * REQUESTS / seconds)), STREAM_MOST)
        return self.show_links(before, after)

    def show_links(self, before, after):
        earlier = {(link["from"], link["to"]): link for link in before["links"]}
        route = ["coordinator", *(stage["replicas"][0] for stage in after["plan"]["stages"]), "coordinator"]
        later = {(link["from"], link["to"]): link for link in after["links"]}
        rows, totals = [], [0, 0]
        for pair in itertools.pairwise(route):
            check(pair in later, f"the status shows no link {pair[0]} → {pair[1]}")
            values = [later[pair][key] - earlier.get(pair, {}).get(key, 0) for key in ("messages", "raw_bytes", "wire_bytes")]
            check(values[0] > 0, f"nothing went over the link {pair[0]} → {pair[1]}")
            totals = [totals[0] + values[1], totals[1] + values[2]]
            rows.append([f"{pair[0]} → {pair[1]}", str(values[0]), size(values[1]), size(values[2]), f"{values[2] / values[1]:.0%}"])
        rows.append(["all", "", size(totals[0]), size(totals[1]), f"{totals[1] / totals[0]:.0%}"])
        table(["link", "messages", "raw", "on the wire", "wire / raw"], rows)
        return totals

    def stream(self):
        """Sends `stream_length` photos in the background."""
        self.streamed = [self.photos[number % len(self.photos)] for number in range(self.stream_length)]
        return self.cluster.begin("infer", "--top", TOP, *self.streamed)

    def check_stream(self, run, before):
        """What came back: answers, wrong ones, and how the coordinator's counters have moved."""
        results = run.result()["results"]
        wrong = 0
        for result in results:
            try:
                self.difference(result)
            except Failed as failure:
                print(f"  wrong: {failure}")
                wrong += 1
        after = self.cluster.status()["counters"]
        moved = {name: after[name] - before["counters"][name] for name in after}
        check([result["file"] for result in results] == self.streamed, f"{len(results)} of {self.stream_length} requests were answered")
        check(moved["requests_completed"] == self.stream_length and moved["requests_failed"] == 0,
              f"the coordinator counts {moved['requests_completed']} completed and {moved['requests_failed']} failed")
        return len(results), wrong, moved

    def kill_with_work(self, run):
        """SIGKILL while micro-batches are on the victim and a third of the stream is still to come, so that they cannot all end before it."""
        while True:
            check(run.is_running, f"all {self.stream_length} photos were answered before {VICTIM} was seen at work; "
                  "the machine is busy with something else: try again")
            status = self.cluster.quick_status()
            load = next(node["load"] for node in status["nodes"] if node["name"] == VICTIM)
            if load > 0 and status["requests_in_flight"] >= self.stream_length // 3:
                self.cluster.worker(VICTIM).kill()
                return load

    def replan(self, event, since):
        """Milliseconds from the line about the victim to the plan that serves after it, by the coordinator's log."""
        lines = [line for line in self.cluster.coordinator.log_lines() if line[0] >= since]
        began = next((time for time, text in lines if text.startswith(event) and f"node={VICTIM}" in text), None)
        if began is None:
            raise Failed(f"the coordinator's log says nothing of \"{event}\" for {VICTIM}")
        served = next((time for time, text in lines if time >= began and text.startswith("plan serves")), None)
        if served is None:
            raise Failed(f"no plan serves after \"{event}\"")
        return (served - began) * 1000

    @staticmethod
    def stages(status):
        return " → ".join(f"{stage['first_layer']}–{stage['last_layer']} on {'+'.join(stage['replicas'])}"
                          for stage in status["plan"]["stages"])

    def lose_and_regain(self):
        """One worker is killed in the middle of a stream, and comes back in the middle of another."""
        heading(f"SIGKILL of {VICTIM} while {self.stream_length} photos are being classified")
        before, since = self.cluster.status(), time.time()
        run = self.stream()
        held = self.kill_with_work(run)
        print(f"  killed with {held} micro-batches under way on it")
        two = self.cluster.wait_for_status("two workers serve", lambda status: self.serves(status, WORKERS - 1))
        answered, wrong, lost = self.check_stream(run, before)
        check(lost["micro_batches_replayed"] > 0, "nothing was replayed, though the worker had work")
        lost_ms = self.replan("node is lost", since)
        print(f"  the answers went on; plan over two workers after {lost_ms:.0f} ms: {self.stages(two)}")

        heading(f"{VICTIM} is started again while {self.stream_length} more are being classified")
        before, since = self.cluster.status(), time.time()
        run = self.stream()
        self.cluster.restart_worker(VICTIM)
        three = self.cluster.wait_for_status("three workers serve", lambda status: self.serves(status, WORKERS))
        more, wrong_later, back = self.check_stream(run, before)
        back_ms = self.replan("node is ready", since)
        print(f"  plan over three workers {back_ms:.0f} ms after it answered: {self.stages(three)}")

        heading("Summary")
        table(["", "requests sent", "answered", "lost", "wrong", "replayed micro-batches", "new plan after"], [
            [what, *(str(count) for count in (self.stream_length, right, self.stream_length - right, bad, counters["micro_batches_replayed"])),
             f"{took_ms:.0f} ms"]
            for what, right, bad, counters, took_ms in (
                ("worker killed", answered, wrong, lost, lost_ms), ("worker back", more, wrong_later, back, back_ms))])
        check(wrong + wrong_later == 0, f"{wrong + wrong_later} answers are not what the whole model gives")

    @staticmethod
    def serves(status, count):
        return (status["state"] == "serving" and len(status["plan"]["stages"]) == count
                and sum(node["state"] == "ready" for node in status["nodes"]) == count)

    def show_memory(self):
        heading("Resident memory")
        rows = [[worker.name, size(worker.resident_bytes())] for worker in self.cluster.workers]
        rows.append(["coordinator", size(self.cluster.coordinator.resident_bytes())])
        rows.append(["for comparison: the whole model in one process, at its peak", size(self.reference_bytes)])
        table(["process", "memory"], rows)


def demonstrate(model, photos, folder):
    began = time.monotonic()
    print(f"One network over {WORKERS} worker processes on this machine ({os.cpu_count()} cores).")
    with LocalCluster(folder, model, WORKERS) as cluster:
        demo = Demo(cluster, model, photos)
        demo.run_reference()
        # Its measurements of the model stay for the second coordinator, which so starts in a moment. Each photo is a request of its own, so
        # larger micro-batches need not be measured.
        options = ["--micro-batch", "1", "--state-dir", str(Path(folder) / "state"), "--http", "127.0.0.1:0"]
        demo.show_plan(cluster.serve(*options))
        demo.show_photos()
        demo.show_http()
        demo.send_many(f"{REQUESTS} requests at once, compression by measurement (--compress auto, the default)")
        demo.show_memory()
        demo.lose_and_regain()
        cluster.stop_coordinator()
        # The workers stay, with their partitions: a new coordinator need not send them again if it cuts at the same places.
        cluster.serve("--compress", "always", *options)
        raw, wire = demo.send_many(f"{REQUESTS} requests at once, every activation compressed (--compress always, new coordinator)")
        check(wire < raw, f"--compress always put {wire} bytes on the wire for {raw} raw ones")
        cluster.stop()
    heading(f"All of it checked, in {time.monotonic() - began:.1f} s: labels, probabilities, answers, weights, bytes; "
            "every process has ended.")


def main():
    # So that the block which ends the processes is left in the ordinary way.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    model, *photos = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="amp4ec-demo-") as folder:
        try:
            demonstrate(model, photos, folder)
        except Failed as failure:
            print(f"\ndemo: error: {failure}", file=sys.stderr)
            sys.exit(1)
        except KeyboardInterrupt:
            sys.exit(130)


if __name__ == "__main__":
    main()
