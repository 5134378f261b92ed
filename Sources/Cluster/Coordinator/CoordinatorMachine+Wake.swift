internal import DequeModule
internal import HeapModule

extension CoordinatorMachine {
    /// When ``step(_:now:)`` must be called at the latest, or `nil` while only events can change anything. O(1).
    public var nextWake: Instant? {
        var wake: Instant?
        func consider(_ candidate: Instant?) {
            guard let candidate, candidate < .distantFuture else { return }
            wake = min(wake ?? candidate, candidate)
        }
        consider(watches.min?.at)
        // So that being late shows (see `forgiveOwnPause`).
        if !nodeOfConnection.isEmpty, let lastStep { consider(lastStep + lifeCheckInterval) }
        consider(links.nextWake)
        consider(requests.nextWake)
        consider(flights.nextWake)
        consider(
            plans.nextWake(isOpen: isStartGateOpen, isDraining: isDraining, deploymentTimeout: configuration.deploymentTimeout))
        consider(registrationWakeAt)
        consider(departureWake)
        consider(drainWake)
        if !isStartGateOpen, !nodes.isEmpty, let startedAt { consider(startGateDueAt ?? startedAt + configuration.joinTimeout) }
        return wake
    }
}
