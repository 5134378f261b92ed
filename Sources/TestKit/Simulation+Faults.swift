internal import Cluster
internal import Wire

extension Simulation {
    /// Draws the run's faults: all begin within its first seconds and all end.
    mutating func scheduleFaults() {
        for _ in 0..<random.int(in: options.crashes) {
            add(.crash(worker: randomWorker(), downFor: random.duration(.milliseconds(10), .seconds(4))))
        }
        for _ in 0..<random.int(in: options.drains) {
            add(.drain(worker: randomWorker(), downFor: random.duration(.milliseconds(10), .seconds(2))))
        }
        for _ in 0..<random.int(in: options.stalls) {
            let process: Process = random.chance(0.2) ? .coordinator : .worker(randomWorker())
            add(.stall(process, random.duration(.milliseconds(50), .seconds(5))))
        }
        for _ in 0..<random.int(in: options.cuts) {
            let (from, to) = randomPair()
            add(.block(from: from, to: to, bothWays: random.chance(0.5), random.duration(.milliseconds(50), .seconds(8))))
        }
        for _ in 0..<random.int(in: options.resets) {
            let (from, to) = randomPair()
            let halfOpen = random.chance(0.5) ? Duration.zero : random.duration(.zero, .seconds(3))
            add(.reset(from, to, random.chance(0.5) ? .control : .data, halfOpenFor: halfOpen))
        }
    }

    private mutating func add(_ fault: Fault) {
        schedule.add(.fault(fault), at: now + random.duration(.milliseconds(100), .seconds(4)))
    }

    private mutating func randomWorker() -> Int { random.int(in: 0...(workers.count - 1)) }

    /// Two workers, or the coordinator and a worker, in either order.
    private mutating func randomPair() -> (Process, Process) {
        let first = Process.worker(randomWorker())
        var second = Process.coordinator
        if workers.count > 1, random.chance(0.6) {
            repeat { second = .worker(randomWorker()) } while second == first
        }
        return random.chance(0.5) ? (first, second) : (second, first)
    }

    mutating func inject(_ fault: Fault) throws(Violation) {
        note("fault: \(fault)")
        report.faults += 1
        switch fault {
        case .crash(let worker, let downFor):
            guard workers[worker].isUp else { return }
            end(worker, downFor, afterFlush: false)
        case .restart(let worker):
            workers[worker].restart()
            schedule.add(.heartbeat(worker, life: workers[worker].life), at: now)
        case .drain(let worker, let downFor):
            guard workers[worker].isUp, workers[worker].downAfterDrain == nil else { return }
            workers[worker].downAfterDrain = downFor
            lastFaultEnd = max(lastFaultEnd, now + downFor)
            try stepWorker(worker, .drain)
        case .stall(let process, let duration):
            stalledUntil[process] = max(stalledUntil[process] ?? .zero, now + duration)
            lastFaultEnd = max(lastFaultEnd, now + duration)
        case .block(let from, let to, let bothWays, let duration):
            blocks[Direction(from: from, to: to)] = now + duration
            if bothWays { blocks[Direction(from: to, to: from)] = now + duration }
            lastFaultEnd = max(lastFaultEnd, now + duration)
        case .reset(let first, let second, let channel, let halfOpenFor):
            let open = connections.filter { _, connection in
                connection.isOpen && connection.hello.channel == channel
                    && (connection.dialer, connection.acceptor) == (first, second)
                    || connection.isOpen && connection.hello.channel == channel
                        && (connection.dialer, connection.acceptor) == (second, first)
            }
            guard let id = open.keys.min() else { return }
            close(id, by: first, "reset by the network", noticedAfter: halfOpenFor)
            lastFaultEnd = max(lastFaultEnd, now + halfOpenFor)
        }
    }

    mutating func endDrained(_ worker: Int) {
        guard workers[worker].isUp, let downFor = workers[worker].downAfterDrain else { return }
        end(worker, downFor, afterFlush: true)
    }

    private mutating func end(_ worker: Int, _ downFor: Duration, afterFlush: Bool) {
        let process = Process.worker(worker)
        for (id, connection) in connections.sorted(by: { $0.key < $1.key })
        where connection.isOpen && (connection.dialer == process || connection.acceptor == process) {
            close(id, by: process, afterFlush ? "closed by the peer" : "connection reset", afterFlush: afterFlush)
        }
        workers[worker].isUp = false
        stalledUntil[process] = nil
        schedule.add(.fault(.restart(worker: worker)), at: now + downFor)
        lastFaultEnd = max(lastFaultEnd, now + downFor)
    }
}

extension Simulation.Options {
    /// All faults together, up to a few of each in one run.
    public static var faults: Simulation.Options {
        var options = Simulation.Options()
        options.crashes = 0...3
        options.drains = 0...1
        options.stalls = 0...2
        options.cuts = 0...2
        options.resets = 0...3
        options.shortageShare = 0.01
        options.evictShare = 0.3
        return options
    }
}
