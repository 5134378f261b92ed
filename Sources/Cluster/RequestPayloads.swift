public import Wire

/// Which bytes belong to which admitted request: its inputs, and the results of its micro-batches as they come.
///
/// Everything is kept under the coordinator's own names (``RequestID`` from admission, ``WorkKey`` from dispatch), never under a number that a
/// peer chose. Inputs are put in once and never change; a piece has one result. The coordinator's shell keeps tensors in it, the simulator
/// numbers.
public struct RequestPayloads<Content: Sendable>: Sendable {
    private struct Entry: Sendable {
        var inputs: Content?
        var pieces: [Int: Content] = [:]
    }

    private var entries: [RequestID: Entry] = [:]
    /// Results that have come and of which the machine has not said yet whose they are.
    private var results: [WorkKey: Content] = [:]

    public init() {}

    public var requestCount: Int { entries.count }
    public var resultCount: Int { results.count }

    /// The machine has admitted it.
    public mutating func admit(_ id: RequestID) { entries[id] = Entry() }

    public func isAdmitted(_ id: RequestID) -> Bool { entries[id] != nil }

    /// Its inputs are here.
    /// - Returns: `false` where it is over, or has its inputs already: those stay.
    public mutating func fill(_ id: RequestID, _ inputs: Content) -> Bool {
        guard let entry = entries[id], entry.inputs == nil else { return false }
        entries[id]?.inputs = inputs
        return true
    }

    public func inputs(of id: RequestID) -> Content? { entries[id]?.inputs }

    /// A result is here; ``take(_:into:piece:)`` or ``drop(_:)`` follows.
    public mutating func hold(_ result: Content, of key: WorkKey) { results[key] = result }

    /// - Returns: `false` where there is no such result, its request is over, or the piece has one already.
    @discardableResult
    public mutating func take(_ key: WorkKey, into id: RequestID, piece: Int) -> Bool {
        guard let result = results.removeValue(forKey: key), let entry = entries[id], entry.pieces[piece] == nil else {
            return false
        }
        entries[id]?.pieces[piece] = result
        return true
    }

    public mutating func drop(_ key: WorkKey) { results[key] = nil }

    /// The results of its pieces, in order.
    public func parts(of id: RequestID) -> [Content] {
        (entries[id]?.pieces ?? [:]).sorted { $0.key < $1.key }.map(\.value)
    }

    public mutating func forget(_ id: RequestID) { entries[id] = nil }
}
