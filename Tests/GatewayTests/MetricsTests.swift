import Cluster
import Gateway
import Planning
import Testing

/// The metrics' text, as a pure function of the cluster's state.
@Suite struct MetricsTests {
    @Test(arguments: formatCases) func format(_ row: Case) async throws { try await row.run() }
    @Test(arguments: clusterCases) func cluster(_ row: Case) async throws { try await row.run() }

    static func lines(_ report: GatewayReport, process: ProcessUsage? = nil) -> [String] {
        PrometheusText.render(ClusterMetrics.families(report, process: process)).split(separator: "\n").map(String.init)
    }

    static let formatCases: [Case] = [
        Case("a family is its help, its type, its samples, in this order, and ends with a line feed") {
            let family = MetricFamily(
                "a_total", .counter, "What it is.", [.init([.init("x", "1"), .init("y", "2")], 3), .init([.init("x", "2")], 0.5)])
            #expect(
                PrometheusText.render([family])
                    == "# HELP a_total What it is.\n# TYPE a_total counter\na_total{x=\"1\",y=\"2\"} 3\na_total{x=\"2\"} 0.5\n")
        },
        Case("labels: backslash, quote and line feed are escaped, everything else stays") {
            let rows: [(String, String)] = [
                (#"a"b"#, #"a\"b"#), (#"a\b"#, #"a\\b"#), ("a\nb", #"a\nb"#), (#"\n"#, #"\\n"#), ("a\r\nb", "a\r\\nb"),
                ("knöten{}=,", "knöten{}=,"), ("", ""),
            ]
            for (value, written) in rows {
                let text = PrometheusText.render([MetricFamily("a", .gauge, "h", [.init([.init("l", value)], 1)])])
                #expect(
                    text.unicodeScalars.elementsEqual("# HELP a h\n# TYPE a gauge\na{l=\"\(written)\"} 1\n".unicodeScalars),
                    "\(value)")
            }
        },
        Case("help: backslash and line feed are escaped, quotes are not") {
            let text = PrometheusText.render([MetricFamily("a", .gauge, "\"x\" \\ \n", [.init(1)])])
            #expect(text.hasPrefix(#"# HELP a "x" \\ \n"# + "\n"))
        },
        Case("numbers: whole ones without a point, and what is no number by Prometheus' names") {
            let rows: [(Double, String)] = [
                (0, "0"), (12_345_678_901, "12345678901"), (-3, "-3"), (0.25, "0.25"), (1e-7, "1e-07"), (.nan, "NaN"),
                (.infinity, "+Inf"),
                (-.infinity, "-Inf"),
            ]
            for (value, written) in rows {
                #expect(
                    PrometheusText.render([MetricFamily("a", .gauge, "h", [.init(value)])]).hasSuffix("\na \(written)\n"),
                    "\(written)")
            }
        },
        Case("a family without samples is left out; of two equal series the first stays") {
            let twice = MetricFamily("a", .gauge, "h", [.init([.init("n", "1")], 1), .init([.init("n", "1")], 2)])
            #expect(
                PrometheusText.render([MetricFamily("b", .gauge, "h", []), twice]) == "# HELP a h\n# TYPE a gauge\na{n=\"1\"} 1\n")
        },
    ]

    static let clusterCases: [Case] = [
        Case("counters of requests stand under their outcome, the cache's apart") {
            var counters = Counters()
            counters.requestsCompleted = 11
            counters.requestsFailed = 2
            counters.requestsRejected = 3
            counters.requestsCancelled = 4
            counters.requestsCached = 5
            counters.cacheHits = 6
            counters.cacheMisses = 7
            counters.cacheBytes = 800
            counters.cacheEntries = 9
            let lines = Self.lines(try Samples.report(counters: counters))
            let wanted = [
                "amp4ec_requests_total{outcome=\"completed\"} 11", "amp4ec_requests_total{outcome=\"failed\"} 2",
                "amp4ec_requests_total{outcome=\"rejected\"} 3", "amp4ec_requests_total{outcome=\"cancelled\"} 4",
                "amp4ec_requests_total{outcome=\"cached\"} 5", "amp4ec_result_cache_hits_total 6",
                "amp4ec_result_cache_misses_total 7",
                "amp4ec_result_cache_bytes 800", "amp4ec_result_cache_entries 9",
            ]
            for line in wanted { #expect(lines.contains(line), "\(line)") }
        },
        Case("the other counters and what is in flight") {
            var counters = Counters()
            counters.microBatchesDispatched = 21
            counters.microBatchesReplayed = 22
            counters.resultsDropped = 23
            counters.plans = 24
            counters.driftPlans = 27
            counters.nodesLost = 25
            counters.archivesSent = 26
            let lines = Self.lines(try Samples.report(counters: counters))
            let wanted = [
                "amp4ec_micro_batches_dispatched_total 21", "amp4ec_micro_batches_replayed_total 22",
                "amp4ec_results_dropped_total 23",
                "amp4ec_plans_total 24", "amp4ec_drift_plans_total 27", "amp4ec_nodes_lost_total 25",
                "amp4ec_archives_sent_total 26",
                "amp4ec_requests_in_flight 5",
                "amp4ec_micro_batches_in_flight 6", "amp4ec_held_bytes 7000",
            ]
            for line in wanted { #expect(lines.contains(line), "\(line)") }
        },
        Case("the entries of each table, the coordinator's and the workers'; none of who does not say") {
            var node = Samples.node("w1")
            node["tables"] = ["links": 4, "peers": 3]
            let lines = Self.lines(try Samples.report(nodes: [node, Samples.node("w2")], tables: ["nodes": 2, "flights": 0]))
            let samples = lines.filter { $0.contains("_table_entries{") }
            #expect(
                samples == [
                    "amp4ec_table_entries{table=\"flights\"} 0", "amp4ec_table_entries{table=\"nodes\"} 2",
                    "amp4ec_node_table_entries{node=\"w1\",table=\"links\"} 4",
                    "amp4ec_node_table_entries{node=\"w1\",table=\"peers\"} 3",
                ])
        },
        Case("each node's figures, in seconds and bytes; the state as one of all states; nothing of what is not known yet") {
            let lines = Self.lines(try Samples.report(nodes: [Samples.node("w1", state: "suspect"), Samples.node("far")]))
            let wanted = [
                "amp4ec_node_state{node=\"w1\",state=\"suspect\"} 1", "amp4ec_node_state{node=\"w1\",state=\"ready\"} 0",
                "amp4ec_node_state{node=\"far\",state=\"ready\"} 1", "amp4ec_node_cpu_used_cores{node=\"w1\"} 1.25",
                "amp4ec_node_cpu_quota_cores{node=\"w1\"} 2", "amp4ec_node_cpu_throttled_ratio{node=\"w1\"} 0.5",
                "amp4ec_node_process_cpu_cores{node=\"w1\"} 0.75", "amp4ec_node_memory_used_bytes{node=\"w1\"} 3000",
                "amp4ec_node_memory_limit_bytes{node=\"w1\"} 4000", "amp4ec_node_process_resident_memory_bytes{node=\"w1\"} 2000",
                "amp4ec_node_network_received_bytes_total{node=\"w1\"} 500",
                "amp4ec_node_network_sent_bytes_total{node=\"w1\"} 600",
                "amp4ec_node_reserved_micro_batches{node=\"w1\"} 3", "amp4ec_node_queued_micro_batches{node=\"w1\"} 2",
                "amp4ec_node_executing_micro_batches{node=\"w1\"} 1", "amp4ec_node_micro_batches_completed_total{node=\"w1\"} 40",
                "amp4ec_node_round_trip_seconds{node=\"w1\"} 0.0025",
                "amp4ec_node_phase_seconds_total{node=\"w1\",phase=\"compute\"} 1.5",
            ]
            for line in wanted { #expect(lines.contains(line), "\(line)") }
            for unknown in ["round_trip_seconds", "network_sent_bytes_total"] {
                #expect(!lines.contains { $0.hasPrefix("amp4ec_node_\(unknown){node=\"far\"") })
            }
            #expect(lines.filter { $0.hasPrefix("amp4ec_node_state{node=\"w1\"") && $0.hasSuffix(" 1") }.count == 1)
        },
        Case("a stage's computing time: mean times runs, and equal layers of one node are one series") {
            let node = Samples.node(
                "w1",
                partitions: [
                    Samples.partition("0..<52", runs: 100, meanMs: 20), Samples.partition("0..<52", runs: 50, meanMs: 10),
                    Samples.partition("52..<99", runs: 0, meanMs: 0),
                ])
            let lines = Self.lines(try Samples.report(nodes: [node]))
            #expect(
                lines.filter { $0.hasPrefix("amp4ec_stage_compute_seconds_total{") } == [
                    "amp4ec_stage_compute_seconds_total{node=\"w1\",layers=\"0..<52\"} 2.5",
                    "amp4ec_stage_compute_seconds_total{node=\"w1\",layers=\"52..<99\"} 0",
                ])
            #expect(lines.contains("amp4ec_stage_runs_total{node=\"w1\",layers=\"0..<52\"} 150"))
            #expect(lines.contains("amp4ec_stage_items_total{node=\"w1\",layers=\"0..<52\"} 600"))
        },
        Case("each link's bytes, raw and on the wire") {
            let link = Samples.link("w1", "w2")
            let lines = Self.lines(try Samples.report(links: [link]))
            let ends = "{from=\"w1\",to=\"w2\"}"
            let wanted = [
                "amp4ec_link_up\(ends) 1", "amp4ec_link_messages_total\(ends) 4", "amp4ec_link_raw_bytes_total\(ends) 1000",
                "amp4ec_link_wire_bytes_total\(ends) 600", "amp4ec_link_compressed_ratio\(ends) 0.75",
                "amp4ec_link_bandwidth_bytes_per_second\(ends) 1000000",
            ]
            for line in wanted { #expect(lines.contains(line), "\(line)") }
        },
        Case("the plan's figures, and none without a plan") {
            let lines = Self.lines(try Samples.report(plan: Samples.plan))
            let wanted = [
                "amp4ec_ready 1", "amp4ec_plan_generation 4", "amp4ec_plan_micro_batch_items 8",
                "amp4ec_plan_predicted_latency_seconds 0.25",
                "amp4ec_plan_stage_predicted_seconds{stage=\"0\",layers=\"0..<52\"} 0.0125",
                "amp4ec_plan_stage_replicas{stage=\"0\",layers=\"0..<52\"} 2", "amp4ec_plan_corrected_items_per_second 60",
                "amp4ec_plan_stage_measured_cpu_seconds{stage=\"0\",layers=\"0..<52\",node=\"w1\"} 0.025",
            ]
            for line in wanted { #expect(lines.contains(line), "\(line)") }
            // w2 has not measured it yet.
            #expect(lines.filter { $0.hasPrefix("amp4ec_plan_stage_measured_cpu_seconds{") }.count == 2)
            let without = Self.lines(try Samples.report())
            #expect(without.contains("amp4ec_ready 0") && !without.contains { $0.contains("amp4ec_plan_") })
        },
        Case("latencies: buckets add up, the last is all of them") {
            var latencies = LatencyHistogram()
            for microseconds in [500, 1_000, 1_500, 40_000, 90_000_000] { latencies.add(.microseconds(microseconds)) }
            let lines = Self.lines(try Samples.report(latencies: latencies))
            let buckets = lines.filter { $0.hasPrefix("amp4ec_request_duration_seconds_bucket") }
            #expect(buckets.count == LatencyHistogram.boundsSeconds.count + 1)
            let wanted = [
                "amp4ec_request_duration_seconds_bucket{le=\"0.001\"} 2", "amp4ec_request_duration_seconds_bucket{le=\"0.0025\"} 3",
                "amp4ec_request_duration_seconds_bucket{le=\"0.025\"} 3", "amp4ec_request_duration_seconds_bucket{le=\"0.05\"} 4",
                "amp4ec_request_duration_seconds_bucket{le=\"60\"} 4", "amp4ec_request_duration_seconds_bucket{le=\"+Inf\"} 5",
                "amp4ec_request_duration_seconds_count 5", "# TYPE amp4ec_request_duration_seconds histogram",
            ]
            for line in wanted { #expect(lines.contains(line), "\(line)") }
            let sum = lines.first { $0.hasPrefix("amp4ec_request_duration_seconds_sum ") }.flatMap {
                Double($0.split(separator: " ")[1])
            }
            #expect(abs((sum ?? 0) - 90.043) < 1e-6)
        },
        Case("the process' own figures under the names that every exporter has; none where there is no /proc") {
            let report = try Samples.report()
            let lines = Self.lines(report, process: ProcessUsage(cpuSeconds: 1.5, residentBytes: 4_096))
            #expect(lines.contains("process_cpu_seconds_total 1.5") && lines.contains("process_resident_memory_bytes 4096"))
            #expect(!Self.lines(report).contains { $0.contains("process_cpu_seconds_total") })
            let own = try #require(ProcessUsage.current())
            #expect(own.cpuSeconds > 0 && own.residentBytes > 1 << 20)
        },
        Case("every family has one help and one type, totals are counters, no series is there twice") {
            let nodes = [Samples.node("w1", partitions: [Samples.partition("0..<5", runs: 1, meanMs: 1)]), Samples.node("w2")]
            let link = Samples.link("coordinator", "w1", connected: false)
            let report = try Samples.report(nodes: nodes, links: [link], plan: Samples.plan)
            let families = ClusterMetrics.families(report, process: ProcessUsage(cpuSeconds: 1, residentBytes: 1))
            #expect(Set(families.map(\.name)).count == families.count)
            for family in families {
                #expect(family.name.hasSuffix("_total") == (family.kind == .counter), "\(family.name)")
                #expect(family.name.hasPrefix("amp4ec_") || family.name.hasPrefix("process_"), "\(family.name)")
                #expect(!family.help.isEmpty && family.name.wholeMatch(of: /[a-z_0-9]+/) != nil, "\(family.name)")
            }
            let series = Self.lines(report).filter { !$0.hasPrefix("#") }.map { $0.prefix { $0 != " " } }
            #expect(Set(series).count == series.count)
        },
    ]
}
