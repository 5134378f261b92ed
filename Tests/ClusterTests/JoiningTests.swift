import AMP4ECClient
import Base
import Cluster
import Foundation
import Glibc
import Planning
import Testing

/// Workers that come: by registering, by a changed topology file.
@Suite("Joining")
struct JoiningTests {
    @Test("a worker registers in the middle of load, is planned in without a pause, and leaves by SIGTERM without a replay")
    func registersUnderLoad() async throws {
        try await withCluster("cnn", workers: 2, coordinatorOptions: LooseProcesses.steady) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let counts = try await Load.during(client) { load in
                let third = try TestCluster.startWorker("w3", ["--coordinator", cluster.address], in: cluster.folder)
                try await cluster.status("three stages, the third worker among them") { $0.serves(stages: 3) }
                _ = try await third.line("that it has registered", on: .stderr) { $0.contains(" registered ") }
                try await load.answersGoOn()
                third.send(SIGTERM)
                #expect(try await third.end() == .exited(0), "\(third.report)")
                // It left for good and says so: nothing of it is left.
                try await cluster.status("two stages, and no trace of the third worker") {
                    $0.serves(stages: 2) && $0.nodes.count == 2
                }
            }
            #expect(counts.isClean, "\(counts)")
            let status = try await cluster.cleanStatus()
            #expect(status.counters.microBatchesReplayed == 0 && status.counters.nodesLost == 0, "\(status.counters)")
        }
    }

    @Test(
        "a coordinator without workers waits for those that register; another of the same name is refused only while the first answers"
    )
    func registrationsAlone() async throws {
        try await withProcesses { processes in
            let (coordinator, address) = try await processes.coordinator(LooseProcesses.steady)
            _ = try await coordinator.line("that it waits", on: .stderr) { $0.contains("waiting for workers that register") }
            let (first, _) = try await processes.worker("same", ["--coordinator", address], log: "first")
            let client = try processes.client(address)
            defer { client.close() }
            try await processes.status(client, "one stage") { $0.serves(stages: 1) }
            let (second, secondAddress) = try await processes.worker("same", ["--coordinator", address], log: "second")
            let line = try await second.line("that the name is taken", on: .stderr) { $0.contains("bears the name") }
            #expect(line.contains("--name"), "\(line)")
            #expect(try await client.status().serves(stages: 1))
            await first.killAndCollect()
            try await processes.status(client, "the second serves under the name") {
                $0.serves(stages: 1) && $0.nodes.first?.address == secondAddress
            }
        }
    }

    private static func twoFreePorts() throws -> (UInt16, UInt16) {
        let taken = [try TakenPort(), try TakenPort()]
        return (taken[0].port, taken[1].port)
    }

    @Test("--advertise is where the coordinator dials")
    func advertise() async throws {
        try await withProcesses { processes in
            let (_, address) = try await processes.coordinator(LooseProcesses.steady)
            // Bound to every address; the second one said is the one that answers.
            let (port, open) = try Self.twoFreePorts()
            let worker = try ProcessUnderTest(
                .worker,
                [
                    "--listen", "0.0.0.0:\(open)", "--name", "w", "--coordinator", address, "--advertise", "127.0.0.1:\(port)",
                    "--advertise", "localhost:\(open)",
                ], name: "w", in: processes.folder)
            _ = try await TestCluster.listeningAddress(worker)
            let client = try processes.client(address)
            defer { client.close() }
            let status = try await processes.status(client, "it serves") { $0.serves(stages: 1) }
            #expect(status.nodes.first?.address == "127.0.0.1:\(port)")
            #expect(await worker.terminate() == .exited(0), "\(worker.report)")
        }
    }

    @Test(
        "the topology file is replaced under load: who is new is taken in, who is gone leaves without a loss; a broken file changes nothing"
    )
    func topologyFile() async throws {
        try await withProcesses { processes in
            var ports: [String: String] = [:]
            for name in ["w1", "w2", "w3"] {
                ports[name] = TestCluster.port(try await processes.worker(name).address)
            }
            func compose(_ names: [String]) -> String {
                "services:\n"
                    + names.map { name in
                        """
                          \(name)-service.invalid:
                            command: amp4ec-worker --listen 9000 --name \(name)
                            ports: ["127.0.0.1:\(ports[name] ?? ""):9000"]
                        """
                    }.joined(separator: "\n") + "\n"
            }
            let file = try processes.folder.write("compose.yaml", compose(["w1", "w2"]))
            /// As editors do it: another file, renamed over it.
            func replace(_ text: String) throws {
                let fresh = try processes.folder.write("compose.new", text)
                guard rename(fresh, file) == 0 else { throw ProcessUnderTest.Failure(description: "rename: errno \(errno)") }
            }
            let (coordinator, address) = try await processes.coordinator(["--topology", file] + LooseProcesses.steady)
            let client = try processes.client(address)
            defer { client.close() }
            try await processes.status(client, "two stages") { $0.serves(stages: 2) }
            let counts = try await Load.during(client) { load in
                try replace(compose(["w1", "w3"]))
                try await processes.status(client, "w3 in the place of w2") {
                    $0.serves(stages: 2) && $0.nodes.map(\.name.description) == ["w1", "w3"]
                }
                try replace("services: [")
                _ = try await coordinator.line("that the file is broken", on: .stderr) { $0.contains("the one before stays") }
                try replace("services:\n  web: {image: nginx}\n")
                _ = try await coordinator.line("that no worker is in it", on: .stderr) { $0.contains("is a worker") }
                #expect(try await client.status().serves(stages: 2))
                try await load.answersGoOn()
                try Data(compose(["w1", "w2", "w3"]).utf8).write(to: URL(fileURLWithPath: file))
                try await processes.status(client, "all three") { $0.serves(stages: 3) }
            }
            #expect(counts.isClean, "\(counts)")
            let status = try await processes.status(client, "nothing held") { $0.heldBytes == 0 && $0.microBatchesInFlight == 0 }
            #expect(status.counters.microBatchesReplayed == 0 && status.counters.nodesLost == 0, "\(status.counters)")
        }
    }

    @Test("an included file is read again when it changes, and a worker that it renames serves on under its new name")
    func renamed() async throws {
        try await withProcesses { processes in
            var workers: [ProcessUnderTest] = []
            var ports: [String] = []
            for index in 1...3 {
                // Without a name of its own each is called as the topology calls it.
                workers.append(
                    try ProcessUnderTest(.worker, ["--listen", "127.0.0.1:0"], name: "worker-\(index)", in: processes.folder))
                ports.append(TestCluster.port(try await TestCluster.listeningAddress(workers[index - 1])))
            }
            func services(_ names: [(name: String, port: String)]) -> String {
                "services:\n"
                    + names.map { name, port in
                        "  \(name).invalid: {command: amp4ec-worker --listen 9000, ports: [\"127.0.0.1:\(port):9000\"]}\n"
                    }.joined()
            }
            let more = try processes.folder.write("more.yaml", services([("b", ports[1])]))
            let file = try processes.folder.write("compose.yaml", "include: [more.yaml]\n" + services([("a", ports[0])]))
            let (_, address) = try await processes.coordinator(["--topology", file] + LooseProcesses.steady)
            let client = try processes.client(address)
            defer { client.close() }
            func serve(_ names: [String]) async throws {
                try await processes.status(client, "\(names) serve") {
                    $0.serves(stages: names.count) && $0.nodes.map(\.name.description) == names.map { "\($0).invalid" }
                }
            }
            try await serve(["a", "b"])
            let counts = try await Load.during(client) { load in
                try Data(services([("c", ports[1])]).utf8).write(to: URL(fileURLWithPath: more))
                try await serve(["a", "c"])
                try await load.answersGoOn()
                try Data(services([("c", ports[1]), ("d", ports[2])]).utf8).write(to: URL(fileURLWithPath: more))
                try await serve(["a", "c", "d"])
            }
            #expect(counts.isClean, "\(counts)")
            let status = try await processes.status(client, "nothing held") { $0.heldBytes == 0 && $0.microBatchesInFlight == 0 }
            #expect(status.counters.nodesLost == 0, "\(status.counters)")
            for worker in workers { #expect(await worker.terminate() == .exited(0), "\(worker.report)") }
        }
    }
}
