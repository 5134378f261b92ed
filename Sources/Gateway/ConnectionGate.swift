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
        var lastID: UInt64 = 0
    }

    private let state: Mutex<State>

    init(_ limits: GatewayLimits) {
        state = Mutex(State(table: ConnectionTable(perAddress: limits.unfinishedPerAddress, total: limits.connections)))
    }

    /// The larger of the table and the channels, which are the same unless one of them keeps something.
    var count: Int { state.withLock { max($0.table.count, $0.channels.count) } }

    func add(_ channel: any Channel) -> UInt64 {
        let address = channel.remoteAddress?.ipAddress ?? "unknown"
        let (id, victim) = state.withLock { state in
            state.lastID += 1
            let id = state.lastID
            let victim = state.table.add(id, from: address, atMs: Self.nowMs)
            state.channels[id] = channel
            return (id, victim.flatMap { state.channels.removeValue(forKey: $0) })
        }
        if let victim { FrontDoor.end(victim) }
        return id
    }

    func enter(_ phase: ConnectionTable.Phase, _ id: UInt64) {
        state.withLock { $0.table.enter(phase, id, atMs: Self.nowMs) }
    }

    func remove(_ id: UInt64) {
        state.withLock { state in
            state.table.remove(id)
            state.channels[id] = nil
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
    private var headDeadline: Scheduled<Void>?
    /// Requests that came whole and whose replies are not out.
    private var owed = 0
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
        id = gate.add(context.channel)
        let channel = context.channel
        // With TLS this runs before the handshake: it has no time beside that of the head.
        headDeadline = context.eventLoop.scheduleTask(in: headLimit) { FrontDoor.end(channel) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { end() }

    private func end() {
        headDeadline?.cancel()
        headDeadline = nil
        if let id { gate.remove(id) }
        id = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            headDeadline?.cancel()
            headDeadline = nil
            if owed == 0, let id { gate.enter(.asking, id) }
        case .end:
            owed += 1
            if let id { gate.enter(.answering, id) }
        case .body: break
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head:
            if let id { gate.enter(.replying, id) }
            context.write(data, promise: promise)
        case .body: context.write(data, promise: promise)
        case .end:
            let written = promise ?? context.eventLoop.makePromise(of: Void.self)
            let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
            written.futureResult.whenComplete { _ in bound.value.replied() }
            context.write(data, promise: written)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is FrontDoor.Notice { endIsSaid = true }
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
        if let id { gate.enter(owed > 0 ? .answering : .idle, id) }
    }
}
