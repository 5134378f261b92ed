internal import Base
internal import Cluster
internal import Planning
internal import Shell

/// The cluster's state as metrics: names `amp4ec_…`, seconds and bytes, totals ending in `_total`.
public enum ClusterMetrics {
    typealias Sample = MetricFamily.Sample
    typealias Label = MetricFamily.Label

    /// - Parameter process: the coordinator's own; `nil` leaves its metrics out.
    public static func families(_ report: GatewayReport, process: ProcessUsage?) -> [MetricFamily] {
        let status = report.status
        return about(report) + requests(status) + plan(status) + nodes(status.nodes) + stages(status.nodes) + links(status.links)
            + tables(status) + own(process)
    }

    static func gauge(_ name: String, _ help: String, _ value: Double) -> MetricFamily {
        MetricFamily("amp4ec_\(name)", .gauge, help, [Sample(value)])
    }

    static func counter(_ name: String, _ help: String, _ value: UInt64) -> MetricFamily {
        MetricFamily("amp4ec_\(name)", .counter, help, [Sample(Double(value))])
    }

    private static func about(_ report: GatewayReport) -> [MetricFamily] {
        var families = [
            MetricFamily(
                "amp4ec_build_info", .gauge, "The coordinator's version.", [Sample([Label("version", ProductVersion.current)], 1)]),
            gauge(
                "ready", "1 while a plan serves and each of its stages has a living node, else 0.", report.readiness.isReady ? 1 : 0
            ),
        ]
        if let model = report.status.model {
            families.append(
                MetricFamily(
                    "amp4ec_model_info", .gauge, "The model that is served.",
                    [Sample([Label("name", model.name), Label("digest", model.digest)], 1)]))
        }
        return families
    }

    private static func requests(_ status: ClusterStatus) -> [MetricFamily] {
        let counters = status.counters
        let outcomes: [(String, UInt64)] = [
            ("completed", counters.requestsCompleted), ("cached", counters.requestsCached), ("failed", counters.requestsFailed),
            ("rejected", counters.requestsRejected), ("cancelled", counters.requestsCancelled),
        ]
        return [
            MetricFamily(
                "amp4ec_requests_total", .counter, "Requests by what came of them; cached ones are not among the completed.",
                outcomes.map { Sample([Label("outcome", $0)], Double($1)) }),
            latency(status.latencies), parts(status.times ?? RequestTimes()),
            counter(
                "micro_batches_dispatched_total", "Micro-batches sent to a first stage, replays included.",
                counters.microBatchesDispatched),
            counter("micro_batches_replayed_total", "Micro-batches sent once more after a setback.", counters.microBatchesReplayed),
            counter("results_dropped_total", "Results that came when nobody wanted them any more.", counters.resultsDropped),
            counter("plans_total", "Plans that came to serve.", counters.plans),
            counter("drift_plans_total", "Plans because what served had become worse than another.", counters.driftPlans),
            counter("nodes_lost_total", "Losses of a node.", counters.nodesLost),
            counter("archives_sent_total", "Partitions sent to workers that did not hold them.", counters.archivesSent),
            counter("result_cache_hits_total", "Look-ups that found a result.", counters.cacheHits),
            counter("result_cache_misses_total", "Look-ups that found none.", counters.cacheMisses),
            gauge("result_cache_bytes", "Bytes that the result cache holds.", Double(counters.cacheBytes)),
            gauge("result_cache_entries", "Results that the result cache holds.", Double(counters.cacheEntries)),
            gauge("requests_in_flight", "Requests that are admitted and not answered.", Double(status.requestsInFlight)),
            gauge(
                "micro_batches_in_flight", "Micro-batches that have a reservation on workers.", Double(status.microBatchesInFlight)),
            gauge(
                "loop_longest_turn_seconds", "The longest time for which the coordinator's loop was busy with one turn.",
                (counters.longestLoopTurnMs ?? 0) / 1e3),
            gauge("held_bytes", "Bytes of inputs and outputs of the requests in flight.", Double(status.heldBytes)),
        ]
    }

    private static func latency(_ histogram: LatencyHistogram) -> MetricFamily {
        var below: UInt64 = 0
        var samples: [Sample] = []
        for (bound, count) in zip(LatencyHistogram.boundsSeconds, histogram.buckets) {
            below += count
            samples.append(Sample([Label("le", PrometheusText.number(bound))], Double(below), suffix: "_bucket"))
        }
        samples.append(Sample([Label("le", "+Inf")], Double(histogram.count), suffix: "_bucket"))
        samples.append(Sample([], histogram.sumSeconds, suffix: "_sum"))
        samples.append(Sample([], Double(histogram.count), suffix: "_count"))
        return MetricFamily(
            "amp4ec_request_duration_seconds", .histogram, "From a request's admission to its reply, of completed requests.",
            samples)
    }

    private static func parts(_ times: RequestTimes) -> MetricFamily {
        let parts = [("input", times.input), ("queue", times.queue), ("compute", times.compute), ("output", times.output)]
        return MetricFamily(
            "amp4ec_request_part_seconds_total", .counter,
            "Time of computed requests by its parts: inputs on their way, waiting, computing, the reply on its way.",
            parts.map { Sample([Label("part", $0)], Double($1.nanoseconds) / 1e9) })
    }

    private static func plan(_ status: ClusterStatus) -> [MetricFamily] {
        guard let plan = status.plan else { return [] }
        let corrected = plan.correctedItemsPerSecond.map {
            gauge("plan_corrected_items_per_second", "The prediction under what the nodes have measured since.", $0)
        }
        return (corrected.map { [$0] } ?? []) + [
            gauge("plan_generation", "The number of the plan that serves.", Double(plan.generation)),
            gauge("plan_micro_batch_items", "Items of one micro-batch.", Double(plan.microBatch)),
            gauge("plan_predicted_items_per_second", "What the plan was chosen for.", plan.predictedItemsPerSecond),
            gauge(
                "plan_predicted_latency_seconds", "Predicted time of one micro-batch through all stages.",
                plan.predictedLatencyMs / 1e3),
            MetricFamily(
                "amp4ec_plan_stage_predicted_seconds", .gauge, "Predicted time of one micro-batch in a stage.",
                plan.stages.enumerated().map { Sample(stage($0, $1), $1.cost / 1e3) }),
            MetricFamily(
                "amp4ec_plan_stage_replicas", .gauge, "Nodes of a stage.",
                plan.stages.enumerated().map { Sample(stage($0, $1), Double($1.replicas.count)) }),
            MetricFamily(
                "amp4ec_plan_stage_measured_cpu_seconds", .gauge,
                "CPU time of one micro-batch of a stage, as each of its nodes measured it.",
                plan.stages.enumerated().flatMap { index, stage in
                    // 0 stands for not measured yet.
                    zip(stage.replicas, stage.measuredMs).filter { $0.1 > 0 }.map { node, milliseconds in
                        Sample(self.stage(index, stage) + [Label("node", node.description)], milliseconds / 1e3)
                    }
                }),
        ]
    }

    private static func stage(_ index: Int, _ stage: ClusterStatus.Stage) -> [Label] {
        [Label("stage", "\(index)"), Label("layers", "\(stage.firstLayer)..<\(stage.lastLayer + 1)")]
    }

    private static func own(_ process: ProcessUsage?) -> [MetricFamily] {
        guard let process else { return [] }
        return [
            MetricFamily(
                "process_cpu_seconds_total", .counter, "CPU time of the coordinator, user and system.", [Sample(process.cpuSeconds)]
            ),
            MetricFamily(
                "process_resident_memory_bytes", .gauge, "Resident memory of the coordinator.",
                [Sample(Double(process.residentBytes))]),
        ]
    }
}
