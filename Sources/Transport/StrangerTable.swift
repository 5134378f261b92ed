/// Connections whose peers have said nothing yet, by address: a value, so that its bounds can be tested without sockets.
///
/// Whoever says hello at once is out of it within a round trip. So where there is no room the oldest goes: a flood from one address costs that
/// address its own silent connections, and a probe from it, which speaks at once, is still served. O(addresses) to find a victim.
package struct StrangerTable: Sendable {
    /// A host may start some hundred processes at once, or stand for a network behind it.
    package static let usualPerAddress = 256
    package static let usualTotal = 1_024

    package let perAddress: Int
    package let total: Int
    /// Of each address, the oldest first; identifiers grow with time.
    private var byAddress: [UInt128: [UInt64]] = [:]
    private var addresses: [UInt64: UInt128] = [:]

    /// - Parameter room: connections that the process has descriptors for; silent ones take a quarter of it at most.
    package init(room: Int) {
        total = max(1, min(Self.usualTotal, room / 4))
        perAddress = max(1, min(Self.usualPerAddress, room / 8))
    }

    package var count: Int { addresses.count }

    /// Takes a connection in.
    /// - Returns: the connection that has to go for it.
    package mutating func add(_ id: UInt64, from address: UInt128) -> UInt64? {
        var victim: UInt64?
        if let known = byAddress[address], known.count >= perAddress {
            victim = known.first
        } else if count >= total {
            victim = oldest
        }
        if let victim { remove(victim) }
        byAddress[address, default: []].append(id)
        addresses[id] = address
        return victim
    }

    /// The one that has been silent for longest.
    package var oldest: UInt64? { byAddress.values.lazy.compactMap(\.first).min() }

    package mutating func remove(_ id: UInt64) {
        guard let address = addresses.removeValue(forKey: id) else { return }
        byAddress[address]?.removeAll { $0 == id }
        if byAddress[address]?.isEmpty == true { byAddress[address] = nil }
    }
}
