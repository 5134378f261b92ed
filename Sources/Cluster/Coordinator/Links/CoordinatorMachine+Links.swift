internal import Base
internal import Planning
internal import Wire

/// Who can reach whom: what the workers are told of each other, and what is done about links that fail.
extension CoordinatorMachine {
    /// Tells every worker where every other is.
    mutating func publishPeers(_ step: inout Step) {
        links.tablePublished()
        let pages = makePeerTable()
        for node in roster.all.filter({ $0.isConnected }).sorted(by: { $0.id < $1.id }) { send(pages, to: node, &step) }
    }

    private func send(_ pages: [PeerTable], to node: Node, _ step: inout Step) {
        guard let control = node.control else { return }
        for page in pages { step.emit(.send(control, .peerTable(page))) }
    }

    /// In as many messages as it takes: those that plans use come first where it is more than one.
    private mutating func makePeerTable() -> [PeerTable] {
        let version = links.nextTableVersion()
        let living = roster.all.filter { $0.isConnected }.sorted { $0.id < $1.id }
        let pages = PeerTable.pages(version: version, peers: living.compactMap(Self.peer))
        guard pages.count > 1 else { return pages }
        let used = (plans.active?.deployment.nodes ?? []).union(plans.candidate?.deployment.nodes ?? [])
        let ordered = living.filter { used.contains($0.id) } + living.filter { !used.contains($0.id) }
        return PeerTable.pages(version: version, peers: ordered.compactMap(Self.peer))
    }

    private static func peer(_ node: Node) -> PeerTable.Peer? {
        // A topology may list what no message takes, which would keep the whole table from everybody.
        let addresses = node.addresses.filter(AddressText.isSendable).prefix(WireLimits.addresses)
        return node.incarnation.map { PeerTable.Peer(name: node.id, incarnation: $0, addresses: Array(addresses)) }
    }

    mutating func markOut(_ link: NodeLink, _ cause: String, _ step: inout Step) {
        guard roster[link.from]?.isConnected == true, roster[link.to]?.isConnected == true, links.fail(link, step.now) else {
            return
        }
        step.log(.warning, "a link is out", ["from": link.from.description, "to": link.to.description, "cause": cause])
        requestPlan(step.now, after: .zero)
    }

    /// Asks for another try of links that have been out long enough, and plans with those of which nothing bad was heard.
    mutating func mendLinks(_ step: inout Step) {
        for change in links.takeChanges(step.now) {
            switch change {
            case .trial(let link):
                // A newer table makes the worker dial what it could not reach.
                let pages = makePeerTable()
                if let node = roster[link.from] { send(pages, to: node, &step) }
            case .mended(let link):
                step.log(.info, "a link counts as mended", ["from": link.from.description, "to": link.to.description])
                requestPlan(step.now, after: .zero)
            }
        }
    }
}
