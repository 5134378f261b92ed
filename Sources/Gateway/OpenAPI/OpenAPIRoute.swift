/// `GET /openapi.json`: all that this server answers, for machines. `GatewayTests` compares it with the routes.
enum OpenAPIRoute {
    static let path = "/openapi.json"

    /// Open: there is nothing of the cluster in it.
    static var route: Route {
        Route(.get, path, .open) { _ in HTTPReply(contentType: HTTPReply.jsonType, body: PackageResources.openapi_json) }
    }
}
