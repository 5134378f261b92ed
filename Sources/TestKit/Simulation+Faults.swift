internal import Base
internal import Cluster
internal import Planning
internal import Wire

extension Simulation {
    /// What was swallowed last is missed after four seconds, and three answers say within the next ones that it is lost.
    static let findingTime: Duration = .seconds(8)

    /// Draws the run's faults: all begin within its first seconds and all end.
    mutating func scheduleFaults() {
        for _ in 0..<times(options.crashes) {
            add(
                .crash(
                    .worker(anyWorker()), downFor: random.duration(.milliseconds(10), .seconds(4)), keepsDisk: random.chance(0.5),
                    isSilent: random.chance(0.25)))
        }
        for _ in 0..<times(options.drains) {
            add(.drain(.worker(anyWorker()), downFor: random.duration(.milliseconds(10), .seconds(2))))
        }
        for _ in 0..<times(options.stalls) {
            let process: Process = random.chance(0.25) ? .coordinator(0) : .worker(anyWorker())
            add(.stall(process, random.duration(.milliseconds(50), .seconds(6))))
        }
        for _ in 0..<times(options.cuts) {
            let (from, to) = anyPair()
            add(.block(from: from, to: to, bothWays: random.chance(0.4), random.duration(.milliseconds(50), .seconds(8))))
        }
        for _ in 0..<times(options.slowLinks) {
            let (from, to) = anyPair()
            add(
                .slow(
                    from: from, to: to, added: random.duration(.zero, .milliseconds(500)), divisor: random.int(in: 1...40),
                    random.duration(.milliseconds(200), .seconds(5))))
        }
        for _ in 0..<times(options.resets) {
            let (from, to) = anyPair()
            let halfOpen = random.chance(0.5) ? Duration.zero : random.duration(.zero, .seconds(3))
            add(.reset(from, to, isControl: random.chance(0.5), halfOpenFor: halfOpen))
        }
        for _ in 0..<times(options.repeats) { add(.repeatOld(worker: anyWorker(), count: random.int(in: 1...6))) }
        for _ in 0..<times(options.hangs) {
            add(.hang(worker: anyWorker(), random.duration(.seconds(1), .seconds(25))))
        }
        for _ in 0..<times(options.shortages) {
            add(.shortage(worker: anyWorker(), random.duration(.milliseconds(50), .seconds(4))))
        }
        for _ in 0..<times(options.unlistings) {
            add(.unlist(worker: anyWorker(), random.duration(.milliseconds(10), .seconds(3))))
        }
        for _ in 0..<times(options.operatorDrains) {
            add(.takeOut(worker: anyWorker(), random.duration(.milliseconds(100), .seconds(3))))
        }
        for _ in 0..<times(options.coordinatorCrashes) {
            let time = random.duration(.milliseconds(10), .seconds(3))
            if random.chance(0.25) {
                add(.drain(.coordinator(0), downFor: time))
            } else {
                add(.crash(.coordinator(0), downFor: time, keepsDisk: true, isSilent: random.chance(0.25)))
            }
        }
        for _ in 0..<times(options.intruders) { add(.intrude(random.duration(.milliseconds(200), .seconds(6)))) }
        // A draw would change every other run.
        let swallows = options.swallows.upperBound > 0 ? times(options.swallows) : 0
        for _ in 0..<swallows { add(.swallow(worker: anyWorker(), random.duration(.milliseconds(500), .seconds(6)))) }
        for worker in workers where !worker.isUp { add(.join(worker: worker.index)) }
    }

    /// Each run has about half of the kinds of faults that its options allow: what hides behind another fault shows without it.
    private mutating func times(_ range: ClosedRange<Int>) -> Int {
        let count = random.int(in: range)
        return options.leavesKindsOut && random.chance(0.5) ? 0 : count
    }

    private mutating func add(_ fault: Fault) {
        let at = now + random.duration(.milliseconds(100), options.faultTime)
        lastFaultStart = max(lastFaultStart, at)
        schedule.add(.fault(fault), at: at)
    }

    private mutating func anyWorker() -> Int { random.int(in: 0...(workers.count - 1)) }

    /// Two workers, or the coordinator and a worker, in either order.
    private mutating func anyPair() -> (Process, Process) {
        let first = Process.worker(anyWorker())
        var second = Process.coordinator(0)
        if workers.count > 1, random.chance(0.6) {
            repeat { second = .worker(anyWorker()) } while second == first
        }
        return random.chance(0.5) ? (first, second) : (second, first)
    }

    mutating func inject(_ fault: Fault) throws(Violation) {
        note("fault: \(fault)")
        if fault.endsNodes { endingFaults += 1 }
        if let kind = fault.kind { report.faults[kind, default: 0] += 1 }
        switch fault {
        case .crash(let process, let downFor, let keepsDisk, let isSilent):
            guard isUp(process) else { return }
            if case .worker(let index) = process, !keepsDisk { workers[index].archives = [] }
            end(process, downFor, afterFlush: false, isSilent: isSilent)
        case .restart(let process): try start(process)
        case .drain(let process, let downFor): try drain(process, downFor)
        case .stall(let process, let duration):
            stalledUntil[process] = max(stalledUntil[process] ?? .zero, now + duration)
            lasts(duration)
        case .block(let from, let to, let bothWays, let duration):
            blocks[Direction(from: from, to: to)] = now + duration
            if bothWays { blocks[Direction(from: to, to: from)] = now + duration }
            lasts(duration + Self.tcpTimeout)
        case .slow(let from, let to, let added, let divisor, let duration):
            slow[Direction(from: from, to: to)] = Slowness(until: now + duration, added: added, divisor: Double(divisor))
            lasts(duration)
        case .reset(let first, let second, let isControl, let halfOpenFor):
            let channel: Channel = isControl ? .control : .data
            let open = connections.indices.first {
                connections[$0].isOpen && connections[$0].hello.channel == channel && connections[$0].joins(first, second)
            }
            guard let open else { return }
            close(ConnectionID(UInt64(open)), by: first, "reset by the network", noticedAfter: halfOpenFor)
            lasts(halfOpenFor)
        case .repeatOld(let worker, let count): for _ in 0..<count { repeatOld(worker) }
        case .hang(let worker, let duration):
            workers[worker].hangsUntil = now + duration
            lasts(duration)
        case .swallow(let worker, let duration):
            workers[worker].swallowsUntil = now + duration
            lasts(duration + Self.findingTime)
        case .shortage(let worker, let duration):
            workers[worker].shortUntil = now + duration
            lasts(duration)
        case .join(let worker):
            workers[worker].isUp = true
            lasts(Self.registrationPause)
            wakeUp(worker)
            guard !workers[worker].registersItself else { return }
            listed.insert(worker)
            try listWorkers()
        case .unlist(let worker, let duration):
            guard listed.count > 1, listed.remove(worker) != nil else { return }
            schedule.add(.fault(.list(worker: worker)), at: now + duration)
            lasts(duration)
            try listWorkers()
        case .list(let worker):
            listed.insert(worker)
            try listWorkers()
        case .takeOut(let worker, let duration):
            send(Command(worker: worker, undoAfter: duration))
        case .intrude(let duration):
            guard !coordinators[1].isUp else { return }
            try start(.coordinator(1))
            schedule.add(
                .fault(.crash(.coordinator(1), downFor: .zero, keepsDisk: true, isSilent: false)), at: now + duration)
            lasts(duration)
        }
    }

    /// Nothing is wrong any more after the last of these ends.
    private mutating func lasts(_ duration: Duration) { lastFaultEnd = max(lastFaultEnd, now + duration) }

    mutating func start(_ process: Process) throws(Violation) {
        switch process {
        case .worker(let index):
            guard !workers[index].isUp else { return }
            workers[index].restart()
            wakeUp(index)
        case .coordinator(let index):
            // The second one's first start is a new process too.
            coordinators[index].restart()
            let life = coordinators[index].life
            schedule.add(.analysed(index, life: life), at: now + random.duration(.zero, .milliseconds(500)))
            try list(workersFor: index)
        case .client, .person: break
        }
    }

    /// A worker's own clocks.
    mutating func wakeUp(_ worker: Int) {
        schedule.add(.heartbeat(worker, life: workers[worker].life), at: now)
        if workers[worker].registersItself { schedule.add(.register(worker, life: workers[worker].life), at: now) }
    }

    private mutating func listWorkers() throws(Violation) {
        for index in coordinators.indices where coordinators[index].isUp { try list(workersFor: index) }
    }

    mutating func list(workersFor index: Int) throws(Violation) {
        let targets = listed.sorted().flatMap { worker in
            workers[worker].targets.map { CoordinatorMachine.Target(name: NodeID($0), addresses: [workers[worker].name]) }
        }
        step(.targets(targets), coordinator: index)
        try throwPending()
    }

    private mutating func drain(_ process: Process, _ downFor: Duration) throws(Violation) {
        guard isUp(process) else { return }
        switch process {
        case .worker(let index):
            guard workers[index].downAfterDrain == nil else { return }
            workers[index].downAfterDrain = downFor
            lasts(downFor)
            schedule.add(.endPatience(index, life: workers[index].life), at: now + WorkerMachine.leavePatience)
            try stepWorker(index, .leave)
        case .coordinator(let index):
            guard coordinators[index].downAfterDrain == nil else { return }
            coordinators[index].downAfterDrain = downFor
            lasts(downFor)
            step(.drain, coordinator: index)
            try throwPending()
        case .client, .person: break
        }
    }

    mutating func endDrained(_ process: Process) {
        let downFor: Duration? =
            switch process {
            case .worker(let index): workers[index].downAfterDrain
            case .coordinator(let index): coordinators[index].downAfterDrain
            case .client, .person: nil
            }
        if let downFor, isUp(process) { end(process, downFor, afterFlush: true, isSilent: false) }
    }

    /// A worker has written a run off and starts again, as a process that ends and is there again at once.
    mutating func startAnew(_ worker: Int) {
        guard workers[worker].isUp else { return }
        report.writtenOff += 1
        // One that was told to end does, and stays away as long as it was to.
        let downFor = workers[worker].downAfterDrain ?? random.duration(.milliseconds(10), .milliseconds(300))
        end(.worker(worker), downFor, afterFlush: true, isSilent: false)
    }

    private mutating func end(_ process: Process, _ downFor: Duration, afterFlush: Bool, isSilent: Bool) {
        // Whose machine lost power answers nothing: TCP at the other end gives up in its own time.
        let unnoticed = isSilent ? random.duration(.zero, Self.tcpTimeout) : .zero
        for number in connections.indices where connections[number].isOpen {
            guard connections[number].dialer == process || connections[number].acceptor == process else { continue }
            close(
                ConnectionID(UInt64(number)), by: process, afterFlush ? "closed by the peer" : "connection reset",
                afterFlush: afterFlush, noticedAfter: unnoticed)
        }
        stalledUntil[process] = nil
        lasts(max(downFor, unnoticed))
        switch process {
        case .worker(let index): workers[index].isUp = false
        case .coordinator(let index): coordinators[index].isUp = false
        case .client, .person: return
        }
        if process != .coordinator(1) { schedule.add(.fault(.restart(process)), at: now + downFor) }
    }

    /// One old message once more, on whatever connection leads there today.
    private mutating func repeatOld(_ worker: Int) {
        guard workers[worker].isUp, let (node, packet) = workers[worker].history.randomElement(using: &random) else { return }
        let process = Process.worker(worker)
        let way = connections.indices.last { number in
            let connection = connections[number]
            guard connection.isOpen, connection.isWelcomed, connection.hello.channel == .data else { return false }
            return node == nil
                ? connection.acceptor == process && connection.hello.role == .coordinator
                : connection.dialer == process && connection.dialledNode == node
        }
        guard let way else { return }
        transmit(packet, on: ConnectionID(UInt64(way)), from: process)
        report.repeated += 1
        for (client, request) in Set(packet.values).compactMap(MixModel.owner) { clients[client].requests[request].repeats += 1 }
    }
}
