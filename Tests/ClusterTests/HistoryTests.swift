import AMP4ECClient
import Cluster
import Foundation
import Testing

/// What a coordinator knows of the time before, with real processes.
@Suite("History")
struct HistoryTests {
    /// Its history, as soon as it is as wanted.
    static func history(
        _ client: AMP4ECClient, _ what: String, limit: Int? = nil, where isRight: (ClusterHistory) -> Bool
    ) async throws -> ClusterHistory {
        var last: ClusterHistory?
        try await eventually(what, about: { last.map { "the last history: \($0)" } ?? "" }) {
            let history = try await client.history(limit: limit)
            last = history
            return isRight(history)
        }
        return try #require(last)
    }

    @Test("samples of each worker, the end of one with its cause, and all of it after a restart; the model is measured once")
    func outlivesTheCoordinator() async throws {
        try await withProcesses { processes in
            let state = processes.folder.path("state")
            let (victim, first) = try await processes.worker("w1")
            let (_, second) = try await processes.worker("w2")
            let options = ["--workers", "\(first),\(second)", "--state-dir", state]
            let (coordinator, address) = try await processes.coordinator(options)
            _ = try await coordinator.line("what it measured", on: .stderr) {
                $0.contains("profile measured") && $0.contains("\(state)/profiles/")
            }
            let client = try processes.client(address)
            defer { client.close() }
            try await processes.status(client, "two workers serve") { $0.serves(stages: 2) }
            let before = try await Self.history(client, "three samples of each worker") { history in
                history.nodes.map(\.name) == ["w1", "w2"] && history.nodes.allSatisfy { $0.samples.count >= 3 }
            }
            #expect(before.storage == "\(state)/history.sqlite")
            for node in before.nodes {
                for (left, right) in zip(node.samples, node.samples.dropFirst()) { #expect(left.timeMs < right.timeMs) }
                #expect(node.samples.allSatisfy { $0.memoryLimitBytes > 0 && $0.processBytes > 1 << 20 && $0.cpuQuotaCores > 0 })
            }
            #expect(
                before.events.contains {
                    $0.event == "plan serves" && $0.details["stages"] == "2" && $0.details["deployed_in"] != nil
                })

            victim.send(SIGKILL)
            func isLoss(_ event: ClusterHistory.Event) -> Bool {
                event.event == "node is lost" && event.node == "w1" && event.details["cause"]?.contains("connection closed") == true
            }
            let loss = try #require(
                try await Self.history(client, "the loss of w1 with its cause") { $0.events.contains(where: isLoss) }.events.first(
                    where: isLoss))
            #expect(loss.level == "warning" && loss.details["state"]?.hasSuffix("→ lost") == true)
            try await processes.status(client, "one serves on") { $0.state == "serving" && $0.plan?.stages.count == 1 }

            // Not a polite end either: what was written is there.
            coordinator.send(SIGKILL)
            #expect(try await coordinator.end(within: .seconds(10)) == .signalled(SIGKILL))
            let (again, newAddress) = try await processes.coordinator(options, name: "coordinator-2")
            _ = try await again.line("what it read", on: .stderr) {
                $0.contains("profile read") && $0.contains("\(state)/profiles/")
            }
            let newClient = try processes.client(newAddress)
            defer { newClient.close() }
            let old = try #require(before.nodes.first { $0.name == "w2" }?.samples.first)
            let after = try await Self.history(newClient, "samples from before and after", limit: 10_000) { history in
                history.nodes.first { $0.name == "w2" }.map {
                    $0.samples.contains(old) && $0.samples.last?.timeMs ?? 0 > loss.timeMs
                }
                    == true
            }
            #expect(after.events.contains(loss))
        }
    }

    @Test("the command: a table for people, one JSON object, and errors that say what is there")
    func command() async throws {
        try await withCluster("cnn") { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let history = try await Self.history(client, "two samples of each worker") { history in
                history.nodes.count == 3 && history.nodes.allSatisfy { $0.samples.count >= 2 }
            }
            #expect(history.storage == "memory")

            let people = try await cluster.command("status", "--history")
            #expect(people.ending == .exited(0), "\(people)")
            for text in [
                "history: memory", "w1:", "w2:", "w3:", "throttled", "round trip", "events:", "plan serves", "node is ready",
            ] {
                #expect(people.output.contains(text), "\(text): \(people)")
            }
            let one = try await cluster.command("status", "--history", "w2", "--limit", "2", "--since", "10m", "--json")
            #expect(one.ending == .exited(0), "\(one)")
            let root = try JSONDecoder().decode(ClusterHistory.self, from: Data(one.output.utf8))
            #expect(root.nodes.map(\.name) == ["w2"] && root.nodes[0].samples.count == 2 && root.limit == 2)
            #expect(root.events.allSatisfy { $0.node == nil || $0.node == "w2" })

            let unknown = try await cluster.command("status", "--history", "w9")
            #expect(unknown.ending == .exited(64), "\(unknown)")
            #expect(unknown.errors.contains("\"w9\"") && unknown.errors.contains("w1, w2, w3"), "\(unknown)")
            for (arguments, says) in [
                (["w2"], "--history"), (["--since", "1m"], "--history"), (["--limit", "5"], "--history"),
                (["--history", "--limit", "0"], "--limit"), (["--history", "--limit", "1000000"], "--limit"),
                (["--history", "--since", "0s"], "--since"), (["--history", "--since", "10"], "10"),
            ] {
                let wrong = try await CommandRun.run(
                    .command, ["status", "--coordinator", cluster.address] + arguments, in: cluster.folder)
                #expect(wrong.ending == .exited(64) && wrong.errors.contains(says), "\(wrong)")
            }
        }
    }

    @Test("two coordinators on one folder: the second one ends with an error that says who has it")
    func oneFolderOneCoordinator() async throws {
        try await withProcesses { processes in
            let state = processes.folder.path("state")
            let (first, _) = try await processes.coordinator(["--state-dir", state])
            let second = try await CommandRun.run(
                .coordinator, ["--listen", "127.0.0.1:0", "--model", Places.testModel("cnn.pt"), "--state-dir", state],
                in: processes.folder)
            #expect(second.ending == .exited(1), "\(second)")
            #expect(second.errors.contains("in use by another coordinator (process \(first.pid))"), "\(second)")
            let refused = try await CommandRun.run(
                .coordinator, ["--listen", "127.0.0.1:0", "--model", Places.testModel("cnn.pt"), "--state-dir", "/proc/state"],
                in: processes.folder)
            #expect(refused.ending == .exited(1) && refused.errors.contains("--state-dir"), "\(refused)")
        }
    }
}
