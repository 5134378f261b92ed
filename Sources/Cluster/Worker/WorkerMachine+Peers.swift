internal import Base
internal import Wire

/// Connections to the next stages. A lost peer is evidence against the link; the coordinator judges the node.
extension WorkerMachine {
    /// Takes a page; the table counts once its last one is here.
    mutating func adopt(_ page: PeerTable, _ out: inout [Directive]) {
        guard page.version > peerTableVersion else { return }
        guard page.page > 0 || page.hasMore else { return adopt(whole: page, &out) }
        if page.page == 0 { peerPages = PeerTable(version: page.version, peers: []) }
        // A page that does not follow on the last one belongs to a table that was given up for a newer one.
        guard var pages = peerPages, pages.version == page.version, pages.page == page.page,
            pages.peers.count + page.peers.count <= WireLimits.peers
        else { return peerPages = nil }
        pages.peers += page.peers
        pages.page += 1
        peerPages = pages
        if !page.hasMore { adopt(whole: pages, &out) }
    }

    private mutating func adopt(whole table: PeerTable, _ out: inout [Directive]) {
        peerTableVersion = table.version
        peerPages = nil
        peerIncarnations = Set(table.peers.map(\.incarnation))
        let listed = Dictionary(table.peers.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        for (node, state) in peers.sorted(by: { $0.key < $1.key }) where listed[node]?.incarnation != state.peer.incarnation {
            // The coordinator knows already that this process is gone: no evidence against a link to its successor.
            peers[node] = nil
            for key in state.waiting { giveBack(key, &out) }
            if case .connected(let connection) = state.link {
                out.append(.hangUp(connection))
                for key in sending(to: node, on: connection) { giveBack(key, &out) }
            }
        }
        for peer in table.peers where peer.name != name {
            guard var state = peers[peer.name] else {
                // Dialled at once, so that the first micro-batch does not wait and a dead link is known early.
                peers[peer.name] = PeerState(peer: peer, link: .dialing)
                out.append(.dial(peer))
                continue
            }
            state.peer = peer
            if case .failed = state.link {
                // A new table is the coordinator's word that it may be worth another try.
                state.link = .dialing
                out.append(.dial(peer))
            }
            peers[peer.name] = state
        }
    }

    mutating func peerOpened(_ peer: PeerTable.Peer, _ connection: ConnectionID, _ out: inout [Directive]) {
        guard var state = peers[peer.name], state.peer.incarnation == peer.incarnation else {
            // It left the table, or was restarted, while it was dialled.
            out.append(.hangUp(connection))
            return
        }
        if case .connected(let first) = state.link, first != connection {
            // A peer that left the table and came back may be dialled twice. The first one stays: what its kernel has taken could not be
            // asked back, and nobody would know that it is lost.
            out.append(.hangUp(connection))
            return
        }
        state.link = .connected(connection)
        let waiting = state.waiting
        state.waiting = []
        peers[peer.name] = state
        for key in waiting {
            guard let route = work[key]?.header.route else { continue }
            work[key]?.connection = connection
            out.append(.forward(key, peer: peer.name, connection, route: Array(route.dropFirst())))
        }
    }

    mutating func dialFailed(_ peer: PeerTable.Peer, _ message: String, _ out: inout [Directive]) {
        // A dial to a process that is gone from the table says nothing about its successor.
        guard let state = peers[peer.name], state.peer.incarnation == peer.incarnation, case .dialing = state.link else { return }
        peers[peer.name]?.link = .failed(message)
        peers[peer.name]?.waiting = []
        lose(peer.name, message, state.waiting, &out)
    }

    mutating func peerClosed(_ node: NodeID, _ message: String, _ out: inout [Directive]) {
        guard let state = peers[node], case .connected(let connection) = state.link else { return }
        peers[node]?.link = .failed(message)
        // What was on the socket may or may not have arrived: the coordinator replays it, and one reply is kept.
        lose(node, message, sending(to: node, on: connection), &out)
    }

    private func sending(to node: NodeID, on connection: ConnectionID) -> [WorkKey] {
        work.filter { $0.value.phase == .forwarding && $0.value.nextNode == node && $0.value.connection == connection }.keys
            .sorted { ($0.request, $0.microBatch, $0.attempt) < ($1.request, $1.microBatch, $1.attempt) }
    }

    /// Reports the link as broken and ends the micro-batches that needed it.
    mutating func lose(_ node: NodeID, _ message: String, _ keys: [WorkKey], _ out: inout [Directive]) {
        let living = keys.filter { work[$0]?.isCancelled == false }
        for part in PeerLost(from: name, to: node, message: message, keys: living).parts { tell(.peerLost(part), &out) }
        log(
            .warning, "a peer cannot be reached", ["peer": node.description, "cause": message, "micro_batches": "\(living.count)"],
            &out)
        for key in keys {
            if work[key]?.isCancelled == true { tell(.workDropped(WorkDropped(key: key, node: name)), &out) }
            end(key, &out)
        }
    }
}
