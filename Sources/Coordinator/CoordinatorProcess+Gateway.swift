internal import Base
internal import Cluster
internal import Gateway
internal import Glibc
internal import Hosting
internal import Inference
internal import Logging
internal import Loops
internal import Shell
internal import Transport

/// The HTTP server beside the loop (`--http`).
extension CoordinatorProcess {
    /// Questions that may wait for the loop. More than one for each connection means that the loop does not turn: then no more are taken.
    static let questionCapacity = 512

    /// Starts the server where it was asked for; it ends with the process, so that a scraper sees the coordinator drain.
    func startGateway() throws {
        guard let http = settings.gateway else { return }
        recallEvents()
        let mailbox: Mailbox<LoopQuestions<CoordinatorProcess>.Question> = loop.mailbox(capacity: Self.questionCapacity) {
            [unowned self] in $0(self)
        }
        let source = CoordinatorSource(questions: LoopQuestions(mailbox: mailbox, limit: GatewayLimits.answerLimit))
        let calls: Mailbox<LoopQuestions<CoordinatorProcess>.Question> = loop.mailbox(capacity: Self.mailboxCapacity) {
            [unowned self] in $0(self)
        }
        let inference = CoordinatorInference(questions: source.questions, calls: calls)
        var limits = GatewayLimits()
        limits.inferenceBody = options.httpMaxBody.bytes
        // Where the process may have few descriptors, HTTP has its part of what strangers do not get.
        limits.connections = min(limits.connections, max(GatewayLimits.spareConnections, DescriptorRoom.current.limit / 8))
        let address = try http.address.listeningAddress(option: "--http")
        do {
            gateway = try GatewayServer(
                host: address.hostDescription, port: address.port,
                routes: RouteTable(
                    OperatorRoutes.all(source)
                        + DashboardRoutes.all(source, source, recentEvents, access: http.access, limits: limits)
                        + InferenceRoutes.all(
                            inference, source, limits: limits, logger: Logger(label: "http"),
                            returnMemory: { TorchEngine.trimMemory() })),
                access: http.access, tls: http.tls, allowsPublicPeers: options.insecure || options.httpInsecure, limits: limits,
                logger: Logger(label: "http"))
        } catch { throw CommandFailure(error.exitStatus, error.message) }
    }

    /// Says where it is, and what of it does not work.
    func announceGateway() {
        guard let gateway, let http = settings.gateway else { return }
        StandardStream.output.writeLine("\(http.tls == nil ? "http" : "https") on \(gateway.address)")
        logger.info("\(http.tls == nil ? "http" : "https") listening", metadata: ["address": "\(gateway.address)"])
        if http.refusesPlainTokens, !gateway.isOnLoopback {
            logger.warning(
                "tokens that come over plain HTTP from other machines are refused: give --http-tls-cert and --http-tls-key, or --http-insecure where the network is trusted"
            )
        }
        if let end = http.tls?.endOfValidity, end < time(nil) {
            logger.warning("the certificate of --http-tls-cert is no longer valid, and clients will refuse it: renew it")
        }
    }
}

/// The coordinator as the gateway sees it.
private struct CoordinatorSource: GatewaySource, DrainSource {
    let questions: LoopQuestions<CoordinatorProcess>

    func isAlive() async -> Bool { await questions.ask { _ in true } ?? false }
    func readiness() async -> Readiness? { await questions.ask { $0.host.machine.readiness } }
    func report() async -> GatewayReport? { await questions.askLater { process, answer in process.ask(answer) } ?? nil }

    func drain(_ wish: NodeDrain, limit: Duration) async -> DrainOutcome? {
        await LoopQuestions(mailbox: questions.mailbox, limit: limit).askLater { process, answer in process.drain(wish, answer) }
    }
}
