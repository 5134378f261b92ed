public import Base

extension CoordinatorMachine {
    /// When ``step(_:now:)`` must be called at the latest, or `nil` while only events can change anything. O(1).
    public var nextWake: Instant? {
        var wake: Instant?
        func consider(_ candidate: Instant?) {
            guard let candidate, candidate < .distantFuture else { return }
            wake = min(wake ?? candidate, candidate)
        }
        consider(roster.nextWake)
        // So that being late shows (see `forgiveOwnPause`).
        if roster.connectionCount > 0, let lastStep { consider(lastStep + lifeCheckInterval) }
        consider(links.nextWake)
        consider(requests.nextWake)
        consider(flights.nextWake)
        consider(
            plans.nextWake(isOpen: roster.gate.isOpen, isDraining: isDraining, deploymentTimeout: configuration.deploymentTimeout))
        consider(drainWake)
        return wake
    }
}
