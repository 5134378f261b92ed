internal import Cluster
internal import Gateway
internal import Hosting
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
        guard let http = options.http else { return }
        let mailbox: Mailbox<LoopQuestions<CoordinatorProcess>.Question> = loop.mailbox(capacity: Self.questionCapacity) {
            [unowned self] in $0(self)
        }
        let source = CoordinatorSource(questions: LoopQuestions(mailbox: mailbox, limit: GatewayLimits.answerLimit))
        var limits = GatewayLimits()
        // Where the process may have few descriptors, HTTP has its part of what strangers do not get.
        limits.connections = min(limits.connections, max(GatewayLimits.spareConnections, DescriptorRoom.current.limit / 8))
        let address = try http.listeningAddress(option: "--http")
        do {
            gateway = try GatewayServer(
                host: address.hostDescription, port: address.port, routes: RouteTable(OperatorRoutes.all(source)),
                allowsPublicPeers: options.insecure, limits: limits, logger: Logger(label: "http"))
        } catch { throw CommandFailure(.failure, error.message) }
    }
}

/// The coordinator as the gateway sees it.
private struct CoordinatorSource: GatewaySource {
    let questions: LoopQuestions<CoordinatorProcess>

    func isAlive() async -> Bool { await questions.ask { _ in true } ?? false }
    func readiness() async -> Readiness? { await questions.ask { $0.host.machine.readiness } }
    func report() async -> GatewayReport? { await questions.askLater { process, answer in process.ask(answer) } ?? nil }
}
