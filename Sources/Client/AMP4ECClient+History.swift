internal import Base
public import Cluster
internal import Tensors
internal import Wire

extension AMP4ECClient {
    /// Asks for what the coordinator has recorded of its workers: samples of their state, and events.
    ///
    /// ```swift
    /// let history = try await client.history(since: .seconds(600), limit: 60)
    /// for node in history.nodes {
    ///     print(node.name, node.samples.map(\.cpuUsedCores))
    /// }
    /// for event in history.events { print(event.event, event.node ?? "") }
    /// ```
    ///
    /// There is at most one sample of a worker for each second of the last hour, and one for each minute of the week before. `timeMs`
    /// counts milliseconds since 1970 by the coordinator's clock.
    /// - Parameters:
    ///   - node: the worker's name, as in ``status()``; `nil` for all.
    ///   - since: how far back; `nil` as far as there is.
    ///   - limit: how many of the newest samples of each worker, 1 to 100,000; `nil` leaves it to the coordinator (100).
    /// - Returns: samples and events, the oldest first.
    /// - Throws: ``ClientError``: `invalidArgument` for a limit out of range or a worker that has no history, `incompatible` where the
    ///   coordinator is of a version that keeps none, and the codes of ``status()``.
    public func history(node: String? = nil, since: Duration? = nil, limit: Int? = nil) async throws(ClientError) -> ClusterHistory
    {
        if let limit, !(1...WireLimits.historySamples).contains(limit) {
            throw ClientError(
                .invalidArgument, "\(limit) samples of each node cannot be asked for; 1 to \(WireLimits.historySamples) can")
        }
        let range = HistoryRange(
            node: node ?? "", sinceMilliseconds: since.map { UInt64(max(1, $0.milliseconds)) } ?? 0, limit: UInt32(limit ?? 0))
        let storage = try await answer(.history(range))
        do throws(ClientError) { return try DocumentDecoder.decode(storage) } catch {
            // A coordinator that does not know the question sees one for its status.
            let isStatus = (try? DocumentDecoder.decode(storage) as ClusterStatus) != nil
            throw isStatus
                ? ClientError(.incompatible, "the coordinator is of an older version, which keeps no history; update it") : error
        }
    }
}
