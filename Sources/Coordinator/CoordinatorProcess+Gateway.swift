internal import Cluster
internal import Gateway
internal import Logging
internal import Shell
internal import Transport

/// The HTTP server beside the loop (`--http`).
extension CoordinatorProcess {
    /// Questions that may wait for the loop. More than one for each connection means that the loop does not turn: then no more are taken.
    static let questionCapacity = 512

    /// Starts the server where it was asked for; it ends with the process, so that a scraper sees the coordinator drain.
    func startGateway() throws {
        guard let http = options.http else { return }
        let questions: Mailbox<LoopQuestions<CoordinatorProcess>.Question> = loop.mailbox(capacity: Self.questionCapacity) {
            [unowned self] in $0(self)
        }
        let source = CoordinatorSource(questions: LoopQuestions(mailbox: questions, limit: GatewayLimits.answerLimit))
        let address = try address(of: http, option: "--http")
        do {
            gateway = try GatewayServer(
                host: address.hostDescription, port: address.port, routes: RouteTable(OperatorRoutes.all(source)),
                allowsPublicPeers: options.insecure, logger: Logger(label: "http"))
        } catch { throw CommandFailure(.failure, error.message) }
    }

    fileprivate var gatewayReport: GatewayReport { GatewayReport(status: status, readiness: machine.readiness) }
}

/// The coordinator as the gateway sees it.
private struct CoordinatorSource: GatewaySource {
    let questions: LoopQuestions<CoordinatorProcess>

    func isAlive() async -> Bool { await questions.ask { _ in true } ?? false }
    func report() async -> GatewayReport? { await questions.ask { $0.gatewayReport } }
}
