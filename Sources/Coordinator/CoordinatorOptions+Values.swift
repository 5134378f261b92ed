internal import ArgumentParser
internal import Base
package import Shell
internal import Tensors
package import Topology
internal import Wire

extension CoordinatorOptions {
    /// What a compose file's `x-amp4ec` and a `--config` file may set: each option but `--config`. One without a row here is refused in files.
    package static let known: [KnownOption] = [
        option("topology", .pathOrDNS, namesTopology: true), option("env-file", .paths, namesTopology: true),
        option("workers", namesTopology: true), option("model", .path), option("spec", .repeated, oldName: "input"),
        option("example", .path), option("listen"), option("http"), option("http-token-file", .paths),
        option("http-tls-cert", .path),
        option("http-tls-key", .path), option("http-insecure", .flag), option("http-host", .repeated), option("http-max-body"),
        option("result-cache"),
        option("optimize"), option("strategy"), option("shape"), option("objective"), option("cost"), option("maximum-load"),
        option("micro-batch"), option("batch"),
        option("compress"), option("heartbeat-timeout"), option("join-timeout"), option("deadline"), option("queue-limit"),
        option("drain-timeout"),
        option("state-dir", .path), option("cluster-secret-file", .paths), option("accept-plain", .flag),
        option("revoke", .repeated), option("insecure", .flag), option("log-level"),
    ]

    private static func option(
        _ name: String, _ kind: KnownOption.Kind = .value, oldName: String? = nil, namesTopology: Bool = false
    ) -> KnownOption {
        KnownOption(name, kind, oldName: oldName, namesTopology: namesTopology) { value in
            kind == .flag ? nil : refusal(ofOption: name, value: value)
        }
    }

    /// Why a value would be refused on the command line, in the words of a file; `nil` where it is taken.
    private static func refusal(ofOption name: String, value: String) -> ValueRefusal? {
        do {
            let options = try parse(["--\(name)=\(value)"])
            _ = try options.checkedValues()
            if let list = options.workers { _ = try WorkerList.parse(list) }
            if !options.topology.isEmpty { _ = try TopologySource(parsing: options.topology) }
            return nil
        } catch let error as BadOption {
            return ValueRefusal(problem: error.problem, fix: error.fix)
        } catch let error as TopologyError {
            return ValueRefusal(problem: error.problem, fix: error.fix)
        } catch {
            switch name {
            case "micro-batch": return ValueRefusal(problem: "\"\(value)\" is no number of items", fix: "write auto, or 1 to 4096")
            case "maximum-load": return ValueRefusal(problem: "\"\(value)\" is no share", fix: "write a number above 0, at most 1")
            default: return ValueRefusal(error, thrownBy: Self.self)
            }
        }
    }

    /// A worker is suspect after half of it: that must be two heartbeats, so that one that comes late costs nothing.
    static let leastHeartbeatTimeout: Duration = .seconds(1)

    /// A single value that the parser takes and that cannot be.
    package struct BadOption: ExitStatusProviding, Hashable, CustomStringConvertible {
        let option: String
        let problem: String
        let fix: String
        package var exitStatus: ExitStatus { .usage }
        package var description: String { "--\(option): \(problem); \(fix)" }
    }

    /// Checks each value by itself, as far as the parser cannot.
    func checkedValues() throws(BadOption) -> (inputs: [TensorSpec], level: OptimizationLevel) {
        guard let level = OptimizationLevel.allCases.first(where: { $0.name == optimize }) else {
            throw BadOption(
                option: "optimize",
                problem: optimize == "O2" ? "O2 (int8) does not exist yet" : "there is no level \"\(optimize)\"",
                fix: "use \(OptimizationLevel.allCases.map(\.name).joined(separator: " or "))")
        }
        guard maximumLoad > 0, maximumLoad <= 1 else {
            throw BadOption(
                option: "maximum-load", problem: "it is a share of a worker's cores, above 0 and at most 1, not \(maximumLoad)",
                fix: "write 0.8")
        }
        if let queueLimit, queueLimit <= .zero {
            throw BadOption(option: "queue-limit", problem: "it is a time above 0", fix: "write it like 200ms, or leave it out")
        }
        guard deadline > .zero else {
            throw BadOption(option: "deadline", problem: "it is a time above 0", fix: "write it like 60s")
        }
        guard heartbeatTimeout >= Self.leastHeartbeatTimeout else {
            throw BadOption(
                option: "heartbeat-timeout",
                problem: "it must be at least \(Self.leastHeartbeatTimeout.optionText), for heartbeats come every 250 ms",
                fix: "write 2s"
            )
        }
        for name in httpHosts {
            guard let refusal = GatewaySettings.refusal(ofName: name) else { continue }
            throw BadOption(option: "http-host", problem: refusal.problem, fix: refusal.fix)
        }
        var inputs: [TensorSpec] = []
        for text in spec {
            do { inputs.append(try TensorSpec(parsing: text)) } catch {
                throw BadOption(option: "spec", problem: error.problem, fix: error.fix ?? "see --help")
            }
        }
        return (inputs, level)
    }
}
