"""Clusters that do not exist: their states as GET /status gives them, of any size, moved on by hand."""

from __future__ import annotations

import itertools
import time
from typing import Any

#: Sorted as the coordinator's histogram is: upper bounds in seconds.
BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
LAYERS = 153


class MadeCluster:
    """`names` are cut into `stages` of the model, those that are over share the stages in turn."""

    def __init__(self, names: list[str], stages: int, items_per_second: float = 320) -> None:
        self.names = names
        self.states = dict.fromkeys(names, "ready")
        self.causes = dict.fromkeys(names, "answering")
        self.items_per_second = items_per_second
        self.micro_batch = 4
        self.generation = 0
        self.stages: list[list[str]] = []
        self.wanted_stages = stages
        self.seconds = 0.0
        self.requests = 0.0
        self.admitted_and_lost = 0
        self.failed = 0
        self.replayed = 0
        self.model = True
        self.latency_bucket = 7
        self.events: list[dict[str, Any]] = []
        self.new_events: list[dict[str, Any]] = []
        self.heartbeat_age_ms = 240.0
        if names and stages:
            self.plan(stages)

    # What happens

    def happened(self, event: str, level: str = "info", node: str | None = None, **details: str) -> None:
        record: dict[str, Any] = {"time_ms": int(time.time() * 1000), "level": level, "event": event, "details": details}
        if node is not None:
            record["node"] = node
        self.events.append(record)
        self.new_events.append(record)

    def plan(self, stages: int, origin: str = "the planner") -> None:
        living = [name for name in self.names if self.states[name] == "ready"]
        stages = min(stages, len(living))
        self.generation += 1
        if stages == 0:
            self.stages = []
            return
        self.stages = [living[index::stages] for index in range(stages)]
        ranges = [f"[{a},{b}) on {'+'.join(nodes)}" for (a, b), nodes in zip(self.cuts(), self.stages)]
        self.happened("plan is made", generation=str(self.generation), stages=" → ".join(ranges), origin=origin)
        self.happened("plan serves", generation=str(self.generation), stages=str(stages), deployed_in="3 ms", requests_lost="0",
                      requests_failed=str(self.failed), micro_batches_replayed=str(self.replayed))

    def lose(self, name: str) -> None:
        self.states[name], self.causes[name] = "lost", "its control connection closed: the peer closed the connection"
        self.happened("node is lost", "warning", name, state="ready → lost", cause=self.causes[name])
        self.plan(self.wanted_stages, f"standby for the loss of {name}")
        self.replayed += 8

    def come_back(self, name: str) -> None:
        self.states[name], self.causes[name] = "ready", "answering"
        self.happened("node is ready", "info", name, state="lost → ready", cause="answering")
        self.plan(self.wanted_stages)

    def tick(self, seconds: float = 1.0) -> None:
        self.seconds += seconds
        if self.stages:
            self.requests += seconds * self.items_per_second / 8

    # How it looks

    def cuts(self) -> list[tuple[int, int]]:
        count = len(self.stages)
        edges = [round(LAYERS * index / count) for index in range(count + 1)]
        return list(itertools.pairwise(edges))

    def made_stages(self) -> list[dict[str, Any]]:
        return [
            {"first_layer": first, "last_layer": end - 1, "replicas": nodes, "cost": 11.4 + index % 3,
             "measured_ms": [10.2 + 1.7 * (index % 3) for _ in nodes], "parameter_bytes": 30_208 * 7 ** (index % 4), "input_bytes": 2_408_448 >> index % 5}
            for index, ((first, end), nodes) in enumerate(zip(self.cuts(), self.stages))]

    def node(self, name: str, index: int) -> dict[str, Any]:
        is_there = self.states[name] not in ("lost", "joining")
        done = int(self.requests * 2)
        node: dict[str, Any] = {
            "name": name, "address": f"10.0.{index // 250}.{index % 250 + 1}:9000", "state": self.states[name], "cause": self.causes[name],
            "capability": 2.0, "load": 2 if is_there else 0, "queued": index % 2, "executing": 1 if is_there else 0, "completed": done,
            "cpu": {"used_cores": 1.2 + 0.05 * (index % 14), "quota_cores": 2, "throttled_share": 0.12 if index == 4 else 0, "process_cores": 1.1},
            "memory": {"used_bytes": 900_000_000 + 40_000_000 * (index % 23), "limit_bytes": 2_000_000_000, "process_bytes": 255_426_560},
            "timing": {"micro_batches": done, "receive_ms": done * 1.2, "decode_ms": 0, "queue_ms": done * 4.0,
                       "compute_ms": self.seconds * 1000 * (0.6 + 0.02 * (index % 15)), "encode_ms": 0},
            "partitions": [], "heartbeat_age_ms": self.heartbeat_age_ms + 13 * index % 200}
        if is_there:
            node["network"] = {"received_bytes": 1, "sent_bytes": 1, "received_bytes_per_second": 0, "sent_bytes_per_second": 0}
            node["round_trip_ms"] = 0.4
        if not any(name in nodes for nodes in self.stages) and self.states[name] == "ready" and self.stages:
            node["unused"] = "the plan has no stage for it (its reasons say why)"
        return node

    def links(self) -> list[dict[str, Any]]:
        places = [["coordinator"], *self.stages, ["coordinator"]]
        raw = int(self.requests * 2 * 1_204_224)
        return [
            {"from": one, "to": other, "connected": True, "messages": int(self.requests * 2), "raw_bytes": raw, "wire_bytes": raw * 9 // 10,
             "bandwidth_bytes_per_second": 117_000_000, "compressed_share": 0.4}
            for before, after in itertools.pairwise(places) for one in before for other in after] if self.stages else []

    def status(self) -> dict[str, Any]:
        done = int(self.requests)
        in_flight = 6 if self.stages else 0
        buckets = [0] * len(BOUNDS)
        buckets[self.latency_bucket] = done - done // 50
        buckets[self.latency_bucket + 1] = done // 50
        status: dict[str, Any] = {
            "state": "serving" if self.stages else "waiting", "nodes": [self.node(name, index) for index, name in enumerate(self.names)], "links": self.links(),
            "requests_in_flight": in_flight, "requests_unanswered": in_flight, "micro_batches_in_flight": 2 * in_flight, "held_bytes": in_flight * 4_816_896,
            "requests_lost": self.admitted_and_lost,
            "counters": {
                "requests_admitted": done + self.failed + in_flight + self.admitted_and_lost, "requests_completed": done, "requests_cached": 0,
                "requests_failed": self.failed, "requests_rejected": 0, "requests_cancelled": 0,
                "micro_batches_dispatched": done * 2, "micro_batches_replayed": self.replayed, "results_dropped": 0, "plans": self.generation,
                "drift_plans": 0, "nodes_lost": 0, "archives_sent": 0, "cache_hits": 0, "cache_misses": 0, "cache_bytes": 0, "cache_entries": 0},
            "request_times": {"items": done * 8},
            "request_latency": {"buckets": buckets, "count": done, "sum_seconds": done * 0.14}, "standby": [], "tables": {}}
        if self.model:
            status["model"] = {"name": "mobilenet-v2-pixels", "digest": "de" * 32, "weight_bytes": 14_053_472, "inputs": ["pixels:uint8[N,224,224,3]"],
                               "outputs": ["logits:float32[N,1000]"], "batching": "splittable"}
        if self.stages:
            stages = self.made_stages()
            status["plan"] = {"generation": self.generation, "stages": stages, "micro_batch": self.micro_batch,
                              "predicted_items_per_second": self.items_per_second * 1.15,
                              "corrected_items_per_second": self.items_per_second * 1.04, "predicted_latency_ms": 36.8, "strategy": "optimal",
                              "reasons": [f"{self.names[0]} alone would do 130 items/s, the plan {self.items_per_second * 1.15:.0f} items/s",
                                          "no plan of this shape has a lower bottleneck (exact search)"]}
            serving = [name for nodes in self.stages for name in nodes]
            status["standby"] = [{"without": name, "stages": stages[:-1] if len(stages) > 1 else [], "staged": index % 4 != 3,
                                  "cause": "" if len(stages) > 1 and index % 4 != 3 else "no other worker is ready"}
                                 for index, name in enumerate(serving)]
        else:
            status["cause"] = "no worker is listed or registered; start one with amp4ec-worker --coordinator ADDR"
            if not self.model:
                status["cause"] = "the model is being analysed"
        return status


def some_nodes(count: int) -> list[str]:
    return [f"w{number}" for number in range(1, count + 1)]
