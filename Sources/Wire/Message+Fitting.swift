internal import Base

// What is said again and again must always fit into one message, whatever it names: it is cut, or goes in pages. The bounds below are of the
// encoded parts: names with their length, ten bytes for each number, tags.

/// Room for the lists of one message: half of what metadata may take, so that everything beside them fits too.
private let listByteCount = WireLimits.metadataByteCount / 2

extension PeerTable {
    /// The table of the version in as many messages as it takes. One page where there is nobody.
    ///
    /// A peer with names of the greatest length takes 4.4 KB, a usual one 60 bytes: nearly every table is one page.
    /// - Parameter peers: those that matter most first: a worker from before paging takes the first page for the whole. What is beyond
    ///   ``WireLimits/peers`` is left out.
    public static func pages(version: UInt64, peers: [Peer]) -> [PeerTable] {
        var pages: [PeerTable] = []
        var page = PeerTable(version: version, peers: [])
        var room = listByteCount
        for peer in peers.prefix(WireLimits.peers) {
            let size = peer.byteCountBound
            if size > room, !page.peers.isEmpty {
                page.hasMore = true
                pages.append(page)
                page = PeerTable(version: version, peers: [], page: page.page + 1)
                room = listByteCount
            }
            page.peers.append(peer)
            room -= size
        }
        return pages + [page]
    }
}

extension PeerTable.Peer {
    var byteCountBound: Int { addresses.reduce(48 + name.name.utf8.count) { $0 + $1.utf8.count + 4 } }
}

extension Heartbeat {
    /// The same with as many of the partitions, and then of the links, as fit: of each the first.
    public var fitted: Heartbeat {
        var room = listByteCount
        var fitted = self
        fitted.partitions = partitions.fitting(atMost: WireLimits.inventory, &room) { 112 + $0.key.byteCountBound }
        fitted.links = links.fitting(atMost: WireLimits.peers, &room) { 112 + $0.peer.name.utf8.count }
        return fitted
    }
}

extension WorkerProfile {
    /// The same with as much of the inventory as fits: the first.
    public var fitted: WorkerProfile {
        var room = listByteCount
        var fitted = self
        fitted.inventory = inventory.fitting(atMost: WireLimits.inventory, &room) { 32 + $0.key.byteCountBound }
        return fitted
    }
}

extension PeerLost {
    /// The same loss in as many messages as its micro-batches take.
    public var parts: [PeerLost] {
        guard keys.count > WireLimits.workKeys else { return [self] }
        return stride(from: 0, to: keys.count, by: WireLimits.workKeys).map { start in
            PeerLost(from: from, to: to, message: message, keys: Array(keys[start..<min(start + WireLimits.workKeys, keys.count)]))
        }
    }
}

extension PartitionKey {
    fileprivate var byteCountBound: Int { 32 + modelDigest.utf8.count + toolchain.utf8.count }
}

extension Array {
    fileprivate func fitting(atMost limit: Int, _ room: inout Int, _ size: (Element) -> Int) -> [Element] {
        var kept = 0
        while kept < Swift.min(count, limit) {
            let next = size(self[kept])
            guard next <= room else { break }
            room -= next
            kept += 1
        }
        return kept == count ? self : Array(prefix(kept))
    }
}
