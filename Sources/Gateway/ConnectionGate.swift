internal import HTTPTypes
internal import Logging
internal import NIOCore
internal import NIOHTTPTypes
internal import Synchronization

/// All connections of a server: carries out what the ``ConnectionTable`` says.
///
/// ## Concurrency model
/// The table is under a mutex, as channels may be on any of the server's threads; closing happens outside it.
final class ConnectionGate: Sendable {
    private struct State {
        var table: ConnectionTable
        var channels: [UInt64: any Channel] = [:]
        var clients: [ObjectIdentifier: ClientConnection] = [:]
        var lastID: UInt64 = 0
    }

    private let state: Mutex<State>

    init(_ limits: GatewayLimits) {
        state = Mutex(State(table: ConnectionTable(perAddress: limits.unfinishedPerAddress, total: limits.connections)))
    }

    /// The larger of the table and the channels, which are the same unless one of them keeps something.
    var count: Int { state.withLock { max($0.table.count, $0.channels.count, $0.clients.count) } }

    func add(_ channel: any Channel) -> (UInt64, ClientConnection) {
        let address = channel.remoteAddress?.ipAddress ?? "unknown"
        let (id, client, victim) = state.withLock { state in
            state.lastID += 1
            let id = state.lastID
            let victim = state.table.add(id, from: address, atMs: Self.nowMs)
            let client = ClientConnection(channel) { [weak self] in self?.takePlace(id) ?? false }
            state.channels[id] = channel
            state.clients[ObjectIdentifier(channel)] = client
            return (id, client, victim.flatMap { state.channels.removeValue(forKey: $0) })
        }
        if let victim { FrontDoor.end(victim) }
        return (id, client)
    }

    /// The connection as its handlers see it.
    func client(on channel: any Channel) -> ClientConnection {
        state.withLock { $0.clients[ObjectIdentifier(channel)] } ?? ClientConnection(channel)
    }

    func enter(_ phase: ConnectionTable.Phase, _ id: UInt64) {
        state.withLock { $0.table.enter(phase, id, atMs: Self.nowMs) }
    }

    private func takePlace(_ id: UInt64) -> Bool { state.withLock { $0.table.takePlace(id, atMs: Self.nowMs) } }

    func remove(_ id: UInt64, _ channel: any Channel) {
        state.withLock { state in
            state.table.remove(id)
            state.channels[id] = nil
            state.clients[ObjectIdentifier(channel)] = nil
        }
    }

    private static var nowMs: UInt64 { NIODeadline.now().uptimeNanoseconds / 1_000_000 }
}

/// Tells the gate what one connection is doing, and ends it where its first request does not come in time after its start.
final class ConnectionWatch: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let gate: ConnectionGate
    private let headLimit: TimeAmount
    private let logger: Logger
    private var id: UInt64?
    private var client: ClientConnection?
    /// What the reply that is being written keeps.
    private var held: (any AnyObject & Sendable)?
    private var headDeadline: Scheduled<Void>?
    /// Requests whose head came and whose replies are not out.
    private var owed = 0
    /// The last of them has not come whole. Its reply may be out before: a refusal does not wait for the body.
    private var isReading = false
    /// Why it ends stands in the log: a line for each connection at most.
    private var endIsSaid = false

    init(gate: ConnectionGate, headLimit: Duration, logger: Logger) {
        self.gate = gate
        self.headLimit = TimeAmount(headLimit)
        self.logger = logger
    }

    func handlerAdded(context: ChannelHandlerContext) { if context.channel.isActive { begin(context) } }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard id == nil else { return }
        let channel = context.channel
        (id, client) = gate.add(channel)
        // With TLS this runs before the handshake: it has no time beside that of the head.
        headDeadline = context.eventLoop.scheduleTask(in: headLimit) { FrontDoor.end(channel) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(context)
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { end(context) }

    private func end(_ context: ChannelHandlerContext) {
        headDeadline?.cancel()
        headDeadline = nil
        if let id { gate.remove(id, context.channel) }
        id = nil
        held = nil
        client?.closed()
        client = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            headDeadline?.cancel()
            headDeadline = nil
            owed += 1
            isReading = true
            if owed == 1 { enterPhase() }
        case .end:
            isReading = false
            enterPhase()
        case .body: break
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head):
            // "You may send your body" is no reply.
            if head.status.kind != .informational {
                if let id { gate.enter(.replying, id) }
                held = client?.takeHeld()
            }
            context.write(data, promise: promise)
        case .body: context.write(data, promise: promise)
        case .end:
            let written = promise ?? context.eventLoop.makePromise(of: Void.self)
            let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
            let held = held.take()
            written.futureResult.whenComplete { _ in withExtendedLifetime(held) { bound.value.replied() } }
            context.write(data, promise: written)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is FrontDoor.Notice { endIsSaid = true }
        // No client ends its side before it has its answer, but one that was killed.
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { client?.depart() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if !endIsSaid {
            logger.debug(
                "an HTTP connection failed",
                metadata: ["peer": "\(context.remoteAddress?.ipAddress ?? "unknown")", "reason": "\(Self.brief("\(error)"))"])
        }
        endIsSaid = true
        context.fireErrorCaught(error)
    }

    /// BoringSSL names a place in its own sources behind each error.
    private static func brief(_ reason: String) -> String {
        String((reason.firstRange(of: " at /").map { reason[..<$0.lowerBound] } ?? reason[...]).prefix(200))
    }

    private func replied() {
        owed = max(0, owed - 1)
        enterPhase()
    }

    private func enterPhase() {
        guard let id else { return }
        gate.enter(owed > (isReading ? 1 : 0) ? .answering : isReading ? .asking : .idle, id)
    }
}
