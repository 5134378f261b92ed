import Base
import Transport
import Wire

/// A coordinator that claims a worker, rightly or not, and gives orders that no sane one gives.
///
/// ## Concurrency model
/// `Sendable`, as its connections are.
final class RogueCoordinator: Sendable {
    let address: String
    let term: UInt64
    let session: SessionID
    let compression: CompressionMode

    init(
        _ workerAddress: String, term: UInt64 = 1, session: SessionID = SessionID(bits: .random(in: 1 ... .max)),
        compression: CompressionMode = .auto
    ) {
        address = workerAddress
        self.term = term
        self.session = session
        self.compression = compression
    }

    enum Answer: Sendable {
        case welcome(Welcome)
        case refused(Refused)

        var welcome: Welcome? { if case .welcome(let welcome) = self { welcome } else { nil } }
        var refusal: Refused? { if case .refused(let refused) = self { refused } else { nil } }
    }

    /// Opens a channel and waits for what the worker says to it.
    func open(_ channel: Channel, assignedName: String? = nil) async throws -> (connection: RogueConnection, answer: Answer) {
        let connection = try RogueConnection(to: address, as: .cluster)
        try connection.send(
            .hello(
                Hello(
                    role: .coordinator, channel: channel, name: "rogue", software: "test", incarnation: IncarnationID(bits: 7),
                    claim: CoordinatorClaim(term: term, session: session, compression: compression),
                    assignedName: assignedName.map { NodeID($0) })))
        let answer = try await connection.first("the worker's answer to a coordinator's hello") { arrival -> Answer? in
            switch arrival.message {
            case .welcome(let welcome): .welcome(welcome)
            case .refused(let refused): .refused(refused)
            default: nil
            }
        }
        return (connection, answer)
    }
}
