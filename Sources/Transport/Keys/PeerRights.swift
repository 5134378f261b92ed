public import Wire

/// Who may say what at which server: the one table of it. Answers to a peer need no right, what a peer sends on its own does.
///
/// It holds where peers prove who they are. In plain text nobody does, and every peer that is let in may say everything.
public enum PeerRights {
    public enum Server: String, Sendable, Hashable, CaseIterable { case coordinator, worker }

    /// What peers with a key of this kind may send to that server.
    public static func messages(of kind: PeerIdentity.Kind, at server: Server) -> Set<Message.Kind> {
        switch (server, kind) {
        // A worker that registers.
        case (.coordinator, .cluster): [.hello, .register]
        case (.coordinator, .client): questions
        case (.coordinator, .operator): questions.union([.drainRequest])
        // The coordinator's orders, and what the stages before this one send.
        case (.worker, .cluster):
            [
                .hello, .ping, .peerTable, .loadPartition, .releasePartition, .cancelWork, .released, .partitionData, .linkProbe,
                .work,
            ]
        case (.worker, .client), (.worker, .operator): []
        case (_, .health): [.hello]
        }
    }

    private static let questions: Set<Message.Kind> = [
        .hello, .inferRequest, .cancelRequest, .statusRequest, .modelRequest, .ping,
    ]

    /// The roles that a peer with a key of this kind may say it has.
    public static func roles(of kind: PeerIdentity.Kind, at server: Server) -> Set<Role> {
        switch (server, kind) {
        case (.coordinator, .cluster): [.worker, .coordinator]
        case (.coordinator, .client), (.coordinator, .operator), (.coordinator, .health): [.client]
        case (.worker, .cluster): [.coordinator, .worker]
        case (.worker, .client), (.worker, .operator): []
        // It asks as another worker would, and says no more.
        case (.worker, .health): [.worker]
        }
    }

    /// Why a peer may not send this, or `nil` where it may.
    public static func objection(to message: Message, by peer: PeerIdentity, at server: Server) -> String? {
        if case .hello(let hello) = message {
            if roles(of: peer.kind, at: server).contains(hello.role) { return nil }
            return
                "this is a \(server.rawValue): the key \(peer) does not make a \(hello.role) here\(remedy(hello.role, peer.kind, server))"
        }
        if messages(of: peer.kind, at: server).contains(message.kind) { return nil }
        return
            "the key \(peer) may not send \(message.kind) to a \(server.rawValue)\(remedy(message.kind, peer.kind, server))"
    }

    /// What says hello as something that its key does not make.
    private static func remedy(_ role: Role, _ kind: PeerIdentity.Kind, _ server: Server) -> String {
        switch (kind, role, server) {
        case (.health, _, .coordinator): "; to check a coordinator, ask with --coordinator"
        case (.health, _, .worker): "; to check a worker, ask with --worker"
        case (_, .client, _): "; to ask or infer needs a client's or operator's key (amp4ec secret --derive client)"
        case (_, .worker, _), (_, .coordinator, _): "; workers need the cluster key (amp4ec secret --derive cluster)"
        }
    }

    private static func remedy(_ message: Message.Kind, _ kind: PeerIdentity.Kind, _ server: Server) -> String {
        guard
            let able = [PeerIdentity.Kind.client, .operator, .cluster].first(where: {
                messages(of: $0, at: server).contains(message)
            })
        else { return "" }
        return able == .cluster
            ? "; that is for workers, which have the cluster key"
            : "; that needs \(able == .operator ? "an operator's" : "a client's or operator's") key (amp4ec secret --derive \(able.rawValue))"
    }
}
