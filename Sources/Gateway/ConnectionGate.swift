internal import HTTPTypes
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
        victim?.close(promise: nil)
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

/// Tells the gate what one connection is doing, and ends it where its first request does not come.
final class ConnectionWatch: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let gate: ConnectionGate
    private let headLimit: TimeAmount
    private var id: UInt64?
    private var headDeadline: Scheduled<Void>?
    /// Requests that came whole and whose replies are not out.
    private var owed = 0

    init(gate: ConnectionGate, headLimit: Duration) {
        self.gate = gate
        self.headLimit = TimeAmount(headLimit)
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
        headDeadline = context.eventLoop.scheduleTask(in: headLimit) { channel.close(promise: nil) }
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

    private func replied() {
        owed = max(0, owed - 1)
        if let id { gate.enter(owed > 0 ? .answering : .idle, id) }
    }
}
