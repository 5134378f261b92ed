internal import Base
public import Wire

/// Whom the worker obeys: the coordinator that holds it, as long as that one lives, and after it whoever comes
/// with a later term; everybody else is told who holds it. A living holder is not left for a later term either: a second coordinator that
/// was started by mistake gets one from the first worker whose connection to the right one breaks, and would take all the others with it.
///
/// A living holder's connections are replaced only by who repeats its token: its session stands in each micro-batch's key, which all
/// workers see. What a hello says takes effect once it is accepted, and nothing of it before.
extension WorkerMachine {
    mutating func opened(_ connection: ConnectionID, _ hello: Hello, _ now: Instant, _ out: inout [Directive]) {
        switch hello.role {
        case .client:
            out.append(
                .refuse(
                    connection,
                    Refused(
                        code: .failedPrecondition,
                        message: "this is worker \"\(name)\", which takes no inference requests; connect to the coordinator")))
        case .worker:
            guard hello.channel == .data else {
                out.append(
                    .refuse(
                        connection,
                        Refused(code: .failedPrecondition, message: "workers open data connections to each other, no others")))
                return
            }
            accept(connection, hello, &out)
        case .coordinator:
            openedByCoordinator(connection, hello, now, &out)
        }
    }

    private mutating func openedByCoordinator(_ connection: ConnectionID, _ hello: Hello, _ now: Instant, _ out: inout [Directive])
    {
        guard let offered = hello.claim else {
            out.append(
                .refuse(
                    connection, Refused(code: .invalidArgument, message: "a coordinator's hello must carry its term and session")))
            return
        }
        if let refusal = refusal(of: offered, on: hello.channel, now) {
            out.append(.refuse(connection, refusal))
            return
        }
        if let claim, offered.session != claim.session { supersede(&out) }
        if let old = resultChannel, offered.holder != claim?.holder {
            drop(old, "replaced by another connection of the coordinator", &out)
            resultChannel = nil
        }
        if claim?.session != offered.session {
            log(
                .info, "obeying a coordinator",
                ["coordinator": hello.name, "term": "\(offered.term)", "session": offered.session.description], &out)
        }
        claim = offered
        holderName = hello.name
        // What it was called by an earlier coordinator, or at another address, means nothing to this one.
        if let assigned = hello.assignedName, hello.channel == .control { rename(assigned) }
        lastHeardFromCoordinator = now
        switch hello.channel {
        case .control:
            if let old = control, old != connection { drop(old, "replaced by a newer control connection", &out) }
            // The coordinator opens a new one only after it has written off what it had here.
            cancelAll(&out)
            control = connection
        case .data:
            if let old = resultChannel, old != connection { drop(old, "replaced by a newer data connection", &out) }
            resultChannel = connection
        }
        accept(connection, hello, &out)
        if hello.channel == .control { repeatLeaving(&out) }
    }

    /// At the end of the range no term comes after another: one peer's absurd term must not lock out every coordinator after it, so there
    /// the silence of the holder decides alone.
    private static func comesAfter(_ offered: UInt64, _ current: UInt64) -> Bool {
        offered > current || offered >= WireRanges.terms.upperBound
    }

    /// Why a coordinator's hello is not taken.
    private func refusal(of offered: CoordinatorClaim, on channel: Channel, _ now: Instant) -> Refused? {
        let isHeld = control != nil && now - lastHeardFromCoordinator < Self.holdTimeout
        if let current = claim, offered.session != current.session {
            guard Self.comesAfter(offered.term, current.term), !isHeld else {
                let holder =
                    isHeld
                    ? "coordinator \"\(holderName)\" holds this worker" : "a coordinator of a later term has held this worker"
                return Refused(
                    code: .superseded,
                    message: "\(holder) (term \(current.term)); stop that coordinator, or give this one other workers",
                    term: current.term, isHeld: isHeld)
            }
        }
        let isHolder = offered.session == claim?.session && offered.holder == claim?.holder
        if let current = claim, offered.session == current.session, !isHolder, isHeld {
            // Most likely the same coordinator by another address of this process, which it knows by its incarnation.
            return Refused(
                code: .superseded, message: "coordinator \"\(holderName)\" holds this worker already, by another connection",
                term: current.term, isHeld: true, incarnation: configuration.incarnation)
        }
        if channel == .data, control == nil || !isHolder {
            return Refused(
                code: .failedPrecondition,
                message:
                    "worker \"\(name)\" has no control connection of this coordinator; where several workers answer at one address "
                    + "(a load balancer, a service's virtual IP), list an address of each, or a name that resolves to all of them")
        }
        return nil
    }

    private mutating func accept(_ connection: ConnectionID, _ hello: Hello, _ out: inout [Directive]) {
        connections[connection] = hello
        out.append(
            .send(
                connection,
                .welcome(
                    Welcome(
                        role: .worker, name: name.name, software: configuration.software, incarnation: configuration.incarnation,
                        term: claim?.term ?? 0))))
    }

    /// Ends everything that belongs to the coordinator obeyed so far.
    private mutating func supersede(_ out: inout [Directive]) {
        for old in [control, resultChannel].compactMap({ $0 }) { drop(old, "superseded by a later term", &out) }
        control = nil
        resultChannel = nil
        peerTableVersion = 0
        peerPages = nil
        forgetOrders(&out)
        cancelAll(&out)
    }

    // MARK: For the shell

    /// Where heartbeats go.
    public var controlConnection: ConnectionID? { control }
    /// Where results go, and archives and work come from.
    public var resultConnection: ConnectionID? { resultChannel }
    /// What the coordinator that is obeyed wants of activations.
    public var compression: CompressionMode { claim?.compression ?? .auto }

    /// Whether work that comes on the connection counts: the coordinator's, or that of a process that stands in the peer table.
    public func takesWork(from connection: ConnectionID) -> Bool {
        if connection == resultChannel { return true }
        guard let hello = connections[connection], hello.role == .worker else { return false }
        return peerIncarnations.contains(hello.incarnation)
    }

    /// Nobody waits any more for anything that is held. In a fixed order, so that the same events give the same directives.
    private mutating func cancelAll(_ out: inout [Directive]) {
        for key in work.keys.sorted(by: { ($0.request, $0.microBatch, $0.attempt) < ($1.request, $1.microBatch, $1.attempt) }) {
            cancel(key, report: false, &out)
        }
    }

    mutating func drop(_ connection: ConnectionID, _ why: String, _ out: inout [Directive]) {
        connections[connection] = nil
        out.append(.close(connection, why))
        endSending(on: connection, &out)
    }

    mutating func closed(_ connection: ConnectionID, _ out: inout [Directive]) {
        connections[connection] = nil
        if connection == control {
            control = nil
            log(.warning, "the coordinator's control connection closed; keeping partitions and waiting for it", [:], &out)
            // It takes the node for lost and sends everything again elsewhere, also where its data connection still stands.
            cancelAll(&out)
            if isLeaving { drain(&out) }
        }
        if connection == resultChannel { resultChannel = nil }
        for (node, state) in peers.sorted(by: { $0.key < $1.key }) {
            if case .connected(connection) = state.link { peerClosed(node, "the connection closed", &out) }
        }
        endSending(on: connection, &out)
    }

    /// What was being sent on a connection that ended: whether it has arrived nobody here can say, so the coordinator decides.
    private mutating func endSending(on connection: ConnectionID, _ out: inout [Directive]) {
        let concerned = work.filter { $0.value.phase == .forwarding && $0.value.connection == connection }.keys
        for key in concerned.sorted(by: { ($0.request, $0.microBatch, $0.attempt) < ($1.request, $1.microBatch, $1.attempt) }) {
            giveBack(key, &out)
        }
    }

    mutating func received(_ connection: ConnectionID, _ message: Message, _ now: Instant, _ out: inout [Directive]) {
        if connection == control || connection == resultChannel { lastHeardFromCoordinator = now }
        if case .ping(let ping) = message {
            answer(ping, on: connection, now, &out)
            return
        }
        // Orders count only on the control connection of the coordinator that is obeyed.
        guard connection == control else { return }
        switch message {
        case .peerTable(let table): adopt(table, &out)
        case .loadPartition(let order): load(order, &out)
        case .releasePartition(let order): out.append(.releasePartition(order.key))
        case .cancelWork(let order):
            for key in order.keys { cancel(key, report: true, &out) }
        case .released:
            isReleased = isLeaving
            if isLeaving { drain(&out) }
        default: break
        }
    }
}
