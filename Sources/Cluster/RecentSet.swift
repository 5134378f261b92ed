internal import DequeModule

/// The last `limit` distinct values, oldest forgotten first. O(1) for each call.
struct RecentSet<Element: Hashable & Sendable>: Sendable {
    private var members: Set<Element> = []
    private var order: Deque<Element> = []
    private let limit: Int

    var count: Int { members.count }

    init(limit: Int) { self.limit = limit }

    mutating func insert(_ element: Element) {
        guard members.insert(element).inserted else { return }
        order.append(element)
        if order.count > limit { members.remove(order.removeFirst()) }
    }

    func contains(_ element: Element) -> Bool { members.contains(element) }
}
