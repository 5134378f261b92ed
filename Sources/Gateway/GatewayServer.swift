internal import Base
internal import Hummingbird
internal import HummingbirdCore
internal import HummingbirdTLS
public import Logging
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle
internal import Shell

/// The coordinator's HTTP server: routes on one address, from its making until ``stop()`` or the process' end.
///
/// ## Concurrency model
/// Connections live on one thread of NIO, handlers run on Swift's own pool; the coordinator's loop is reached only through the
/// ``GatewaySource`` that the handlers hold. `Sendable` because nothing of it changes.
public final class GatewayServer: Sendable {
    /// `HOST:PORT`, with the actual port where 0 was asked for.
    public let address: String
    /// Whether no other machine can reach it.
    public let isOnLoopback: Bool
    /// Open now.
    public var connectionCount: Int { gate.count }
    private let services: ServiceGroup
    private let gate: ConnectionGate

    /// Listens from now on. Waits for that: not from a thread of Swift's own pool, which the start needs.
    /// - Parameters:
    ///   - host: numeric.
    ///   - port: 0 takes a free one.
    ///   - access: who may use which route.
    ///   - tls: HTTPS in place of HTTP.
    ///   - allowsPublicPeers: `--insecure` was given; otherwise peers with public addresses are refused, as by every listener of the cluster,
    ///     unless the connection is encrypted.
    /// - Throws: ``GatewayError`` that names `--http`, the address and what to do.
    public init(
        host: String, port: UInt16, routes: RouteTable, access: AccessRules, tls: GatewayTLS? = nil, allowsPublicPeers: Bool,
        limits: GatewayLimits = GatewayLimits(), logger: Logger
    )
        throws(GatewayError)
    {
        var quiet = logger
        // Hummingbird's own words on start and end say nothing that ours do not.
        quiet.logLevel = max(logger.logLevel, .warning)
        // One thread carries thousands of small replies a second; what is heavy is done by the handlers.
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let gate = ConnectionGate(limits)
        self.gate = gate
        isOnLoopback = IPAddress(host)?.isLoopback == true
        let started = group.next().makePromise(of: String.self)
        let responder = GatewayResponder(
            routes: routes, access: access, isEncrypted: tls != nil, allowsPublicPeers: allowsPublicPeers || tls != nil,
            bodyLimit: limits.body, gate: gate)
        let application = Application(
            responder: responder, server: Self.connections(limits, gate, tls, logger),
            configuration: ApplicationConfiguration(
                address: .hostname(host, port: Int(port)),
                availableConnectionsDelegate: .maximum(limits.connections + GatewayLimits.spareConnections, logger: quiet)
            ),
            onServerRunning: { started.succeed(Self.describe($0.localAddress)) },
            eventLoopGroupProvider: .shared(group), logger: quiet)
        let services = ServiceGroup(configuration: .init(services: [application], logger: quiet))
        self.services = services
        Task {
            do {
                try await services.run()
                started.fail(GatewayError(.failure, "the server ended before it began"))
            } catch {
                // After the start this changes nothing: a promise keeps its first answer.
                started.fail(error)
            }
        }
        do { address = try started.futureResult.wait() } catch {
            throw GatewayError(host: host, port: port, error)
        }
    }

    /// Takes no more connections, closes the idle ones, and lets the others have their reply. Does not wait for that.
    public func stop() {
        Task { [services] in await services.triggerGracefulShutdown() }
    }

    private static func connections(
        _ limits: GatewayLimits, _ gate: ConnectionGate, _ tls: GatewayTLS?, _ logger: Logger
    ) -> HTTPServerBuilder {
        let configuration = HTTP1Channel.Configuration(
            additionalChannelHandlers: [
                ConnectionWatch(gate: gate, headLimit: limits.head, logger: logger), CloseAfterReply(linger: limits.linger),
                RefusalText(),
            ], idleTimeout: TimeAmount(limits.idle),
            httpDecoderConfiguration: .init(
                maxHeaderFieldSize: limits.headerBytes, maxHeaderListSize: limits.headerBytes,
                maxHeaderFieldCount: limits.headerCount))
        let door: @Sendable () -> FrontDoor = { FrontDoor(isEncrypted: tls != nil, linger: limits.linger, logger: logger) }
        return HTTPServerBuilder { responder in
            let plain = HTTP1Channel(responder: responder, configuration: configuration)
            guard let tls else { return GuardedChannel(base: plain, door: door) }
            let configuration = tls.configuration(shutdownLimit: limits.linger)
            return GuardedChannel(base: try TLSChannel(plain, tlsConfiguration: configuration), door: door)
        }
    }

    private static func describe(_ address: SocketAddress?) -> String {
        guard let address, let host = address.ipAddress, let port = address.port else { return "?" }
        return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}
