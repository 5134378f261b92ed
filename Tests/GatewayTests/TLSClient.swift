import Foundation
import Gateway
import NIOCore
import NIOPosix
import NIOSSL

/// A client of HTTPS that trusts the tests' certificate and no other.
final class TLSClient {
    struct Failure: Error, CustomStringConvertible { let description: String }

    private let channel: any Channel
    private let received: EventLoopFuture<[UInt8]>
    private let begun: EventLoopFuture<Void>

    /// Connects; the handshake goes on meanwhile.
    /// - Parameter reads: whether more is read than the first bytes of a reply.
    init(_ address: String, versions: ClosedRange<TLSVersionNumber> = .tls12 ... .tls13, reads: Bool = true) throws {
        let parts = address.split(separator: ":")
        guard parts.count == 2, let port = Int(parts[1]) else { throw Failure(description: "\(address) has no port") }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(TestCertificate.certificate.utf8)))
        configuration.minimumTLSVersion = versions.lowerBound.version
        configuration.maximumTLSVersion = versions.upperBound.version
        configuration.shutdownTimeout = .milliseconds(100)
        let context = try NIOSSLContext(configuration: configuration)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let end = loop.makePromise(of: [UInt8].self)
        received = end.futureResult
        let begin = loop.makePromise(of: Void.self)
        begun = begin.futureResult
        channel = try ClientBootstrap(group: loop).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandlers(
                    NIOSSLClientHandler(context: context, serverHostname: "localhost"), Collector(begin, end, reads: reads))
            }
        }.connect(host: String(parts[0]), port: port).wait()
        // What a hung server must not outlast.
        loop.scheduleTask(in: .seconds(10)) {
            let failure = Failure(description: "ten seconds are over")
            begin.fail(failure)
            end.fail(failure)
        }
    }

    deinit { channel.close(promise: nil) }

    func send(_ text: String) { channel.writeAndFlush(ByteBuffer(string: text), promise: nil) }

    /// All that comes until the other end closes.
    func readToEnd() throws -> String { String(decoding: try received.wait(), as: UTF8.self) }

    /// The same, and nothing where the connection ended in disorder.
    func readToEndOrNothing() -> String { (try? readToEnd()) ?? "" }

    /// Waits for the first bytes of a reply.
    func waitForReply() throws { try begun.wait() }

    /// One request on a connection of its own, to the connection's end.
    static func once(_ address: String, _ request: String) throws -> String {
        let client = try TLSClient(address)
        client.send(request)
        return try client.readToEnd()
    }

    enum TLSVersionNumber: Int, Comparable {
        case tls11, tls12, tls13

        var version: TLSVersion {
            switch self {
            case .tls11: .tlsv11
            case .tls12: .tlsv12
            case .tls13: .tlsv13
            }
        }

        static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    }

    /// What comes, until the end; an error where no byte did.
    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let begin: EventLoopPromise<Void>
        private let end: EventLoopPromise<[UInt8]>
        private let reads: Bool
        private var bytes: [UInt8] = []
        private var problem: (any Error)?

        init(_ begin: EventLoopPromise<Void>, _ end: EventLoopPromise<[UInt8]>, reads: Bool) {
            self.begin = begin
            self.end = end
            self.reads = reads
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            bytes += Array(unwrapInboundIn(data).readableBytesView)
            begin.succeed()
            if !reads { context.channel.setOption(ChannelOptions.autoRead, value: false).whenComplete { _ in } }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            problem = error
            context.close(promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) {
            begin.fail(Failure(description: "the connection ended before a reply came"))
            if let problem, bytes.isEmpty { end.fail(problem) } else { end.succeed(bytes) }
            context.fireChannelInactive()
        }
    }
}
