public import Cluster
internal import Tensors
internal import Wire

extension AMP4ECClient {
    /// What the coordinator has recorded of its nodes: samples, one for each second at most, and events; oldest first.
    /// - Parameters:
    ///   - node: `nil` for all of them.
    ///   - since: how far back; `nil` as far as there is.
    ///   - limit: newest samples of each node, 1 to ``Wire/WireLimits/historySamples``; `nil` leaves it to the coordinator (100).
    /// - Throws: ``Wire/StatusCode/invalidArgument`` for a node that has no history, ``Wire/StatusCode/incompatible`` where the coordinator
    ///   is of a version that keeps none.
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
