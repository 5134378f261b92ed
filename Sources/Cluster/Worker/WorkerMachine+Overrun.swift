internal import Base
public import Wire

/// Runs that do not end. A library's call cannot be interrupted, so what goes on long after nobody waits for it takes an executor for good:
/// it is written off, the coordinator plans without this worker, and the process starts again.
extension WorkerMachine {
    /// From a run's deadline or cancellation until it is written off: most that are late end in this time.
    public static let overrunLimit: Duration = .seconds(10)

    /// Writes off what has overrun, and ends the patience of a worker that is about to start again.
    mutating func watchRuns(_ now: Instant, _ out: inout [Directive]) {
        var due: [WorkKey] = []
        for (key, item) in work where item.phase == .executing {
            // Seen at the next tick, which is soon enough.
            if item.isCancelled, item.unwantedSince == nil { work[key]?.unwantedSince = now }
            if min(item.deadline, item.unwantedSince ?? now) + Self.overrunLimit <= now { due.append(key) }
        }
        for key in due.sorted(by: { ($0.request, $0.microBatch, $0.attempt) < ($1.request, $1.microBatch, $1.attempt) }) {
            writeOff(key, now, &out)
        }
        if let restartDueAt, restartDueAt <= now { drain(&out) }
    }

    private mutating func writeOff(_ key: WorkKey, _ now: Instant, _ out: inout [Directive]) {
        guard let item = work[key] else { return }
        let why = item.isCancelled ? "cancellation" : "deadline"
        log(
            .error, "a run is written off: it goes on though nobody waits for it",
            ["micro_batch": key.description, "since_its": why, "limit": Self.overrunLimit.optionText], &out)
        overruns.insert(key)
        if key.session == claim?.session { tell(.workDropped(WorkDropped(key: key, node: name, hasOverrun: true)), &out) }
        end(key, &out)
        startAnew(now, &out)
        guard overruns.count >= configuration.executors else { return }
        // Nothing else will ever run here.
        drain(&out)
        let stranded = work.filter { $0.value.phase == .preparing || $0.value.phase == .queued }.keys
        for key in stranded.sorted(by: { ($0.request, $0.microBatch, $0.attempt) < ($1.request, $1.microBatch, $1.attempt) }) {
            cancel(key, report: true, &out)
        }
    }

    /// Leaves, as a worker that was told to end does, to come back as a new process.
    private mutating func startAnew(_ now: Instant, _ out: inout [Directive]) {
        guard !isLeaving, !isDraining else { return }
        restartDueAt = now + Self.leavePatience
        leave(because: "a run does not end: the process starts again", &out)
    }

    /// Whether the run of this micro-batch was written off, and still goes on.
    public func hasWrittenOff(_ key: WorkKey) -> Bool { overruns.contains(key) }
}
