import Base
internal import Shell
internal import Topology

extension FuzzBody {
    /// A text as a compose file, as a settings file, and, where it is short, as the options that name workers.
    enum Topology {
        /// As long as a command line has them.
        private static let optionByteCount = 300
        private static let environment = ["PORT": "9001", "EMPTY": "", "COMPOSE_PROFILES": "edge"]
        /// One of each kind.
        private static let options = [
            KnownOption("deadline"), KnownOption("insecure", .flag), KnownOption("model", .path), KnownOption("input", .repeated),
            KnownOption("topology", .pathOrDNS),
        ]

        static func run(_ bytes: UnsafeRawBufferPointer) -> Outcome {
            guard let text = String(validating: bytes, as: UTF8.self) else { return .refused }
            var outcome = Outcome.refused
            do {
                let topology = try ComposeFile.parse(
                    text: text, file: "compose.yaml", directory: "/srv", environment: environment, knownOptions: options)
                for worker in topology.workers { check(worker) }
                check(topology.coordinatorOptions)
                outcome = .accepted
            } catch { check(error) }
            do {
                check(try ConfigFile.parse(text: text, file: "settings.yaml", directory: "/srv", knownOptions: options))
                outcome = .accepted
            } catch { check(error) }
            guard bytes.count <= optionByteCount else { return outcome }
            do {
                for worker in try WorkerList.parse(text) { check(worker) }
                outcome = .accepted
            } catch { check(error) }
            do {
                guard case .dns(_, let port) = try TopologySource(parsing: "dns:" + text) else { return outcome }
                expect(port > 0, "port 0 cannot be dialled: \(text)")
                return .accepted
            } catch {
                check(error)
                return outcome
            }
        }

        /// What was accepted can be dialled, and shown.
        private static func check(_ worker: WorkerService) {
            expect(worker.port > 0, "\(worker.name) has port 0")
            expect(WorkerName.problem(withWorker: worker.name) == nil, "no worker can be called \"\(worker.name)\"")
            expect(worker.memoryBytes.map { $0 > 0 } ?? true, "\(worker.name) has \(worker.memoryBytes ?? 0) bytes")
            expect(worker.cpus.map { $0 > 0 && $0.isFinite } ?? true, "\(worker.name) has \(worker.cpus ?? 0) cores")
            let addresses = [HostPort(host: worker.host, port: worker.port)] + worker.publishedAddresses + worker.fixedAddresses
            for address in addresses { expect(!address.description.isEmpty, "an address is empty") }
        }

        /// Every option is one that there is, and becomes arguments.
        private static func check(_ values: OptionValues) {
            expect(values.values.keys.allSatisfy { name in options.contains { $0.name == name } }, "options: \(values)")
            expect(values.arguments(notGivenIn: []).allSatisfy { $0.hasPrefix("--") }, "arguments: \(values)")
        }

        /// A message names the problem and the fix, in a length that a terminal shows.
        private static func check(_ error: TopologyError) { expect(!error.description.isEmpty, "an error says nothing") }
    }
}
