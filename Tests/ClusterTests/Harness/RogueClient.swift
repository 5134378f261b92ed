import AMP4ECClient
import Tensors
import Transport
import Wire

/// A client that has said hello as it should, and from then on does as a test wants.
///
/// ## Concurrency model
/// `Sendable`, as its connection is.
final class RogueClient: Sendable {
    enum Outcome: Sendable {
        case reply(InferReply, [Tensor])
        case error(InferError)

        var tensors: [Tensor]? { if case .reply(_, let tensors) = self { tensors } else { nil } }
        var code: StatusCode? { if case .error(let error) = self { error.code } else { nil } }
    }

    let connection: RogueConnection

    /// Connects and waits for the welcome.
    init(_ address: String, as kind: ClusterKey.Kind = .client, reads: Bool = true) async throws {
        connection = try RogueConnection(to: address, as: kind, reads: reads)
        try connection.send(RawPeer.hello)
        guard reads else { return }
        _ = try await connection.first("the coordinator's welcome") { if case .welcome = $0.message { true } else { nil } }
    }

    /// Many that have been welcomed, a few at a time: of connections whose handshake is under way an address may have only some hundred.
    static func many(_ count: Int, at address: String) async throws -> [RogueClient] {
        let atOnce = 32
        return try await withThrowingTaskGroup(of: RogueClient.self) { group in
            var clients: [RogueClient] = []
            for number in 0..<count {
                if number >= atOnce, let client = try await group.next() { clients.append(client) }
                group.addTask { try await RogueClient(address) }
            }
            for try await client in group { clients.append(client) }
            return clients
        }
    }

    /// One request's metadata and payload.
    struct Request: Sendable {
        let metadata: [UInt8]
        let payload: [UInt8]
    }

    static func request(
        _ id: UInt64, _ tensors: [Tensor], names: [String] = [], deadlineMilliseconds: UInt32 = 60_000
    ) throws -> Request {
        let (payload, headers) = try OutgoingPayload.raw(tensors)
        let message = InferRequest(id: id, deadlineMilliseconds: deadlineMilliseconds, names: names, tensors: headers)
        var bytes: [UInt8] = []
        payload.forEachPiece(in: 0..<payload.byteCount) { bytes += $0 }
        return Request(metadata: try MessageCodec.encode(.inferRequest(message)).metadata, payload: bytes)
    }

    func send(_ request: Request) { connection.send(.inferRequest, request.metadata, payload: request.payload) }

    /// The header and the first half of the payload, in one frame or several.
    func sendHalf(_ request: Request) -> RogueConnection.Stream {
        let half = Array(request.payload.prefix(request.payload.count / 2))
        let first = Array(half.prefix(WireLimits.frameByteCount))
        let stream = connection.begin(.inferRequest, request.metadata, payload: first, of: request.payload.count)
        connection.resume(stream, payload: Array(half.dropFirst(first.count)))
        return stream
    }

    func sendRest(_ request: Request, on stream: RogueConnection.Stream) {
        connection.resume(stream, payload: Array(request.payload.dropFirst(request.payload.count / 2)))
    }

    /// All answers to a number so far, in the order in which they came.
    func outcomes(of id: UInt64) throws -> [Outcome] {
        try connection.arrivals.compactMap { arrival in
            switch arrival.message {
            case .inferReply(let reply) where reply.id == id: .reply(reply, try arrival.tensors)
            case .inferError(let error) where error.id == id: .error(error)
            default: nil
            }
        }
    }

    /// Waits for the answer number `count` to a number.
    @discardableResult func outcome(of id: UInt64, number count: Int = 1, within limit: Duration = .seconds(10)) async throws
        -> Outcome
    {
        try await eventually("answer \(count) to request \(id)", within: limit) {
            let hasEnded = connection.isClosed
            if try outcomes(of: id).count >= count { return true }
            if hasEnded { throw RogueConnection.Failure(description: "closed before answer \(count) to request \(id)") }
            return false
        }
        return try outcomes(of: id)[count - 1]
    }

    func close() { connection.close() }
}
