/// Replies of earlier requests by a digest of their inputs: the least recently used go first, and all of them together are bounded in bytes.
///
/// A pure value: what a key is made of, and what bytes a value takes, is the caller's knowledge. Looking up and putting in are O(1).
public struct ResultCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    /// What an entry takes beside its value's bytes: two copies of a key of 64 digits, a slot, a place in the index, and the objects of a
    /// few tensors, rounded up. Counted, because replies of a few bytes would otherwise grow without a bound.
    public static var entryOverheadBytes: Int { 512 }

    private struct Entry {
        var key: Key
        var value: Value
        var byteCount: Int
        /// Slots of the neighbours in the order of use.
        var newer: Int?
        var older: Int?
    }

    /// Bytes of all entries, with ``entryOverheadBytes`` for each; never above ``byteLimit``.
    public private(set) var byteCount = 0
    public let byteLimit: Int
    public private(set) var hits: UInt64 = 0
    public private(set) var misses: UInt64 = 0
    private var slots: [Entry?] = []
    private var freeSlots: [Int] = []
    private var slotOfKey: [Key: Int] = [:]
    private var newest: Int?
    private var oldest: Int?

    /// - Parameter byteLimit: positive; a bound below the overhead of one entry keeps nothing.
    public init(byteLimit: Int) {
        precondition(byteLimit > 0, "a cache of no bytes is no cache")
        self.byteLimit = byteLimit
    }

    public var entryCount: Int { slotOfKey.count }

    /// The value, which becomes the most recently used; counts a hit or a miss.
    public mutating func lookUp(_ key: Key) -> Value? {
        guard let slot = slotOfKey[key], let value = slots[slot]?.value else {
            misses += 1
            return nil
        }
        hits += 1
        unlink(slot)
        linkAsNewest(slot)
        return value
    }

    /// Keeps the value, in place of one of the same key, and lets go of the least recently used until all fit.
    /// - Parameter valueBytes: what the value holds in memory.
    /// - Returns: `false` for a value that is larger than the whole bound: then nothing changes, so that one giant does not empty the cache.
    @discardableResult
    public mutating func insert(_ key: Key, _ value: Value, valueBytes: Int) -> Bool {
        precondition(valueBytes >= 0, "a value has no negative size")
        guard valueBytes <= byteLimit - Self.entryOverheadBytes else { return false }
        if let slot = slotOfKey[key] { remove(slot) }
        let needed = valueBytes + Self.entryOverheadBytes
        while byteCount + needed > byteLimit, let oldest { remove(oldest) }
        let entry = Entry(key: key, value: value, byteCount: needed)
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
            slots[slot] = entry
        } else {
            slot = slots.count
            slots.append(entry)
        }
        slotOfKey[key] = slot
        byteCount += needed
        linkAsNewest(slot)
        return true
    }

    private mutating func remove(_ slot: Int) {
        guard let entry = slots[slot] else { return }
        unlink(slot)
        slotOfKey[entry.key] = nil
        byteCount -= entry.byteCount
        slots[slot] = nil
        freeSlots.append(slot)
    }

    private mutating func unlink(_ slot: Int) {
        guard let entry = slots[slot] else { return }
        if let newer = entry.newer { slots[newer]?.older = entry.older } else { newest = entry.older }
        if let older = entry.older { slots[older]?.newer = entry.newer } else { oldest = entry.newer }
        slots[slot]?.newer = nil
        slots[slot]?.older = nil
    }

    private mutating func linkAsNewest(_ slot: Int) {
        slots[slot]?.older = newest
        if let newest { slots[newest]?.newer = slot } else { oldest = slot }
        newest = slot
    }
}
