internal import Base
internal import Wire

/// Requests that the shell answers from its result cache.
///
/// The machine knows no key and no result; it is told of a hit in place of `requestArrived`, so that the one reply, its timing and the table of
/// what is in flight stay its own. A hit needs no plan: it is answered while the cluster has none.
extension CoordinatorMachine {
    mutating func requestCached(_ id: RequestID, _ step: inout Step) {
        // A request that was cancelled, or whose deadline passed, while its inputs were hashed has had its end.
        guard let request = requests.answerFromCache(id, step.now) else { return }
        count { $0.requestsCached += 1 }
        step.emit(
            .reply(
                id, request.client, clientNumber: request.clientNumber,
                RequestTiming(
                    queue: 0, total: UInt64(max(0, (step.now - request.admittedAt).nanoseconds)), replays: 0, isCached: true)))
    }
}
