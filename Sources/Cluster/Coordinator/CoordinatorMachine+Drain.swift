internal import Base
internal import Wire

/// The end of a coordinator (SIGTERM): what runs is answered, within a time of its own. Clients' deadlines, which may be an hour away, and
/// clients that do not read have no say in it.
extension CoordinatorMachine {
    /// What cannot be answered now waits this long after the signal: an upload that is under way arrives, a plan that is being made serves.
    static let drainPatience: Duration = .seconds(2)
    /// When a client should try again, by then with the next coordinator.
    private static let drainHint: Duration = .seconds(1)

    struct Drain: Sendable {
        var startedAt: Instant
        /// Since when no plan serves.
        var idleSince: Instant?
        var hasEnded = false
    }

    var isDraining: Bool { drain != nil }

    mutating func startDraining(_ step: inout Step) {
        guard drain == nil else { return }
        drain = Drain(startedAt: step.now)
        step.log(
            .info, "draining: no new requests are taken",
            ["outstanding": "\(requests.count)", "limit": configuration.drainTimeout.optionText])
    }

    mutating func settleDrain(_ step: inout Step) {
        guard var drain, !drain.hasEnded else { return }
        drain.idleSince = plans.active == nil ? drain.idleSince ?? step.now : nil
        self.drain = drain
        if step.now >= drain.startedAt + configuration.drainTimeout {
            let left = requests.all.count { $0.phase != .replying }
            if left > 0 {
                step.log(
                    .warning, "the drain's limit is reached: requests are given up",
                    ["requests": "\(left)", "limit": configuration.drainTimeout.optionText])
            }
            failWhileDraining("was not done within the \(configuration.drainTimeout.optionText) of --drain-timeout", &step) { _ in
                true
            }
            return endDrain(&step)
        }
        if step.now >= drain.startedAt + Self.drainPatience {
            failWhileDraining("had not sent its inputs", &step) { $0.phase == .receiving }
        }
        if let since = drain.idleSince, step.now >= since + Self.drainPatience {
            failWhileDraining("cannot run, because no plan serves (\(waitingCause))", &step) { $0.phase == .running }
        }
        if requests.isEmpty { endDrain(&step) }
    }

    private mutating func endDrain(_ step: inout Step) {
        drain?.hasEnded = true
        step.emit(.drained)
    }

    private mutating func failWhileDraining(
        _ why: String, _ step: inout Step, where isHopeless: (Request) -> Bool
    ) {
        // In the order of their admission, so that the same events give the same directives.
        let hopeless = requests.all.filter { $0.phase != .replying && isHopeless($0) }.map(\.id)
        for id in hopeless.sorted(by: { $0.number < $1.number }) {
            finish(
                id, with: .unavailable, "the coordinator is shutting down, and the request \(why); send it again",
                retryAfter: Self.drainHint, &step)
        }
    }

    var drainWake: Instant? {
        guard let drain, !drain.hasEnded else { return nil }
        var wake = drain.startedAt + configuration.drainTimeout
        for moment in [drain.startedAt, drain.idleSince].compactMap({ $0 }) where moment + Self.drainPatience > (lastStep ?? moment)
        {
            wake = min(wake, moment + Self.drainPatience)
        }
        return wake
    }
}
