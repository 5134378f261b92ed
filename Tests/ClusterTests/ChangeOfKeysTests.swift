import AMP4ECClient
import Base
import Cluster
import Testing
import Transport

/// Keys that come, change and go while a cluster serves: no request is lost, as docs/security.md says it is done.
///
/// Each process has the keys that the test gives it, so nothing has one by itself.
@Suite("Changes of keys under load", .plainText)
struct ChangeOfKeysTests {
    /// One root's key files, as people make them.
    private struct Keys {
        let folder: TemporaryFolder
        let name: String

        init(_ name: String, in folder: TemporaryFolder) throws {
            self.folder = folder
            self.name = name
            let root = try TestKeys.freshRoot()
            try TestKeys.write(root.secretText, to: folder.path("\(name).root"))
            for kind in [ClusterKey.Kind.cluster, .client] {
                try TestKeys.write(root.derived(kind).secretText, to: folder.path("\(name).\(kind.rawValue)"))
            }
        }

        func path(_ kind: ClusterKey.Kind) -> String { folder.path("\(name).\(kind.rawValue)") }
    }

    /// Workers and a coordinator on ports that stay, started again one after the other.
    private final class Rolling {
        private let processes: LooseProcesses
        private var workers: [(process: ProcessUnderTest, port: String)] = []
        private var coordinator: ProcessUnderTest?
        private(set) var address = ""
        private var addresses: [String] = []
        private var starts = 0

        init(_ processes: LooseProcesses) { self.processes = processes }

        private func options(_ keys: [Keys], _ kind: ClusterKey.Kind, _ acceptsPlain: Bool) -> [String] {
            keys.flatMap { ["--cluster-secret-file", $0.path(kind)] } + (acceptsPlain ? ["--accept-plain"] : [])
        }

        func start(_ keys: [Keys]) async throws {
            for number in 1...3 {
                let (process, address) = try await processes.worker("w\(number)", options(keys, .cluster, false))
                workers.append((process, TestCluster.port(address)))
                addresses.append(address)
            }
            try await startCoordinator(keys, acceptsPlain: false, port: "0")
        }

        private func startCoordinator(_ keys: [Keys], acceptsPlain: Bool, port: String) async throws {
            starts += 1
            (coordinator, address) = try await processes.coordinator(
                LooseProcesses.steady + ["--workers", addresses.joined(separator: ",")] + options(keys, .root, acceptsPlain),
                port: port, name: "coordinator-\(starts)")
        }

        /// Workers first, then the coordinator; what is ended ends politely.
        /// - Parameter client: asks whether all are there again.
        func restartAll(_ keys: [Keys], acceptsPlain: Bool = false, asking client: AMP4ECClient) async throws {
            for index in workers.indices {
                let (process, port) = workers[index]
                #expect(await process.terminate() == .exited(0), "\(process.report)")
                starts += 1
                workers[index].process = try await processes.worker(
                    "w\(index + 1)", options(keys, .cluster, acceptsPlain), port: port, log: "w\(index + 1)-\(starts)"
                ).process
                try await processes.status(client, "three stages after w\(index + 1)") { $0.serves(stages: 3) }
            }
            let last = try #require(coordinator)
            #expect(await last.terminate() == .exited(0), "\(last.report)")
            try await startCoordinator(keys, acceptsPlain: acceptsPlain, port: TestCluster.port(address))
            try await processes.status(client, "three stages after the coordinator") { $0.serves(stages: 3) }
        }

        func client(_ secret: AMP4ECClient.Secret, patience: Int? = nil) throws -> AMP4ECClient {
            var options = AMP4ECClient.Options()
            options.secret = secret
            options.maximumConnectFailures = patience
            return try AMP4ECClient(coordinator: address, options: options)
        }

        /// Whoever has that gets nothing any more, and is told why.
        func refuses(_ secret: AMP4ECClient.Secret, saying words: String) async throws {
            let client = try client(secret, patience: 1)
            defer { client.close() }
            do {
                _ = try await client.model()
                Issue.record("it is let in")
            } catch {
                #expect(error.message.contains(words), "\(error)")
            }
        }
    }

    @Test("from plain text to encryption")
    func toEncryption() async throws {
        try await withProcesses { processes in
            let keys = try Keys("new", in: processes.folder)
            let cluster = Rolling(processes)
            try await cluster.start([])
            let plain = try cluster.client(.none)
            defer { plain.close() }
            let before = try await Load.during(plain) { _ in
                try await cluster.restartAll([keys], acceptsPlain: true, asking: plain)
            }
            #expect(before.isClean, "\(before)")
            let keyed = try cluster.client(.file(keys.path(.client)))
            defer { keyed.close() }
            let after = try await Load.during(keyed) { _ in try await cluster.restartAll([keys], asking: keyed) }
            #expect(after.isClean, "\(after)")
            try await cluster.refuses(.none, saying: "takes encrypted connections alone")
        }
    }

    @Test("a rotation: from one root to another")
    func rotation() async throws {
        try await withProcesses { processes in
            let (old, new) = (try Keys("old", in: processes.folder), try Keys("new", in: processes.folder))
            let cluster = Rolling(processes)
            try await cluster.start([old])
            let first = try cluster.client(.file(old.path(.client)))
            defer { first.close() }
            try await cluster.refuses(.file(new.path(.client)), saying: "give both sides keys of the same root")
            let before = try await Load.during(first) { _ in
                try await cluster.restartAll([old, new], asking: first)
                try await cluster.restartAll([new, old], asking: first)
            }
            #expect(before.isClean, "\(before)")
            let second = try cluster.client(.file(new.path(.client)))
            defer { second.close() }
            let after = try await Load.during(second) { _ in try await cluster.restartAll([new], asking: second) }
            #expect(after.isClean, "\(after)")
            try await cluster.refuses(.file(old.path(.client)), saying: "give both sides keys of the same root")
        }
    }
}
