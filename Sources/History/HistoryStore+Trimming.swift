internal import GRDB

/// What keeps a history in its bounds.
extension HistoryStore {
    /// Called in each transaction that has written; costs next to nothing where no bound is passed.
    func trim(_ database: Database) throws {
        for (node, count) in fineCounts where count >= limits.fineSamples + limits.thinnedAtOnce { try thin(node, database) }
        try database.execute(
            sql: "DELETE FROM event WHERE id <= (SELECT max(id) FROM event) - ?", arguments: [limits.events])
        // Each round deletes at least one row in eight; a history of events alone is far below the bound.
        for _ in 0..<16 where try usedBytes(database) > limits.byteCount { try dropOldest(database) }
    }

    /// Of the samples beyond the newest, the last of each minute stays.
    private func thin(_ node: Int64, _ database: Database) throws {
        let newestThinned =
            "SELECT id FROM sample WHERE node = ? AND coarse = 0 ORDER BY id DESC LIMIT 1 OFFSET \(limits.fineSamples)"
        guard let last = try Int64.fetchOne(database, sql: newestThinned, arguments: [node]) else { return }
        try database.execute(
            sql: """
                DELETE FROM sample WHERE node = ? AND coarse = 0 AND id <= ? AND id NOT IN
                    (SELECT max(id) FROM sample WHERE node = ? AND coarse = 0 AND id <= ? GROUP BY time_ms / 60000)
                """, arguments: [node, last, node, last])
        try database.execute(
            sql: "UPDATE sample SET coarse = 1 WHERE node = ? AND coarse = 0 AND id <= ?", arguments: [node, last])
        let oldestKept =
            "SELECT id FROM sample WHERE node = ? AND coarse = 1 ORDER BY id DESC LIMIT 1 OFFSET \(limits.coarseSamples)"
        if let beyond = try Int64.fetchOne(database, sql: oldestKept, arguments: [node]) {
            try database.execute(sql: "DELETE FROM sample WHERE node = ? AND coarse = 1 AND id <= ?", arguments: [node, beyond])
        }
        try count(node, database)
    }

    /// One sample in eight, over all nodes, from the oldest on; and the nodes of which nothing is left.
    private func dropOldest(_ database: Database) throws {
        let eighth = "SELECT id FROM sample ORDER BY id LIMIT 1 OFFSET (SELECT count(*) / 8 FROM sample)"
        guard let last = try Int64.fetchOne(database, sql: eighth) else { return }
        try database.execute(sql: "DELETE FROM sample WHERE id <= ?", arguments: [last])
        let empty = "SELECT id FROM node WHERE NOT EXISTS (SELECT 1 FROM sample WHERE sample.node = node.id)"
        let gone = try Int64.fetchSet(database, sql: empty)
        try database.execute(sql: "DELETE FROM node WHERE NOT EXISTS (SELECT 1 FROM sample WHERE sample.node = node.id)")
        forget(nodes: gone)
        for node in Array(fineCounts.keys) { try count(node, database) }
    }

    private func count(_ node: Int64, _ database: Database) throws {
        let sql = "SELECT count(*) FROM sample WHERE node = ? AND coarse = 0"
        fineCounts[node] = try Int.fetchOne(database, sql: sql, arguments: [node])
    }

    /// Pages in use. Those that were freed are used again before the file grows.
    func usedBytes(_ database: Database) throws -> Int {
        func number(_ pragma: String) throws -> Int { try Int.fetchOne(database, sql: "PRAGMA \(pragma)") ?? 0 }
        return try (number("page_count") - number("freelist_count")) * number("page_size")
    }
}
