import AMP4ECClient
import Base
import Cluster
import Foundation
import Glibc
import Planning
import Testing

/// Coordinators that are killed, stopped, started again, and started twice.
@Suite("Coordinators that go and come")
struct RestartTests {
    /// Which partition went to which worker, if the line of the coordinator's log says so.
    private static func sending(_ line: String) -> String? {
        guard let place = line.range(of: "partition is sent ") else { return nil }
        return String(line[place.upperBound...])
    }

    enum Topology: String, CaseIterable, Sendable { case listed, registered }

    @Test(
        "SIGKILL of the coordinator under load, and its restart: clients send again, workers keep their partitions",
        arguments: Topology.allCases)
    func restart(_ topology: Topology) async throws {
        try await withProcesses { processes in
            // A port of its own first: the workers must know it before the coordinator runs.
            var (coordinator, address) = try await processes.coordinator(LooseProcesses.steady + ["--join-timeout", "1s"])
            let registers = topology == .registered ? ["--coordinator", address] : []
            var workers: [String] = []
            for name in ["w1", "w2", "w3"] { workers.append(try await processes.worker(name, registers).address) }
            var options = LooseProcesses.steady
            if topology == .listed {
                options += ["--workers", workers.joined(separator: ",")]
                await coordinator.killAndCollect()
                (coordinator, address) = try await processes.coordinator(options, port: TestCluster.port(address), name: "first")
            }
            let client = try processes.client(address)
            defer { client.close() }
            try await processes.status(client, "three stages") { $0.serves(stages: 3) }
            var first = coordinator
            let counts = try await Load.during(client) { load in
                try await processes.status(client, "work under way") { $0.microBatchesInFlight > 0 }
                await coordinator.killAndCollect()
                first = coordinator
                (coordinator, address) = try await processes.coordinator(options, port: TestCluster.port(address), name: "second")
                try await processes.status(client, "three stages again") { $0.serves(stages: 3) }
            }
            #expect(counts.isClean, "\(counts)")
            #expect(await client.retries() > 0)
            // What serves was there; what is loaded ahead for the next loss is no partition that a worker has had before.
            let lines = coordinator.text(.stderr).split(separator: "\n").map(String.init)
            let beforeServing = lines.prefix { !$0.contains("plan serves") }
            #expect(
                beforeServing.count < lines.count && !beforeServing.contains { Self.sending($0) != nil }, "\(coordinator.report)")
            let sent = Set(lines.compactMap(Self.sending))
            let sentBefore = Set(first.text(.stderr).split(separator: "\n").map(String.init).compactMap(Self.sending))
            #expect(!sentBefore.isEmpty && sent.isDisjoint(with: sentBefore), "\(coordinator.report)")
        }
    }

    @Test("SIGSTOP of a worker under load: the others take over; it wakes later and is taken in again")
    func stoppedWorker() async throws {
        try await withCluster("cnn", coordinatorOptions: LooseProcesses.steady) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let counts = try await Load.during(client) { load in
                try await cluster.status("work under way on w2") { ($0.nodes.first { $0.name == "w2" }?.load ?? 0) > 0 }
                cluster.workers[1].send(SIGSTOP)
                defer { cluster.workers[1].send(SIGCONT) }
                try await cluster.status("w2 is lost, two stages serve") { $0.serves(stages: 2) && $0.state(of: "w2") == "lost" }
                try await load.answersGoOn()
                cluster.workers[1].send(SIGCONT)
                try await cluster.status("three stages again") { $0.serves(stages: 3) }
            }
            #expect(counts.isClean, "\(counts)")
            #expect(try await cluster.cleanStatus().counters.microBatchesReplayed > 0)
        }
    }

    /// Longer than the workers' heartbeats may be silent.
    static let stop: Duration = .milliseconds(2_500)

    @Test("SIGSTOP of the coordinator under load: it wakes and goes on, and takes nobody for lost because of its own sleep")
    func stoppedCoordinator() async throws {
        try await withCluster("cnn", coordinatorOptions: LooseProcesses.steady) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let counts = try await Load.during(client) { load in
                cluster.coordinator.send(SIGSTOP)
                // The fault itself, not a wait for anything.
                try await ContinuousClock().sleep(for: Self.stop)
                cluster.coordinator.send(SIGCONT)
                try await cluster.status("three stages") { $0.serves(stages: 3) }
            }
            #expect(counts.isClean, "\(counts)")
            try await cluster.cleanStatus()
        }
    }

    @Test("while the coordinator is stopped another takes its workers; when it wakes it does no harm, and says who has them")
    func takeover() async throws {
        try await withCluster("cnn", coordinatorOptions: LooseProcesses.steady) { cluster in
            cluster.coordinator.send(SIGSTOP)
            defer { cluster.coordinator.send(SIGCONT) }
            let second = try ProcessUnderTest(
                .coordinator,
                ["--listen", "127.0.0.1:0", "--workers", cluster.workerAddresses.joined(separator: ",")] + TestCluster.anyLoad
                    + LooseProcesses.steady + ["--model", Places.testModel("cnn.pt")], name: "second", in: cluster.folder)
            let address = try await TestCluster.listeningAddress(second)
            _ = try await second.line("who holds the workers", on: .stderr) {
                $0.contains("holds this worker") && $0.contains("stop that coordinator")
            }
            let client = try AMP4ECClient(coordinator: address, options: .ofTest())
            defer { client.close() }
            var last: ClusterStatus?
            try await eventually("the second has all three", about: { "\(String(describing: last))\n\(cluster.report)" }) {
                last = try await client.status()
                return last?.serves(stages: 3) == true
            }
            let counts = try await Load.during(client) { load in
                cluster.coordinator.send(SIGCONT)
                _ = try await cluster.coordinator.line("who has them now", on: .stderr) {
                    $0.contains("holds this worker")
                }
                try await load.answersGoOn(100)
            }
            #expect(counts.isClean, "\(counts)")
            #expect(try await client.status().counters.nodesLost == 0)
            #expect(await second.terminate() == .exited(0), "\(second.report)")
        }
    }
}
