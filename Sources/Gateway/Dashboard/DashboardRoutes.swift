/// The page that people leave open: its files, its events, logging in, and drains.
public enum DashboardRoutes {
    public static let eventsPath = "/events"

    /// - Parameters:
    ///   - events: what happened, as the coordinator notes it.
    ///   - access: whose tokens make cookies.
    ///   - limits: of the server that has these routes.
    public static func all(
        _ source: any GatewaySource, _ drains: any DrainSource, _ events: RecentEvents, access: AccessRules, limits: GatewayLimits
    ) -> [Route] {
        let hub = DashboardHub(source, events, limits)
        return DashboardFiles.routes() + LoginRoutes(access: access).routes
            + [DrainRoute(source: source, drains: drains).route, eventRoute(hub, knowsTokens: access.tokens != nil)]
    }

    static func eventRoute(_ hub: DashboardHub, knowsTokens: Bool) -> Route {
        Route(
            .get, eventsPath, .reader,
            .streamed { exchange in
                let who = DashboardViewer(exchange.request.caller, knowsTokens: knowsTokens)
                let connection = exchange.connection
                guard let stream = hub.join(who, end: { connection.end() }) else {
                    return HTTPAnswer(
                        .error(503, "\(hub.capacity) viewers are connected, which is the limit; close one of them, or ask /status"))
                }
                var reply = HTTPReply(contentType: "text/event-stream", body: [])
                // What proxies (nginx) hold back would come too late.
                reply.headers["X-Accel-Buffering"] = "no"
                reply.headers["X-Content-Type-Options"] = "nosniff"
                return HTTPAnswer(reply, events: stream)
            })
    }
}
