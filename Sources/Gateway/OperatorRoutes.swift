internal import Cluster
internal import Synchronization

/// The pages for operators and their tools: liveness, readiness, metrics, status, and what there is.
public enum OperatorRoutes {
    public static let livenessPath = "/healthz"
    public static let readinessPath = "/readyz"
    public static let metricsPath = "/metrics"
    public static let statusPath = "/status"

    /// The version of the text format that the metrics are in.
    static let metricsType = "text/plain; version=0.0.4; charset=utf-8"

    public static func all(_ source: any GatewaySource) -> [Route] {
        let page = SharedPage()
        return [
            Route(.get, livenessPath, .open) { _ in await liveness(source) },
            Route(.get, readinessPath, .open) { _ in await readiness(source) },
            Route(.get, metricsPath, .reader) { _ in await metrics(source, page) },
            Route(.get, statusPath, .reader) { _ in await status(source) },
            OpenAPIRoute.route,
        ]
    }

    static var silence: HTTPReply {
        .error(503, "the coordinator's loop has not answered within \(GatewayLimits.answerLimit.components.seconds) s")
    }

    private static func liveness(_ source: any GatewaySource) async -> HTTPReply {
        struct Body: Encodable { let live: Bool }
        return await source.isAlive() ? .json(Body(live: true)) : silence
    }

    private static func readiness(_ source: any GatewaySource) async -> HTTPReply {
        guard let readiness = await source.readiness() else { return silence }
        guard !readiness.isReady else { return .json(readiness) }
        return .json(Unready(readiness: readiness, error: readiness.cause ?? "no plan serves"), status: 503)
    }

    private static func metrics(_ source: any GatewaySource, _ page: SharedPage) async -> HTTPReply {
        guard let report = await source.report() else { return silence }
        let body = page.body(of: report.number) {
            let families = ClusterMetrics.families(report, process: ProcessUsage.current())
            return Array(PrometheusText.render(families).utf8)
        }
        return HTTPReply(contentType: metricsType, body: body)
    }

    private static func status(_ source: any GatewaySource) async -> HTTPReply {
        guard let report = await source.report() else { return silence }
        if let document = report.statusDocument { return HTTPReply(contentType: HTTPReply.jsonType, body: document) }
        return .json(report.status)
    }

    /// The readiness with the sentence under the name that every error of this server has.
    private struct Unready: Encodable {
        let readiness: Readiness
        let error: String

        enum CodingKeys: String, CodingKey { case error }

        func encode(to encoder: any Encoder) throws {
            try readiness.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(error, forKey: .error)
        }
    }
}

/// The last page that was made of a report: scrapers that share a report share its page.
///
/// ## Concurrency model
/// The page is under a mutex, which is held while one is made: who asks for the same then waits for it in place of making another.
private final class SharedPage: Sendable {
    private let last = Mutex<(number: UInt64, body: [UInt8])>((0, []))

    func body(of number: UInt64, make: () -> [UInt8]) -> [UInt8] {
        guard number > 0 else { return make() }
        return last.withLock { last in
            if last.number != number { last = (number, make()) }
            return last.body
        }
    }
}
