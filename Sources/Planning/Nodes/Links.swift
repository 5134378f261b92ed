public import Base

/// One direction between two processes.
public struct Link: Sendable, Hashable, Codable {
    /// 0 where the pair cannot connect: a link of infinite cost.
    public var bandwidthBytesPerSecond: Double
    public var latencyMs: Double

    public init(bandwidthBytesPerSecond: Double, latencyMs: Double = 0) {
        self.bandwidthBytesPerSecond = bandwidthBytesPerSecond
        self.latencyMs = latencyMs
    }

    public static let unreachable = Link(bandwidthBytesPerSecond: 0)
    /// Until something is measured: Gigabit Ethernet's payload rate and a switch's round trip.
    public static let gigabit = Link(bandwidthBytesPerSecond: 117e6, latencyMs: 0.1)
    /// Between processes of one machine: as fast as its memory.
    public static let loopback = Link(bandwidthBytesPerSecond: 2e9, latencyMs: 0.02)

    /// Milliseconds for which `bytes` keep the link busy; infinite where it is unusable (bandwidth not positive, or not a number).
    public func occupancyMs(_ bytes: Double) -> Double {
        guard bandwidthBytesPerSecond > 0 else { return .infinity }
        return bytes / bandwidthBytesPerSecond * 1000
    }
}

extension Link {
    fileprivate var text: String { "\(bandwidthBytesPerSecond) bytes/s, \(latencyMs) ms" }
}

extension LinkTable.Direction {
    fileprivate var text: String {
        func name(_ endpoint: LinkTable.Endpoint) -> String {
            switch endpoint {
            case .coordinator: "the coordinator"
            case .node(let id): id.name
            }
        }
        return "from \(name(from)) to \(name(to))"
    }
}

/// The links of a cluster: one rule for all pairs, and exceptions.
public struct LinkTable: Sendable, Hashable {
    public enum Endpoint: Sendable, Hashable {
        case coordinator
        case node(NodeID)
    }
    struct Direction: Sendable, Hashable {
        var from: Endpoint
        var to: Endpoint
    }

    public var common: Link
    /// Whether all pairs of nodes have the common link.
    var isUniformAmongNodes: Bool { irregularNodes.isEmpty }
    private(set) var exceptions: [Direction: Link] = [:]
    /// Nodes with an exception towards another node: never taken as interchangeable.
    private(set) var irregularNodes: Set<NodeID> = []

    public init(common: Link = .gigabit) { self.common = common }

    public mutating func set(_ link: Link, from: Endpoint, to: Endpoint) {
        exceptions[Direction(from: from, to: to)] = link
        if case .node(let first) = from, case .node(let second) = to { irregularNodes.formUnion([first, second]) }
    }

    public func link(from: Endpoint, to: Endpoint) -> Link {
        exceptions.isEmpty ? common : exceptions[Direction(from: from, to: to)] ?? common
    }

    /// The table without measurements that are no numbers, and what was left out: such a link counts as the common one.
    func sanitized() -> (table: LinkTable, warnings: [String]) {
        func isUsable(_ link: Link) -> Bool { link.bandwidthBytesPerSecond >= 0 && link.latencyMs >= 0 && link.latencyMs.isFinite }
        var table = self
        var warnings: [String] = []
        if !isUsable(common) {
            table.common = .gigabit
            warnings.append("the measured common link is no number (\(common.text)): Gigabit Ethernet is assumed")
        }
        for (direction, link) in exceptions where !isUsable(link) {
            table.exceptions[direction] = table.common
            warnings.append("the measured link \(direction.text) is no number (\(link.text)): the common link is assumed")
        }
        return (table, warnings.sorted())
    }
}
