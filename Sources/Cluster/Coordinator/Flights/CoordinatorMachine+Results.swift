internal import Base
internal import Planning
internal import Tensors
public import Wire

/// What comes back from the last hop, and whether it is what was asked for.
///
/// A result counts only on the data connection of its route's last hop, and only for an attempt that is under way. Its count, types and extents
/// are compared with what the model declares, and its decoded size is charged, before a byte of its payload is read.
extension CoordinatorMachine {
    /// Whether a result of this attempt is still of use.
    public func wants(_ key: WorkKey) -> Bool {
        guard let flight = flights[key] else { return false }
        return !flight.isAbandoned
    }

    private func isLastHop(_ connection: ConnectionID, of flight: Flight) -> Bool {
        guard let last = flight.route.last else { return false }
        return roster[last]?.data == connection
    }

    mutating func resultAnnounced(_ connection: ConnectionID, _ result: WorkResult, _ step: inout Step) {
        guard let flight = flights[result.key], isLastHop(connection, of: flight), !flight.isResultAccepted else {
            return drop(result.key, &step)
        }
        guard !flight.isAbandoned, let piece = requests.piece(flight.request, flight.piece), !piece.isDone else {
            // Nobody waits for it, but its reservation does: the last hop has let go of it.
            _ = land(result.key)
            return drop(result.key, &step)
        }
        if let problem = plans.model?.problem(ofResult: result.tensors, items: piece.items.count) {
            let node = flight.route.last?.description ?? ""
            step.log(.warning, "a result is not what the model declares", ["node": node, "cause": problem])
            return workFailed(result.key, node: flight.route.last, .internalError, problem, &step)
        }
        let bytes = result.tensors.decodedByteCount + result.tensors.encodedByteCount
        guard requests.charge(bytes, to: flight.request, flight.piece, budget: configuration.maximumRequestBytes) else {
            let problem =
                "its results take more than the \(configuration.maximumRequestBytes) bytes that requests may hold at once; "
                + "send fewer items, or fewer requests at once"
            return workFailed(result.key, node: nil, .resourceExhausted, problem, &step)
        }
        flights.resultAccepted(result.key)
        step.emit(.acceptResult(result.key))
    }

    private mutating func drop(_ key: WorkKey, _ step: inout Step) {
        count { $0.resultsDropped += 1 }
        step.emit(.dropResult(key))
    }

    mutating func resultArrived(
        _ connection: ConnectionID, _ key: WorkKey, _ traces: [HopTrace], _ step: inout Step
    ) {
        guard let known = flights[key], known.isResultAccepted, isLastHop(connection, of: known), let flight = land(key, traces),
            !flight.isAbandoned, requests.piece(flight.request, flight.piece)?.isDone == false
        else {
            return drop(key, &step)
        }
        for trace in traces {
            // The last hop speaks for all: nothing took longer than the journey, and nobody off the route has part in it.
            guard flight.route.contains(trace.node) else { continue }
            var bounded = trace
            bounded.compute = min(trace.compute, UInt64(max(0, (step.now - flight.sentAt).nanoseconds)))
            roster[trace.node]?.timing.add(bounded)
            roster[trace.node]?.session?.progress.ran(bounded.compute, step.now)
        }
        let id = flight.request
        step.emit(.takeResult(key, id, piece: flight.piece))
        pace.done(
            requests.piece(id, flight.piece)?.items.count ?? 0, isSomebodyWaiting: requests.isSomebodyWaiting,
            isIdle: flights.isEmpty, step.now)
        guard let request = requests.complete(id, flight.piece, step.now) else { return }
        count { $0.requestsCompleted += 1 }
        latencies.add(step.now - request.admittedAt)
        step.emit(
            .reply(
                id, request.client, clientNumber: request.clientNumber,
                RequestTiming(
                    queue: UInt64(max(0, ((request.firstDispatchAt ?? step.now) - request.admittedAt).nanoseconds)),
                    total: UInt64(max(0, (step.now - request.admittedAt).nanoseconds)), replays: request.replays,
                    receive: UInt64(max(0, ((request.arrivedAt ?? step.now) - request.admittedAt).nanoseconds)))))
    }

    mutating func resultBroken(
        _ connection: ConnectionID, _ key: WorkKey, _ message: String, _ step: inout Step
    ) {
        guard let flight = flights[key], isLastHop(connection, of: flight) else { return }
        workFailed(key, node: flight.route.last, .internalError, message, &step)
    }
}

extension ServedModel {
    /// Why tensors cannot be the outputs of `items` items; `nil` where they can.
    ///
    /// Where nobody declared the outputs, their extents are those that a few runs showed. They bind nobody where requests travel whole, nor
    /// where an input has a dimension of any length: an output's may follow it.
    func problem(ofResult tensors: [TensorHeader], items: Int) -> String? {
        guard tensors.count == outputs.count else {
            return "the last stage gave \(tensors.count) outputs where \(outputs.count) are declared"
        }
        let isWhole = batching != .splittable
        let areExtentsObserved = hasObservedExtents && (isWhole || inputs.contains(where: \.hasFreeDimension))
        for (tensor, spec) in zip(tensors, outputs) {
            let fits =
                tensor.dtype == spec.dtype && tensor.shape.count == spec.shape.count
                && zip(spec.shape, tensor.shape).allSatisfy { declared, extent in
                    switch declared {
                    case .fixed(let wanted): wanted == extent || areExtentsObserved
                    case .batch: isWhole || extent == items
                    case .free: true
                    }
                }
            guard fits else {
                return "the last stage gave \(tensor.dtype.name)\(tensor.shape) for \(items) items where \(spec) is declared"
            }
        }
        return nil
    }
}
