internal import Wire

/// Connections to the next stages. A lost peer is evidence against the link; the coordinator judges the node.
extension WorkerMachine {
    mutating func adopt(_ table: PeerTable, _ out: inout [Directive]) {
        guard table.version > peerTableVersion else { return }
        peerTableVersion = table.version
        let listed = Dictionary(table.peers.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        for (node, state) in peers where listed[node]?.incarnation != state.peer.incarnation {
            if case .connected(let connection) = state.link { out.append(.hangUp(connection)) }
            peers[node]?.link = .idle
            lose(node, "\(node) is gone from the peer table or was restarted", state.waiting, &out)
            peers[node] = nil
        }
        for peer in table.peers where peer.name != name {
            if peers[peer.name] == nil {
                // Dialled at once, so that the first micro-batch does not wait and a dead link is known early.
                peers[peer.name] = PeerState(peer: peer, link: .dialing)
                out.append(.dial(peer))
            } else {
                peers[peer.name]?.peer = peer
            }
        }
    }

    mutating func peerOpened(_ node: String, _ connection: ConnectionID, _ out: inout [Directive]) {
        guard var state = peers[node] else {
            out.append(.hangUp(connection))
            return
        }
        if case .connected(let old) = state.link, old != connection { out.append(.hangUp(old)) }
        state.link = .connected(connection)
        let waiting = state.waiting
        state.waiting = []
        peers[node] = state
        for key in waiting {
            guard let route = work[key]?.header.route else { continue }
            out.append(.forward(key, peer: node, connection, route: Array(route.dropFirst())))
        }
    }

    mutating func peerFailed(_ node: String, _ message: String, _ out: inout [Directive]) {
        guard let state = peers[node] else { return }
        peers[node]?.link = .failed(message)
        peers[node]?.waiting = []
        var unsent = state.waiting
        if case .connected = state.link {
            // What was on the socket may or may not have arrived: the coordinator replays it, and one reply is kept.
            unsent += work.filter { $0.value.phase == .forwarding && $0.value.nextNode == node && !unsent.contains($0.key) }.map(
                \.key)
        }
        lose(node, message, unsent, &out)
    }

    /// Reports the link as broken and ends the micro-batches that needed it.
    mutating func lose(_ node: String, _ message: String, _ keys: [WorkKey], _ out: inout [Directive]) {
        let living = keys.filter { work[$0]?.isCancelled == false }
        tell(.peerLost(PeerLost(from: name, to: node, message: message, keys: living)), &out)
        log(.warning, "a peer cannot be reached", ["peer": node, "cause": message, "micro_batches": "\(living.count)"], &out)
        for key in keys {
            if work[key]?.isCancelled == true { tell(.workDropped(WorkDropped(key: key, node: name)), &out) }
            end(key, &out)
        }
    }
}
