internal import Planning
internal import Wire

/// How many entries each table has: what operators and the soak test look at, as something that is kept of those that have gone shows there
/// first. The bounds are in docs/ARCHITECTURE.md ("Bounds").
extension CoordinatorMachine {
    /// What the tables hold that are not counted above.
    public var tableSizes: TableSizes {
        TableSizes(
            abandoned: flights.abandonedCount, clientRequests: requests.clientRequestCount,
            clientConnections: requests.connectionCount,
            nodeConnections: roster.connectionCount, linkFaults: links.count, watches: roster.watchCount, nodes: roster.count,
            targets: roster.targetCount, aliases: roster.aliases.count, registrations: roster.registrations.count,
            registrationConnections: roster.registrations.connectionCount, departing: roster.departing.count)
    }

    /// All tables by name. What nodes, requests and connections hold of their own is summed. O(nodes).
    var tables: [String: Int] {
        let sizes = tableSizes
        return [
            "nodes": sizes.nodes, "targets": sizes.targets, "aliases": sizes.aliases, "registrations": sizes.registrations,
            "registration_connections": sizes.registrationConnections, "node_connections": sizes.nodeConnections,
            "departing": sizes.departing, "departure_commands": roster.all.reduce(0) { $0 + ($1.departure?.waiters.count ?? 0) },
            "watches": sizes.watches, "link_faults": sizes.linkFaults,
            "node_partitions": roster.all.reduce(0) { $0 + $1.partitions.count },
            "refused_standbys": roster.all.reduce(0) { $0 + $1.refusedStandbys.count },
            "node_flights": flights.reservationCount, "standby_plans": plans.standbys.plans.count,
            "standby_nodes": plans.standbys.nodeCount,
            "requests": requests.count, "client_requests": sizes.clientRequests, "client_connections": sizes.clientConnections,
            "turns": requests.turnCount, "deadlines": requests.deadlineCount, "uploads": requests.uploadCount,
            "flights": flights.count,
            "abandoned": sizes.abandoned, "quarantine": flights.quarantineCount,
        ]
    }
}

/// Entries of a coordinator's tables, so that a simulation sees that nothing is kept of what is over.
public struct TableSizes: Sendable, Hashable {
    public var abandoned: Int
    public var clientRequests: Int
    public var clientConnections: Int
    public var nodeConnections: Int
    public var linkFaults: Int
    public var watches: Int
    public var nodes: Int
    public var targets: Int
    public var aliases: Int
    public var registrations: Int
    public var registrationConnections: Int
    public var departing: Int
}
