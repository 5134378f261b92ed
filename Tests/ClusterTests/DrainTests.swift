import AMP4ECClient
import Base
import Cluster
import Glibc
import Planning
import Tensors
import Testing
import Wire

/// Taking workers out without losing anything, by command and by signal.
@Suite("Draining")
struct DrainTests {
    @Test("amp4ec drain under load: a plan without the node first, nothing replayed, and --undo takes it back")
    func command() async throws {
        try await withCluster("cnn", coordinatorOptions: LooseProcesses.steady) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let counts = try await Load.during(client) { load in
                let drained = try await cluster.command("drain", "w2")
                #expect(drained.ending == .exited(0) && drained.output.contains("w2 is drained"), "\(drained)")
                let status = try await cluster.status("two stages without it") {
                    $0.serves(stages: 2) && $0.state(of: "w2") == "drained"
                }
                #expect(status.plan?.stages.flatMap(\.replicas).contains("w2") == false)
                for worker in cluster.workers { #expect(worker.isRunning) }
                try await load.answersGoOn()
                let again = try await cluster.command("drain", "w2")
                #expect(again.ending == .exited(0) && again.output.contains("already"), "\(again)")
                let undone = try await cluster.command("drain", "w2", "--undo")
                #expect(undone.ending == .exited(0) && undone.output.contains("takes part again"), "\(undone)")
                try await cluster.status("three stages again") { $0.serves(stages: 3) }
            }
            #expect(counts.isClean, "\(counts)")
            let status = try await cluster.cleanStatus()
            #expect(status.counters.microBatchesReplayed == 0 && status.counters.nodesLost == 0, "\(status.counters)")
        }
    }

    @Test("what drain refuses: a node that is not known, the last one, and the undoing of nothing; --force drains the last one")
    func refusals() async throws {
        try await withCluster("cnn", workers: 1, coordinatorOptions: LooseProcesses.steady) { cluster in
            for arguments in [
                ["drain", "nobody"], ["drain", "nobody", "--undo"], ["drain", "nobody", "--force"], ["drain", "nobody", "--json"],
                ["status", "--history", "nobody"], ["plan", "--without", "nobody", "--model", try Places.testModel("cnn.pt")],
                ["plan", "--pin", "nobody=0", "--model", try Places.testModel("cnn.pt")],
            ] {
                let unknown = try await CommandRun.run(
                    .command, arguments + ["--coordinator", cluster.address], in: cluster.folder)
                #expect(unknown.ending == .exited(64) && unknown.output.isEmpty, "\(unknown)")
                #expect(unknown.errors.contains("\"nobody") && unknown.errors.contains("w1"), "\(unknown)")
            }
            let last = try await cluster.command("drain", "w1")
            #expect(last.ending == .exited(1) && last.errors.contains("--force"), "\(last)")
            let undo = try await cluster.command("drain", "w1", "--undo")
            #expect(undo.ending == .exited(1) && undo.errors.contains("not drained"), "\(undo)")
            let forced = try await cluster.command("drain", "w1", "--force")
            #expect(forced.ending == .exited(0), "\(forced)")
            try await cluster.status("nobody serves") { $0.state == "waiting" && $0.state(of: "w1") == "drained" }
            let back = try await cluster.command("drain", "w1", "--undo")
            #expect(back.ending == .exited(0), "\(back)")
            try await cluster.status("it serves again") { $0.serves(stages: 1) }
        }
    }

    @Test("SIGTERM to a worker under load: exit 0, nothing replayed, nobody waits for the plan without it")
    func workerSignal() async throws {
        try await withCluster("cnn", coordinatorOptions: LooseProcesses.steady) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let counts = try await Load.during(client) { load in
                cluster.workers[1].send(SIGTERM)
                #expect(try await cluster.workers[1].end() == .exited(0), "\(cluster.workers[1].report)")
                try await cluster.status("two stages") { $0.serves(stages: 2) }
            }
            #expect(counts.isClean, "\(counts)")
            let status = try await cluster.cleanStatus()
            #expect(status.counters.microBatchesReplayed == 0 && status.counters.nodesLost == 0, "\(status.counters)")
        }
    }

    @Test("SIGTERM to the only worker with a request under way: it is answered, then exit 0")
    func lastWorker() async throws {
        try await withCluster("slow", workers: 1) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let slow = try ConcurrencyTests.slowInputs(try await client.model())
            async let reply = client.infer(slow)
            try await cluster.status("it is under way") { $0.microBatchesInFlight == 1 }
            cluster.workers[0].send(SIGTERM)
            #expect(try await reply.outputs.map(\.shape) == [[1, 4]])
            #expect(try await cluster.workers[0].end() == .exited(0), "\(cluster.workers[0].report)")
        }
    }

    @Test("a coordinator that ends takes nothing new, and says when to try again")
    func coordinatorAdmission() async throws {
        try await withCluster("slow", workers: 1) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let manifest = try await client.model()
            let slow = try ConcurrencyTests.slowInputs(manifest)
            async let reply = client.infer(slow)
            try await cluster.status("it is under way") { $0.requestsInFlight == 1 }
            cluster.coordinator.send(SIGTERM)
            _ = try await cluster.coordinator.line("that it drains", on: .stderr) { $0.contains("draining") }
            // Its deadline is nearer than the hint: the client does not wait for another try.
            let quick = try TestInputs.make(manifest, items: 1)
            let error = await #expect(throws: ClientError.self) { try await client.infer(quick, deadline: .milliseconds(500)) }
            #expect(error?.code == .unavailable && error?.message.contains("shutting down") == true, "\(String(describing: error))")
            #expect(try await reply.outputs.map(\.shape) == [[1, 4]])
            #expect(try await cluster.coordinator.end() == .exited(0), "\(cluster.coordinator.report)")
        }
    }
}
