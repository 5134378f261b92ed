/// Who looks at the page now: a value. The hub around it makes the bytes and sends them.
struct ViewerTable<Viewer> {
    /// A screen on the wall, and each member of a team with a few windows.
    static var limit: Int { 64 }

    private let limit: Int
    private var viewers: [UInt64: Viewer] = [:]
    private var lastID: UInt64 = 0
    /// Somebody makes bytes for them each second.
    private var isServed = false

    /// - Parameter connections: that the server has in all: viewers, who stay, take a quarter at most.
    init(connections: Int) { limit = max(1, min(Self.limit, connections / 4)) }

    var count: Int { viewers.count }
    var capacity: Int { limit }
    var all: [(id: UInt64, viewer: Viewer)] { viewers.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }

    /// - Returns: its number and whether someone must begin to serve now; `nil` where there are too many.
    mutating func join(_ viewer: Viewer) -> (id: UInt64, mustBegin: Bool)? {
        guard viewers.count < limit else { return nil }
        lastID += 1
        viewers[lastID] = viewer
        defer { isServed = true }
        return (lastID, !isServed)
    }

    mutating func leave(_ id: UInt64) -> Viewer? { viewers.removeValue(forKey: id) }

    /// Asked before each round.
    /// - Returns: `false` where nobody looks any more: then whoever served ends, and the next to come begins again.
    mutating func goesOn() -> Bool {
        if viewers.isEmpty { isServed = false }
        return isServed
    }
}
