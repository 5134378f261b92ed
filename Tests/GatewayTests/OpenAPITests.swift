import Cluster
import Foundation
import Gateway
import Logging
import Testing

/// The description of the HTTP surface beside the routes that are served.
@Suite struct OpenAPITests {
    @Test("what is described is served, and what is served is described")
    func surface() async throws {
        let coordinator = DashboardTests.Coordinator()
        let limits = GatewayLimits()
        let routes =
            OperatorRoutes.all(coordinator)
            + DashboardRoutes.all(coordinator, coordinator, coordinator.events, access: Tokens.none, limits: limits)
            + InferenceRoutes.all(FakeInference(), coordinator, limits: limits, logger: Logger(label: "test"))
        let served = Set(routes.map { "\($0.method.rawValue) \($0.path)" })
        #expect(served.count > 20)

        let reply = try #require(await RouteTests.reply(coordinator, "/openapi.json"))
        #expect(reply.status == 200 && reply.type == "application/json")
        let document = try #require(try JSONSerialization.jsonObject(with: Data(reply.text.utf8)) as? [String: Any])
        let paths = try #require(document["paths"] as? [String: [String: Any]])
        let described = Set(paths.flatMap { path, operations in operations.keys.map { "\($0.uppercased()) \(path)" } })
        #expect(described == served, "not both: \(described.symmetricDifference(served).sorted())")
    }
}
