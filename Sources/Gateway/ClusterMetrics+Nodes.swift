internal import Base
internal import Cluster
internal import Planning

/// What the workers say of themselves and of their links.
extension ClusterMetrics {
    static func nodes(_ nodes: [ClusterStatus.Node]) -> [MetricFamily] {
        func family(
            _ name: String, _ kind: MetricFamily.Kind, _ help: String, _ value: (ClusterStatus.Node) -> Double?
        ) -> MetricFamily {
            MetricFamily(
                "amp4ec_node_\(name)", kind, help,
                nodes.compactMap { node in value(node).map { Sample([Label("node", node.name.description)], $0) } })
        }
        return [
            MetricFamily(
                "amp4ec_node_state", .gauge, "1 for the state that the node is in, 0 for the others.",
                nodes.flatMap { node in
                    NodeState.allCases.map { state in
                        Sample(
                            [Label("node", node.name.description), Label("state", state.name)], state.name == node.state ? 1 : 0)
                    }
                }),
            family("cpu_used_cores", .gauge, "Cores in use in the node's cgroup or on its host.") { $0.cpu.usedCores },
            family("cpu_quota_cores", .gauge, "Cores that the node may use.") { $0.cpu.quotaCores },
            family("cpu_throttled_ratio", .gauge, "Share of the periods in which the node was throttled.") {
                $0.cpu.throttledShare
            },
            family("process_cpu_cores", .gauge, "Cores that the worker's own process uses.") { $0.cpu.processCores },
            family("memory_used_bytes", .gauge, "Memory in use in the node's cgroup or on its host.") {
                Double($0.memory.usedBytes)
            },
            family("memory_limit_bytes", .gauge, "Memory that the node may use.") { Double($0.memory.limitBytes) },
            family("process_resident_memory_bytes", .gauge, "Resident memory of the worker's process.") {
                Double($0.memory.processBytes)
            },
            family("network_received_bytes_total", .counter, "Bytes that came over the node's interfaces.") {
                $0.network.map { Double($0.receivedBytes) }
            },
            family("network_sent_bytes_total", .counter, "Bytes that went over the node's interfaces.") {
                $0.network.map { Double($0.sentBytes) }
            },
            family("reserved_micro_batches", .gauge, "Micro-batches for which the node has room reserved.") { Double($0.load) },
            family("queued_micro_batches", .gauge, "Micro-batches that wait for an executor.") { Double($0.queued) },
            family("executing_micro_batches", .gauge, "Micro-batches that run.") { Double($0.executing) },
            family("micro_batches_completed_total", .counter, "Micro-batches that the worker has run since its start.") {
                Double($0.completed)
            },
            family("round_trip_seconds", .gauge, "The last ping's time there and back.") { $0.roundTripMs.map { $0 / 1e3 } },
            phases(nodes),
        ]
    }

    private static func phases(_ nodes: [ClusterStatus.Node]) -> MetricFamily {
        MetricFamily(
            "amp4ec_node_phase_seconds_total", .counter, "Where the time of the micro-batches that came back went on each node.",
            nodes.flatMap { node in
                let timing = node.timing
                let phases = [
                    ("receive", timing.receiveMs), ("decode", timing.decodeMs), ("queue", timing.queueMs),
                    ("compute", timing.computeMs), ("encode", timing.encodeMs),
                ]
                return phases.map { Sample([Label("node", node.name.description), Label("phase", $0)], $1 / 1e3) }
            })
    }

    /// Computation by node and layers. Partitions of the same layers that differ otherwise (another optimisation, another libtorch) are one.
    static func stages(_ nodes: [ClusterStatus.Node]) -> [MetricFamily] {
        struct Sum {
            var labels: [Label]
            var seconds = 0.0
            var runs = 0.0
            var items = 0.0
        }
        var sums: [Sum] = []
        for node in nodes {
            var places: [String: Int] = [:]
            for partition in node.partitions {
                let place = places[partition.layers] ?? sums.count
                if place == sums.count {
                    places[partition.layers] = place
                    sums.append(Sum(labels: [Label("node", node.name.description), Label("layers", partition.layers)]))
                }
                sums[place].seconds += partition.meanMilliseconds * Double(partition.runs) / 1e3
                sums[place].runs += Double(partition.runs)
                sums[place].items += Double(partition.items)
            }
        }
        return [
            MetricFamily(
                "amp4ec_stage_compute_seconds_total", .counter,
                "Computing time of a stage's layers on a node, since the worker's start.",
                sums.map { Sample($0.labels, $0.seconds) }),
            MetricFamily(
                "amp4ec_stage_runs_total", .counter, "Micro-batches that a stage's layers have run on a node.",
                sums.map { Sample($0.labels, $0.runs) }),
            MetricFamily(
                "amp4ec_stage_items_total", .counter, "Items that a stage's layers have run on a node.",
                sums.map { Sample($0.labels, $0.items) }),
        ]
    }

    /// What grows where something is kept of those that have gone.
    static func tables(_ status: ClusterStatus) -> [MetricFamily] {
        func samples(_ tables: [String: Int]?, _ labels: [Label] = []) -> [Sample] {
            (tables ?? [:]).sorted { $0.key < $1.key }.map { Sample(labels + [Label("table", $0)], Double($1)) }
        }
        return [
            MetricFamily("amp4ec_table_entries", .gauge, "Entries of the coordinator's tables.", samples(status.tables)),
            MetricFamily(
                "amp4ec_node_table_entries", .gauge, "Entries of a worker's tables, by its last heartbeat.",
                status.nodes.flatMap { samples($0.tables, [Label("node", $0.name.description)]) }),
        ]
    }

    static func links(_ links: [ClusterStatus.Link]) -> [MetricFamily] {
        func family(
            _ name: String, _ kind: MetricFamily.Kind, _ help: String, _ value: (ClusterStatus.Link) -> Double
        ) -> MetricFamily {
            MetricFamily(
                "amp4ec_link_\(name)", kind, help,
                links.map { Sample([Label("from", $0.from.name), Label("to", $0.to.name)], value($0)) })
        }
        return [
            family("up", .gauge, "1 while the link is connected, else 0.") { $0.connected ? 1 : 0 },
            family("messages_total", .counter, "Messages with activations.") { Double($0.messages) },
            family("raw_bytes_total", .counter, "Bytes of activations before compression.") { Double($0.rawBytes) },
            family("wire_bytes_total", .counter, "Bytes of activations as they were sent.") { Double($0.wireBytes) },
            family("compressed_ratio", .gauge, "Share of the messages that were compressed.") { $0.compressedShare },
            family("bandwidth_bytes_per_second", .gauge, "Measured bandwidth; 0 until it is known.") { $0.bandwidthBytesPerSecond },
        ]
    }
}
