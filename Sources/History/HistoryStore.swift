package import Cluster
internal import Foundation
internal import GRDB

/// The tables of one history, in a file or in memory.
///
/// ## Concurrency model
/// Used by one thread at a time; ``HistoryRecorder`` sees to it.
package final class HistoryStore {
    /// Counts up when a table changes; a file of another one is set aside.
    static let schemaVersion = 1

    let database: DatabaseQueue
    let limits: HistoryLimits
    /// The file's path; `nil` in memory.
    package let path: String?
    private var nodeIDs: [String: Int64] = [:]
    /// Samples of each node that were not thinned yet.
    var fineCounts: [Int64: Int] = [:]

    /// Opens or makes it.
    /// - Throws: ``HistoryFailure``; its ``HistoryFailure/isDamaged`` says whether another file in its place could help.
    package init(path: String?, limits: HistoryLimits = HistoryLimits()) throws(HistoryFailure) {
        self.path = path
        self.limits = limits
        do {
            database = try Self.open(path, limits)
            try Self.prepare(database)
        } catch {
            throw HistoryFailure(error)
        }
        try attempt { database in
            for row in try Row.fetchAll(database, sql: "SELECT id, \(Self.text("name")) FROM node") { nodeIDs[row[1]] = row[0] }
            let counts = "SELECT \(Self.whole("node")), count(*) FROM sample WHERE coarse = 0 GROUP BY node"
            for row in try Row.fetchAll(database, sql: counts) { fineCounts[row[0]] = row[1] }
        }
    }

    /// A copy in memory of what the file holds: for when the disk takes no more.
    package init(copying other: HistoryStore) throws(HistoryFailure) {
        path = nil
        limits = other.limits
        do {
            database = try Self.open(nil, limits)
            try other.database.backup(to: database)
        } catch {
            throw HistoryFailure(error)
        }
        nodeIDs = other.nodeIDs
        fineCounts = other.fineCounts
    }

    private static func open(_ path: String?, _ limits: HistoryLimits) throws -> DatabaseQueue {
        var configuration = Configuration()
        // Other processes (a person with sqlite3) may read; they are waited for a moment.
        configuration.busyMode = .timeout(1)
        configuration.prepareDatabase { database in
            // No wait for the disk at each commit: the last seconds may be lost with the machine's power, never the file.
            try database.execute(sql: "PRAGMA synchronous = NORMAL")
            if let pages = limits.pages, path != nil { try database.execute(sql: "PRAGMA max_page_count = \(pages)") }
        }
        guard let path else { return try DatabaseQueue(configuration: configuration) }
        let database = try DatabaseQueue(path: path, configuration: configuration)
        // Readers see a whole state while we write, and a commit appends instead of rewriting.
        try database.writeWithoutTransaction { _ = try String.fetchOne($0, sql: "PRAGMA journal_mode = WAL") }
        return database
    }

    private static func prepare(_ database: DatabaseQueue) throws {
        try database.write { database in
            if let problem = try String.fetchOne(database, sql: "PRAGMA quick_check(1)"), problem != "ok" {
                throw HistoryFailure(problem, isDamaged: true)
            }
            switch try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0 {
            case schemaVersion: return
            case 0: break
            case let other:
                throw HistoryFailure("it is of format \(other), and this version writes format \(schemaVersion)", isDamaged: true)
            }
            guard try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_master") == 0 else {
                throw HistoryFailure("it is a database of something else", isDamaged: true)
            }
            try database.execute(sql: tables)
        }
    }

    private static let tables = """
        CREATE TABLE node (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
        CREATE TABLE sample (
            id INTEGER PRIMARY KEY, node INTEGER NOT NULL, coarse INTEGER NOT NULL DEFAULT 0, time_ms INTEGER NOT NULL,
            state TEXT NOT NULL, cpu_used REAL NOT NULL, cpu_quota REAL NOT NULL, cpu_throttled REAL NOT NULL,
            process_cpu REAL NOT NULL, memory_used INTEGER NOT NULL, memory_limit INTEGER NOT NULL, process_bytes INTEGER NOT NULL,
            network_received INTEGER NOT NULL, network_sent INTEGER NOT NULL, queued INTEGER NOT NULL, executing INTEGER NOT NULL,
            completed INTEGER NOT NULL, round_trip_ms REAL);
        CREATE INDEX sample_of_node ON sample (node, id);
        CREATE TABLE event (
            id INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, level TEXT NOT NULL, event TEXT NOT NULL, node TEXT,
            details TEXT NOT NULL);
        PRAGMA user_version = \(schemaVersion);
        """

    /// Brings what was written into the one file. Nothing can be asked of it afterwards.
    package func close() { try? database.close() }

    /// Runs one transaction; what goes wrong comes out typed.
    func attempt<Value>(_ body: (Database) throws -> Value) throws(HistoryFailure) -> Value {
        do { return try database.write(body) } catch { throw HistoryFailure(error) }
    }

    // MARK: - Writing

    /// One transaction. What it leaves above a bound is thinned or deleted in it.
    package func append(_ samples: [(node: String, sample: ClusterHistory.Sample)], _ events: [ClusterHistory.Event])
        throws(HistoryFailure)
    {
        let (knownIDs, knownCounts) = (nodeIDs, fineCounts)
        do {
            try attempt { database in
                for (node, sample) in samples { try insert(sample, of: try id(of: node, database), database) }
                for event in events { try insert(event, database) }
                try trim(database)
            }
        } catch {
            // The transaction is undone, and so is what was counted in it.
            (nodeIDs, fineCounts) = (knownIDs, knownCounts)
            throw error
        }
    }

    private func id(of node: String, _ database: Database) throws -> Int64 {
        if let known = nodeIDs[node] { return known }
        try database.execute(sql: "INSERT INTO node (name) VALUES (?)", arguments: [node])
        nodeIDs[node] = database.lastInsertedRowID
        return database.lastInsertedRowID
    }

    private func insert(_ sample: ClusterHistory.Sample, of node: Int64, _ database: Database) throws {
        let statement = try database.cachedStatement(
            sql: "INSERT INTO sample VALUES (NULL, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        try statement.execute(arguments: [
            node, sample.timeMs, sample.state, sample.cpuUsedCores, sample.cpuQuotaCores, sample.cpuThrottledShare,
            sample.processCPUCores, Int64(clamping: sample.memoryUsedBytes), Int64(clamping: sample.memoryLimitBytes),
            Int64(clamping: sample.processBytes), Int64(clamping: sample.networkReceivedBytes),
            Int64(clamping: sample.networkSentBytes), Int64(sample.queued), Int64(sample.executing),
            Int64(clamping: sample.completed), sample.roundTripMs,
        ])
        fineCounts[node, default: 0] += 1
    }

    private func insert(_ event: ClusterHistory.Event, _ database: Database) throws {
        let details = String(decoding: try JSONEncoder().encode(event.details), as: UTF8.self)
        let statement = try database.cachedStatement(sql: "INSERT INTO event VALUES (NULL, ?, ?, ?, ?, ?)")
        try statement.execute(arguments: [event.timeMs, event.level, event.event, event.node, details])
    }

    func forget(nodes gone: Set<Int64>) {
        nodeIDs = nodeIDs.filter { !gone.contains($0.value) }
        for id in gone { fineCounts[id] = nil }
    }
}

/// What a history could not do.
package struct HistoryFailure: Error, Sendable, CustomStringConvertible {
    package let description: String
    /// The file itself is no history, or no longer one.
    package let isDamaged: Bool

    init(_ description: String, isDamaged: Bool) {
        self.description = description
        self.isDamaged = isDamaged
    }

    init(_ error: any Error) {
        switch error {
        case let failure as HistoryFailure: self = failure
        case let error as DatabaseError:
            let code = error.resultCode
            self.init(
                error.message ?? "\(code)", isDamaged: code == .SQLITE_CORRUPT || code == .SQLITE_NOTADB || code == .SQLITE_FORMAT)
        default: self.init("\(error)", isDamaged: false)
        }
    }
}
