internal import Base
internal import Cluster
internal import Planning
internal import Wire

/// What a fault does to processes.
extension Simulation {
    /// What was swallowed last is missed after four seconds, and three answers say within the next ones that it is lost.
    static let findingTime: Duration = .seconds(8)

    mutating func inject(_ fault: Fault) throws(Violation) {
        note("fault: \(fault)")
        oracle.happened(fault)
        switch fault {
        case .crash(let process, let downFor, let keepsDisk, let isSilent):
            guard isUp(process) else { return }
            if case .worker(let index) = process, !keepsDisk { workers[index].archives = [] }
            end(process, downFor, afterFlush: false, isSilent: isSilent)
        case .restart(let process): try start(process)
        case .drain(let process, let downFor): try drain(process, downFor)
        case .stall(let process, let duration): world.stall(process, for: duration)
        case .block(let from, let to, let bothWays, let duration):
            world.block(from: from, to: to, bothWays: bothWays, for: duration)
        case .slow(let from, let to, let added, let divisor, let duration):
            world.slow(from: from, to: to, added: added, divisor: divisor, for: duration)
        case .reset(let first, let second, let isControl, let halfOpenFor):
            world.reset(first, second, isControl ? .control : .data, halfOpenFor: halfOpenFor)
        case .repeatOld(let worker, let count): for _ in 0..<count { repeatOld(worker) }
        case .hang(let worker, let duration):
            workers[worker].hangsUntil = now + duration
            world.faultLasts(duration)
        case .swallow(let worker, let duration):
            workers[worker].swallowsUntil = now + duration
            world.faultLasts(duration + Self.findingTime)
        case .shortage(let worker, let duration):
            workers[worker].shortUntil = now + duration
            world.faultLasts(duration)
        case .join(let worker):
            workers[worker].isUp = true
            world.faultLasts(Self.registrationPause)
            wakeUp(worker)
            guard !workers[worker].registersItself else { return }
            listed.insert(worker)
            try listWorkers()
        case .unlist(let worker, let duration):
            guard listed.count > 1, listed.remove(worker) != nil else { return }
            world.schedule(.fault(.list(worker: worker)), at: now + duration)
            world.faultLasts(duration)
            try listWorkers()
        case .list(let worker):
            listed.insert(worker)
            try listWorkers()
        case .takeOut(let worker, let duration):
            send(Command(worker: worker, undoAfter: duration))
        case .intrude(let duration):
            guard !coordinators[1].isUp else { return }
            try start(.coordinator(1))
            world.schedule(
                .fault(.crash(.coordinator(1), downFor: .zero, keepsDisk: true, isSilent: false)), at: now + duration)
            world.faultLasts(duration)
        }
    }

    mutating func start(_ process: Process) throws(Violation) {
        switch process {
        case .worker(let index):
            guard !workers[index].isUp else { return }
            workers[index].restart()
            oracle.holders[index] = nil
            wakeUp(index)
        case .coordinator(let index):
            // The second one's first start is a new process too.
            coordinators[index].restart()
            oracle.attempts[index] = [:]
            let life = coordinators[index].life
            world.schedule(.analysed(index, life: life), at: now + world.random.duration(.zero, .milliseconds(500)))
            try list(workersFor: index)
        case .client, .person: break
        }
    }

    /// A worker's own clocks.
    mutating func wakeUp(_ worker: Int) {
        world.schedule(.heartbeat(worker, life: workers[worker].life), at: now)
        if workers[worker].registersItself { world.schedule(.register(worker, life: workers[worker].life), at: now) }
    }

    private mutating func listWorkers() throws(Violation) {
        for index in coordinators.indices where coordinators[index].isUp { try list(workersFor: index) }
    }

    mutating func list(workersFor index: Int) throws(Violation) {
        let targets = listed.sorted().flatMap { worker in
            workers[worker].targets.map { CoordinatorMachine.Target(name: NodeID($0), addresses: [workers[worker].address]) }
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
            world.faultLasts(downFor)
            world.schedule(.endPatience(index, life: workers[index].life), at: now + WorkerMachine.leavePatience)
            try stepWorker(index, .leave)
        case .coordinator(let index):
            guard coordinators[index].downAfterDrain == nil else { return }
            coordinators[index].downAfterDrain = downFor
            world.faultLasts(downFor)
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
        oracle.report.writtenOff += 1
        // One that was told to end does, and stays away as long as it was to.
        let downFor = workers[worker].downAfterDrain ?? world.random.duration(.milliseconds(10), .milliseconds(300))
        end(.worker(worker), downFor, afterFlush: true, isSilent: false)
    }

    private mutating func end(_ process: Process, _ downFor: Duration, afterFlush: Bool, isSilent: Bool) {
        // Whose machine lost power answers nothing: TCP at the other end gives up in its own time.
        let unnoticed = isSilent ? world.random.duration(.zero, World.tcpTimeout) : .zero
        for number in world.connections.indices where world.connections[number].isOpen {
            guard world.connections[number].dialer == process || world.connections[number].acceptor == process else { continue }
            world.close(
                ConnectionID(UInt64(number)), by: process, afterFlush ? "closed by the peer" : "connection reset",
                afterFlush: afterFlush, noticedAfter: unnoticed)
        }
        world.forgetStall(of: process)
        world.faultLasts(max(downFor, unnoticed))
        switch process {
        case .worker(let index): workers[index].isUp = false
        case .coordinator(let index): coordinators[index].isUp = false
        case .client, .person: return
        }
        if process != .coordinator(1) { world.schedule(.fault(.restart(process)), at: now + downFor) }
    }

    /// One old message once more, on whatever connection leads there today.
    private mutating func repeatOld(_ worker: Int) {
        guard workers[worker].isUp, let (node, packet) = workers[worker].history.randomElement(using: &world.random) else { return }
        let process = Process.worker(worker)
        let way = world.connections.indices.last { number in
            let connection = world.connections[number]
            guard connection.isOpen, connection.isWelcomed, connection.hello.channel == .data else { return false }
            return node == nil
                ? connection.acceptor == process && connection.hello.role == .coordinator
                : connection.dialer == process && connection.dialledNode == node
        }
        guard let way else { return }
        world.transmit(packet, on: ConnectionID(UInt64(way)), from: process)
        oracle.repeated(packet.values)
    }
}
