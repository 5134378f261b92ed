public import Planning

extension LinkTable {
    /// A link that was measured this much slower than most is planned with by itself; smaller differences are noise of a measurement, and
    /// nodes whose links are alike can be exchanged for one another, which keeps exact plans quick.
    static let slowShare = 0.6

    /// One rule for all pairs, the median of what was measured, and exceptions for the slow ones and for those that are out.
    /// - Parameter common: what counts where nothing was measured.
    public init(common: Link, measured: [MeasuredLink], broken: Set<NodeLink>) {
        let usable = measured.filter { $0.bandwidthBytesPerSecond > 0 && $0.bandwidthBytesPerSecond.isFinite }
        var usual = common
        if !usable.isEmpty {
            usual.bandwidthBytesPerSecond = Self.median(usable.map(\.bandwidthBytesPerSecond))
            let roundTrips = usable.map(\.roundTripMs).filter { $0 > 0 && $0.isFinite }
            if !roundTrips.isEmpty { usual.latencyMs = Self.median(roundTrips) / 2 }
        }
        self.init(common: usual)
        for link in usable where link.bandwidthBytesPerSecond < usual.bandwidthBytesPerSecond * Self.slowShare {
            set(
                Link(
                    bandwidthBytesPerSecond: link.bandwidthBytesPerSecond,
                    latencyMs: link.roundTripMs.isFinite ? max(0, link.roundTripMs / 2) : usual.latencyMs),
                from: link.from.map(Endpoint.node) ?? .coordinator, to: link.to.map(Endpoint.node) ?? .coordinator)
        }
        for link in broken { set(.unreachable, from: .node(link.from), to: .node(link.to)) }
    }

    private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}
