internal import Planning
internal import Wire

/// Who can reach whom: the peer table, and links that are out.
extension CoordinatorMachine {
    /// Joins within this time reach the workers as one table; less than the shortest wait before a plan uses them.
    static let peerTableDelay: Duration = .milliseconds(20)
    /// A link that failed is left alone this long at first, and up to the longest when it fails again and again.
    static let linkPauseFirst: Duration = .seconds(5)
    static let linkPauseLongest: Duration = .seconds(300)
    /// A worker that was asked to dial again and has not complained within this time has connected: connecting gives up sooner.
    static let linkProbeTime: Duration = .seconds(6)

    mutating func peersChanged(_ now: Instant) { peerTableDueAt = min(peerTableDueAt ?? .distantFuture, now + Self.peerTableDelay) }

    /// Tells every worker where every other is.
    mutating func publishPeers(_ step: inout Step) {
        peerTableDueAt = nil
        let pages = makePeerTable()
        for node in nodes.values.filter({ $0.isConnected }).sorted(by: { $0.id < $1.id }) { send(pages, to: node, &step) }
    }

    private func send(_ pages: [PeerTable], to node: Node, _ step: inout Step) {
        guard let control = node.control else { return }
        for page in pages { step.emit(.send(control, .peerTable(page))) }
    }

    /// In as many messages as it takes: those that plans use come first where it is more than one.
    private mutating func makePeerTable() -> [PeerTable] {
        peerTableVersion += 1
        let living = nodes.values.filter { $0.isConnected }.sorted { $0.id < $1.id }
        let pages = PeerTable.pages(version: peerTableVersion, peers: living.compactMap(Self.peer))
        guard pages.count > 1 else { return pages }
        let used = (active?.deployment.nodes ?? []).union(candidate?.deployment.nodes ?? [])
        let ordered = living.filter { used.contains($0.id) } + living.filter { !used.contains($0.id) }
        return PeerTable.pages(version: peerTableVersion, peers: ordered.compactMap(Self.peer))
    }

    private static func peer(_ node: Node) -> PeerTable.Peer? {
        // What a topology lists may be longer than what a message takes.
        let addresses = node.addresses.filter { $0.utf8.count <= WireLimits.nameByteCount }.prefix(WireLimits.addresses)
        return node.incarnation.map { PeerTable.Peer(name: node.id.description, incarnation: $0, addresses: Array(addresses)) }
    }

    func isUsable(_ link: NodeLink) -> Bool { (linkFaults[link]?.phase ?? .mended) == .mended }

    /// The links that no plan and no route may use.
    var brokenLinks: Set<NodeLink> { Set(linkFaults.filter { $0.value.phase != .mended }.keys) }

    mutating func markOut(_ link: NodeLink, _ cause: String, _ step: inout Step) {
        guard nodes[link.from]?.isConnected == true, nodes[link.to]?.isConnected == true else { return }
        let known = linkFaults[link]
        if known?.phase == .out { return }
        let pause = known.map { min($0.pause * 2, Self.linkPauseLongest) } ?? Self.linkPauseFirst
        linkFaults[link] = LinkFault(phase: .out, until: step.now + pause, pause: pause)
        linkWakeAt = min(linkWakeAt ?? .distantFuture, step.now + pause)
        guard known?.phase != .probing else { return }
        step.log(.warning, "a link is out", ["from": link.from.description, "to": link.to.description, "cause": cause])
        requestPlan(step.now, after: .zero)
    }

    /// Asks for another try of links that have been out long enough, and takes those back of which nothing bad was heard.
    mutating func mendLinks(_ step: inout Step) {
        guard let wake = linkWakeAt, wake <= step.now else { return }
        let due = linkFaults.filter { $0.value.phase != .mended && $0.value.until <= step.now }
            .sorted { ($0.key.from, $0.key.to) < ($1.key.from, $1.key.to) }
        for (link, fault) in due {
            if fault.phase == .out {
                linkFaults[link]?.phase = .probing
                linkFaults[link]?.until = step.now + Self.linkProbeTime
                // A newer table makes the worker dial what it could not reach.
                let pages = makePeerTable()
                if let node = nodes[link.from] { send(pages, to: node, &step) }
            } else {
                linkFaults[link]?.phase = .mended
                step.log(.info, "a link counts as mended", ["from": link.from.description, "to": link.to.description])
                requestPlan(step.now, after: .zero)
            }
        }
        linkWakeAt = linkFaults.values.filter { $0.phase != .mended }.map(\.until).min()
    }
}
