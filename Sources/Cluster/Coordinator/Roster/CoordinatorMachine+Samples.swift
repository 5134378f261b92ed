internal import Base
internal import Planning
internal import Wire

extension CoordinatorMachine {
    /// The nodes' samples since the last call, one for each node from which a heartbeat has come since: of a silent one there is nothing
    /// new to say.
    /// - Parameter timeMs: now, in milliseconds since 1970.
    public mutating func takeSamples(timeMs: Int64) -> [(node: String, sample: ClusterHistory.Sample)] {
        var samples: [(node: String, sample: ClusterHistory.Sample)] = []
        for id in roster.ids.sorted() {
            guard let node = roster[id], let session = node.session, session.hasNewHeartbeat, let beat = session.heartbeat else {
                continue
            }
            roster[id]?.session?.hasNewHeartbeat = false
            samples.append(
                (
                    id.description,
                    ClusterHistory.Sample(
                        timeMs: timeMs, state: node.state.name, cpuUsedCores: beat.cpuUsedCores, cpuQuotaCores: beat.cpuQuotaCores,
                        cpuThrottledShare: beat.cpuThrottledShare, processCPUCores: beat.processCPUCores,
                        memoryUsedBytes: beat.memoryUsedBytes, memoryLimitBytes: beat.memoryLimitBytes,
                        processBytes: beat.processResidentBytes, networkReceivedBytes: beat.networkReceivedBytes,
                        networkSentBytes: beat.networkSentBytes, queued: beat.queued, executing: beat.executing,
                        completed: beat.completed, roundTripMs: node.roundTrip?.milliseconds)
                ))
        }
        return samples
    }
}
