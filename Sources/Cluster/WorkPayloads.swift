public import Wire

/// Which bytes belong to which micro-batch of a worker: the room of those that are being received, and what is kept of those that have come.
///
/// What comes is known by its ticket, never by a key that a peer chose; its room goes back when it is whole, given up, or its
/// connection ends. From then on what the machine holds counts. The worker's shell keeps tensors in it, the simulator numbers.
///
/// Inlinable, for it is asked some times for each micro-batch.
public struct WorkPayloads<Content: Sendable>: Sendable {
    @usableFromInline var held: [WorkKey: Content] = [:]
    /// By ticket.
    private var receiving: [UInt64: (connection: ConnectionID, bytes: Int)] = [:]
    private var lastTicket: UInt64 = 0
    private let byteLimit: Int
    /// Of the micro-batches that are being received, in all.
    public private(set) var receivingBytes = 0

    /// - Parameter byteLimit: what is held and what is being received may take together.
    public init(byteLimit: Int) { self.byteLimit = byteLimit }

    // MARK: On the way

    /// Sets room aside before a byte is read.
    /// - Parameter heldBytes: what the machine holds.
    /// - Returns: the ticket of the payload, unique in this process; `nil` where there is no room.
    public mutating func admit(_ bytes: Int, on connection: ConnectionID, heldBytes: Int) -> UInt64? {
        guard heldBytes + receivingBytes + bytes <= byteLimit else { return nil }
        lastTicket += 1
        receiving[lastTicket] = (connection, bytes)
        receivingBytes += bytes
        return lastTicket
    }

    /// It is whole, or given up.
    public mutating func received(_ ticket: UInt64) {
        if let payload = receiving.removeValue(forKey: ticket) { receivingBytes -= payload.bytes }
    }

    /// Nothing more comes on it.
    public mutating func closed(_ connection: ConnectionID) {
        for (ticket, payload) in receiving where payload.connection == connection { received(ticket) }
    }

    // MARK: Here

    @inlinable public var count: Int { held.count }

    @inlinable public subscript(key: WorkKey) -> Content? { held[key] }

    @inlinable public func contains(_ key: WorkKey) -> Bool { held.index(forKey: key) != nil }

    @inlinable public var contents: Dictionary<WorkKey, Content>.Values { held.values }

    /// A micro-batch has come.
    /// - Returns: `false` where one of its key is here already, which stays.
    @inlinable public mutating func hold(_ content: Content, of key: WorkKey) -> Bool {
        guard !contains(key) else { return false }
        held[key] = content
        return true
    }

    /// Nothing where it has been released meanwhile.
    @inlinable public mutating func update(_ key: WorkKey, _ change: (inout Content) -> Void) {
        guard let index = held.index(forKey: key) else { return }
        change(&held.values[index])
    }

    /// - Returns: `false` where there is none.
    @discardableResult
    @inlinable public mutating func release(_ key: WorkKey) -> Bool { held.removeValue(forKey: key) != nil }
}
