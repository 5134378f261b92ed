internal import Base
public import Wire

/// An operator's wish: take a node out of service, or back.
public struct NodeDrain: Sendable, Hashable {
    public var node: String
    public var undo: Bool
    /// Also where nothing serves without it.
    public var force: Bool
    /// Who wishes it, for the history.
    public var by: String

    public init(node: String, undo: Bool, force: Bool, by: String) {
        self.node = node
        self.undo = undo
        self.force = force
        self.by = by
    }
}

/// What came of it.
public enum DrainOutcome: Sendable, Hashable {
    case done(String)
    case refused(StatusCode, String)
}

/// Who drains nodes: the coordinator.
public protocol DrainSource: Sendable {
    /// Waits until it is done or refused.
    /// - Returns: `nil` where that takes longer than `limit`; it goes on then.
    func drain(_ wish: NodeDrain, limit: Duration) async -> DrainOutcome?
}

/// `POST /nodes/{name}/drain`.
struct DrainRoute: Sendable {
    /// A request waits no longer for what may take minutes: silent connections are closed after half a minute.
    static let limit: Duration = .seconds(20)
    /// `{"force":true}` needs fourteen.
    static let bodyLimit = 256
    /// Longer than any node's name can be.
    static let nameLimit = 1_024

    let source: any GatewaySource
    let drains: any DrainSource

    var route: Route {
        Route(.post, "/nodes/{name}/drain", .operator, maximumBodyBytes: Self.bodyLimit) { await answer($0) }
    }

    private struct Options: Decodable {
        var force: Bool?
        var undo: Bool?
    }

    /// As `amp4ec drain --json` prints it.
    private struct Done: Encodable {
        let node: String
        let outcome: String
    }

    private func answer(_ request: HTTPRequestValue) async -> HTTPReply {
        let name = request.parameters["name"] ?? ""
        guard name.utf8.count <= Self.nameLimit else {
            return .error(404, "no node has a name of \(name.utf8.count) bytes; GET \(OperatorRoutes.statusPath) lists the nodes")
        }
        let options: Options
        do { options = request.body.isEmpty ? Options() : try JSONBody.decode(request.body) } catch {
            return .error(
                400, #"the body is not {"force":true} or {"undo":true} (JSON, true or false); send one of them, or no body"#)
        }
        let (undo, force) = (options.undo ?? false, options.force ?? false)
        guard !undo || !force else { return .error(400, "undo and force exclude each other; send one of them") }
        let wish = NodeDrain(node: name, undo: undo, force: force, by: request.caller.description)
        switch await drains.drain(wish, limit: Self.limit) {
        case .done(let outcome): return .json(Done(node: name, outcome: outcome))
        case .refused(let code, let message): return .error(Self.status(of: code), message)
        case nil:
            guard await source.isAlive() else { return OperatorRoutes.silence }
            return .json(
                Done(node: name, outcome: "\(name) is draining: it serves until a plan without it does, and what runs on it ends"),
                status: 202)
        }
    }

    private static func status(of code: StatusCode) -> Int {
        switch code {
        case .invalidArgument: 404
        case .failedPrecondition, .cancelled: 409
        case .resourceExhausted: 429
        case .unavailable: 503
        default: 500
        }
    }
}
