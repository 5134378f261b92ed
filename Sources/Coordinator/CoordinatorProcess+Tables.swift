internal import Cluster
internal import Gateway
internal import Hosting
internal import Loops
internal import Transport

extension CoordinatorProcess {
    /// How many entries each table of this shell has, beside the machine's own (``CoordinatorMachine``).
    var tables: [String: Int] {
        [
            "connections": peers.count, "silent_connections": listener?.silentCount ?? 0,
            "http_connections": gateway?.connectionCount ?? 0, "http_drains": httpDrains.count, "event_sources": loop.sourceCount,
            "timers": loop.timerCount,
            "request_payloads": payloads.requestCount, "result_payloads": payloads.resultCount,
            "cache_lookups": cacheEntries.count, "links": activations.links.count,
            "questions": questions.askerCount, "unread_documents": questions.documentCount,
        ]
    }
}
