import Foundation
import Glibc
import Testing
import Transport
import Wire

/// Commands against a coordinator that answers with figures and names that nobody can have.
@Suite("A coordinator that lies")
struct LyingCoordinatorTests {
    private static let most = "\(UInt64.max)"
    private static let name = "w\\u001b[2J\\nforged"

    /// A status whose numbers are what JSON holds and no integer does.
    private static func status(_ real: String) -> String {
        let timing =
            #"{"micro_batches":\#(most),"receive_ms":\#(real),"decode_ms":\#(real),"queue_ms":\#(real),"compute_ms":\#(real),"encode_ms":\#(real)}"#
        let partition =
            #"{"layers":"0..<9","archive_bytes":\#(most),"weight_bytes":\#(most),"loaded":true,"runs":\#(most),"items":\#(most),"mean_ms":\#(real)}"#
        let node =
            #"{"name":"\#(name)","address":"\#(name)","state":"ready","cause":"","capability":\#(real),"#
            + #""cpu":{"used_cores":\#(real),"quota_cores":\#(real),"throttled_share":\#(real),"process_cores":\#(real)},"#
            + #""memory":{"used_bytes":\#(most),"limit_bytes":\#(most),"process_bytes":\#(most)},"#
            + #""network":{"received_bytes":\#(most),"sent_bytes":\#(most),"received_bytes_per_second":\#(real),"sent_bytes_per_second":\#(real)},"#
            + #""load":\#(Int.max),"queued":\#(UInt32.max),"executing":\#(UInt32.max),"completed":\#(most),"round_trip_ms":\#(real),"#
            + #""timing":\#(timing),"partitions":[\#(partition),\#(partition)],"pinned_stage":\#(Int.max)}"#
        let stage =
            #"{"first_layer":\#(Int.min),"last_layer":\#(Int.max),"replicas":["\#(name)"],"cost":\#(real),"measured_ms":[\#(real)],"#
            + #""parameter_bytes":\#(Int.min),"input_bytes":\#(Int.max)}"#
        let link =
            #"{"from":"\#(name)","to":"b","connected":true,"messages":\#(most),"raw_bytes":\#(most),"wire_bytes":1,"#
            + #""bandwidth_bytes_per_second":\#(real),"compressed_share":\#(real)}"#
        let counters = [
            "requests_completed", "requests_cached", "requests_failed", "requests_rejected", "requests_cancelled",
            "micro_batches_dispatched", "micro_batches_replayed", "results_dropped", "plans", "drift_plans", "nodes_lost",
            "archives_sent", "cache_hits", "cache_misses", "cache_bytes", "cache_entries",
        ].map { "\"\($0)\":\(most)" }.joined(separator: ",")
        return
            #"{"state":"serving","nodes":[\#(node)],"plan":{"generation":\#(most),"stages":[\#(stage)],"micro_batch":\#(Int.min),"#
            + #""predicted_items_per_second":\#(real),"predicted_latency_ms":\#(real),"corrected_items_per_second":\#(real),"#
            + #""strategy":"x","reasons":[]},"links":[\#(link)],"requests_in_flight":\#(Int.max),"micro_batches_in_flight":1,"#
            + #""held_bytes":\#(Int.max),"counters":{\#(counters)},"request_latency":{"buckets":[],"count":\#(most),"sum_seconds":\#(real)},"#
            + #""standby":[{"without":"a","stages":[\#(stage)],"staged":false,"cause":"\#(name)"}]}"#
    }

    private static func history(_ real: String) -> String {
        func sample(_ time: Int64) -> String {
            #"{"time_ms":\#(time),"state":"ready","cpu_used_cores":\#(real),"cpu_quota_cores":\#(real),"cpu_throttled_share":\#(real),"#
                + #""process_cpu_cores":\#(real),"memory_used_bytes":\#(most),"memory_limit_bytes":\#(most),"process_bytes":\#(most),"#
                + #""network_received_bytes":\#(time < 0 ? "0" : most),"network_sent_bytes":0,"queued":0,"executing":0,"completed":0,"round_trip_ms":\#(real)}"#
        }
        return
            #"{"storage":"memory","limit":1,"nodes":[{"name":"\#(name)","samples":[\#(sample(.min)),\#(sample(.max))]}],"events":[]}"#
    }

    @Test("status, plan and history are shown", arguments: ["1e30", "-1e30", "1e200", "1.7976931348623157e308", "-0.0", "5e-324"])
    func shown(real: String) async throws {
        for (arguments, document) in [
            (["status"], Self.status(real)), (["status", "--json"], Self.status(real)), (["plan"], Self.status(real)),
            (["plan", "--json"], Self.status(real)), (["status", "--history"], Self.history(real)),
            (["status", "--history", "--json"], Self.history(real)),
        ] {
            let liar = try LyingCoordinator(document: document)
            let run = try await CommandRun.run(
                .command, arguments + ["--coordinator", "127.0.0.1:\(liar.port)"], in: TemporaryFolder())
            #expect(run.ending == .exited(0), "\(arguments): \(run)")
            // Nothing in a name is obeyed by the terminal, and none makes a line of its own.
            #expect(!run.output.contains("\u{1B}") && !run.output.contains("\nforged"), "\(arguments): \(run)")
            #expect(run.output.contains("forged"), "\(arguments): \(run)")
        }
    }

    @Test("what is no document is an error, not the end of the command", arguments: ["", "{", "[]", #"{"state":1e400}"#])
    func refused(document: String) async throws {
        let liar = try LyingCoordinator(document: document)
        let run = try await CommandRun.run(
            .command, ["status", "--coordinator", "127.0.0.1:\(liar.port)", "--deadline", "2s"], in: TemporaryFolder())
        guard case .exited(let code) = run.ending else {
            Issue.record("\(run)")
            return
        }
        #expect(code != 0 && !run.errors.isEmpty, "\(run)")
    }
}

/// Welcomes whoever comes and answers the first question of each connection with one document.
///
/// ## Concurrency model
/// A thread of its own, which ends with the listening socket.
private final class LyingCoordinator {
    let port: UInt16
    private let descriptor: Int32

    init(document: String) throws {
        let listening = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = RawPeer.withLoopback(port: 0) { bind(listening, $0, $1) }
        let named = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listening, $0, &length) }
        }
        guard listening >= 0, bound == 0, listen(listening, 8) == 0, named == 0 else {
            throw RawPeer.Failure(description: "no port to lie on: \(String(cString: strerror(errno)))")
        }
        descriptor = listening
        port = UInt16(bigEndian: address.sin_port)
        let welcome = try Self.frame(
            .welcome(Welcome(role: .coordinator, name: "liar", software: "", incarnation: IncarnationID(bits: 1), term: 1)))
        let reply = try Self.frame(.statusReply(StatusReply(id: 1)), payload: Array(document.utf8), stream: 2)
        let context = try Security.current.accepting(as: .coordinator)
        Thread.detachNewThread {
            while case let accepted = accept(listening, nil, nil), accepted >= 0 {
                guard let connection = try? context.map({ try TLSTunnel(accepted, $0, isServer: true).end }) ?? accepted else {
                    continue
                }
                for answer in [welcome, reply] {
                    guard Self.hears(connection) else { break }
                    _ = answer.withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                }
                // Until the other side has gone.
                while Self.hears(connection) {}
                close(connection)
            }
        }
    }

    deinit {
        shutdown(descriptor, Int32(SHUT_RDWR))
        close(descriptor)
    }

    private static func hears(_ connection: Int32) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        return recv(connection, &buffer, buffer.count, 0) > 0
    }

    private static func frame(_ message: Message, payload: [UInt8] = [], stream: UInt32 = 1) throws -> [UInt8] {
        let encoded = try MessageCodec.encode(message)
        var header = FrameHeader(
            kind: encoded.kind, stream: stream, metadataByteCount: encoded.metadata.count, payloadByteCount: payload.count,
            totalPayloadByteCount: payload.count)
        let checksum = payload.withUnsafeBytes { CRC32C.checksum($0) }
        encoded.metadata.withUnsafeBytes { header.seal(metadata: $0, payloadChecksum: checksum) }
        return RawPeer.bytes(of: header) + encoded.metadata + payload
    }
}
