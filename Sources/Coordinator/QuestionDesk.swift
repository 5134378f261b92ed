package import Base
package import Cluster

/// What each client may have asked and not yet been answered, and what of the answers waits for clients that do not read: a value.
///
/// A question is outstanding until its answer is written to the kernel. So a client that asks and does not read stops itself, and one that
/// asks faster than it is answered is told to slow down.
package struct QuestionDesk: Sendable {
    /// Of one connection: a program with some dashboards, histories and pings at once. More at once gain nothing: the answers are the same.
    package static let perConnection = 16
    /// Documents that wait to be written, each counted once however many clients wait for it. The largest has some ten MB.
    package static let heldByteLimit = 256 << 20
    /// When a client that was refused should ask again.
    package static let retryHint: Duration = .milliseconds(250)

    private struct Held: Sendable {
        var byteCount: Int
        var readers: Int
    }

    private var outstanding: [ConnectionID: Int] = [:]
    private var documents: [UInt64: Held] = [:]
    private var lastDocument: UInt64 = 0
    package private(set) var heldBytes = 0

    package init() {}

    /// Connections with a question outstanding.
    package var askerCount: Int { outstanding.count }
    package var documentCount: Int { documents.count }

    /// - Returns: `false` when the connection has its share outstanding already.
    package mutating func take(from connection: ConnectionID) -> Bool {
        let count = outstanding[connection] ?? 0
        guard count < Self.perConnection else { return false }
        outstanding[connection] = count + 1
        return true
    }

    package mutating func answered(_ connection: ConnectionID) {
        guard let count = outstanding[connection] else { return }
        outstanding[connection] = count > 1 ? count - 1 : nil
    }

    package mutating func closed(_ connection: ConnectionID) { outstanding[connection] = nil }

    package func hasQuestions(of connection: ConnectionID) -> Bool { outstanding[connection] != nil }

    /// Books a document for its readers.
    /// - Returns: its number, or `nil` where too much waits already.
    package mutating func hold(byteCount: Int, readers: Int) -> UInt64? {
        guard heldBytes + byteCount <= Self.heldByteLimit || documents.isEmpty else { return nil }
        lastDocument += 1
        documents[lastDocument] = Held(byteCount: byteCount, readers: readers)
        heldBytes += byteCount
        return lastDocument
    }

    package mutating func wasRead(_ document: UInt64) {
        guard let held = documents[document] else { return }
        if held.readers > 1 {
            documents[document]?.readers -= 1
        } else {
            documents[document] = nil
            heldBytes -= held.byteCount
        }
    }
}

/// When a document that all askers share is made: a value.
///
/// Each answer is made after its question was asked, never before. The first question is answered at once; those that come while a document is
/// made, or within a while after it, share the next. The while is a multiple of what making one has cost, so that however many ask, documents
/// take a small part of the loop's time and of the machine's.
package struct DocumentSchedule<Asker> {
    /// Between two documents at least: nobody looks more often than that.
    package static var shortestPause: Duration { .milliseconds(20) }
    /// At most, so that whoever waits for one (probes wait two seconds) gets it, however large it has become.
    package static var longestPause: Duration { .seconds(1) }

    package private(set) var waiting: [Asker] = []
    private var isBeingMade = false
    private var nextAt: Instant?

    package init() {}

    package mutating func ask(_ asker: Asker) { waiting.append(asker) }

    /// When the next document is due; `nil` while nobody waits or one is being made.
    package var dueAt: Instant? { waiting.isEmpty || isBeingMade ? nil : nextAt ?? .zero }

    /// Takes those for whom a document is made now.
    package mutating func begin() -> [Asker] {
        isBeingMade = true
        let askers = waiting
        waiting = []
        return askers
    }

    /// - Parameters:
    ///   - loopCost: what it took of the loop's time.
    ///   - threadCost: what it took elsewhere.
    package mutating func made(at now: Instant, loopCost: Duration, threadCost: Duration) {
        isBeingMade = false
        nextAt = now + min(max(loopCost * 20 + threadCost * 2, Self.shortestPause), Self.longestPause)
    }
}
