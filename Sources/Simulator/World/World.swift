internal import Base
internal import Cluster
internal import Wire

/// The world around the processes: a clock, connections with latency, bandwidth and an order of their own, and all that can be wrong with them.
///
/// It carries and delays. What a message says is no business of its own, and whether a process runs is told to it (``Party``).
struct World {
    /// TCP gives up on bytes that are not acknowledged for this long; a connection that cannot be opened fails after the same time.
    static let tcpTimeout: Duration = .seconds(3)

    /// A process as it stands when a connection is opened.
    struct Party {
        let process: Process
        let life: Int
        let isUp: Bool
    }

    /// The only dice of a run, so that a seed names it.
    var random: SeededRandom
    private(set) var now: Instant = .zero
    /// By number.
    var connections: [SimulatedConnection] = []
    /// When the last fault that was drawn begins …
    private(set) var lastFaultStart: Instant = .zero
    /// … and when the last one so far is over.
    private(set) var lastFaultEnd: Instant = .zero
    private let latency: Duration
    private let bytesPerSecond: Double
    private var agenda = Schedule()
    private var stalledUntil: [Process: Instant] = [:]
    private var blockedWays: [Direction: Instant] = [:]
    private var slowWays: [Direction: Slowness] = [:]

    init(random: SeededRandom, latency: Duration, bytesPerSecond: Double) {
        self.random = random
        self.latency = latency
        self.bytesPerSecond = bytesPerSecond
    }

    // MARK: Time

    mutating func schedule(_ occurrence: Occurrence, at time: Instant) { agenda.add(occurrence, at: time) }

    /// The next thing that happens, at its time; `nil` when nothing happens any more.
    mutating func next() -> Occurrence? {
        guard let (time, occurrence) = agenda.next() else { return nil }
        now = max(now, time)
        return occurrence
    }

    /// What happens to a stopped process happens when it goes on.
    /// - Returns: whether it was put off.
    mutating func putsOff(_ occurrence: Occurrence) -> Bool {
        guard !stalledUntil.isEmpty, let process = occurrence.process, let until = stalledUntil[process], until > now else {
            return false
        }
        agenda.add(occurrence, at: until)
        return true
    }

    // MARK: Faults

    /// Something will go wrong at this time.
    mutating func announce(_ fault: Fault, at time: Instant) {
        lastFaultStart = max(lastFaultStart, time)
        agenda.add(.fault(fault), at: time)
    }

    /// Nothing is wrong any more after the last of these ends.
    mutating func faultLasts(_ duration: Duration) { lastFaultEnd = max(lastFaultEnd, now + duration) }

    mutating func stall(_ process: Process, for duration: Duration) {
        stalledUntil[process] = max(stalledUntil[process] ?? .zero, now + duration)
        faultLasts(duration)
    }

    /// The process is another one from here on, which nobody has stopped.
    mutating func forgetStall(of process: Process) { stalledUntil[process] = nil }

    mutating func block(from: Process, to: Process, bothWays: Bool, for duration: Duration) {
        blockedWays[Direction(from: from, to: to)] = now + duration
        if bothWays { blockedWays[Direction(from: to, to: from)] = now + duration }
        faultLasts(duration + Self.tcpTimeout)
    }

    mutating func slow(from: Process, to: Process, added: Duration, divisor: Int, for duration: Duration) {
        slowWays[Direction(from: from, to: to)] = Slowness(until: now + duration, added: added, divisor: Double(divisor))
        faultLasts(duration)
    }

    /// Breaks the open connection of the two for this purpose, if there is one.
    mutating func reset(_ first: Process, _ second: Process, _ channel: Channel, halfOpenFor: Duration) {
        let open = connections.indices.first {
            connections[$0].isOpen && connections[$0].hello.channel == channel && connections[$0].joins(first, second)
        }
        guard let open else { return }
        close(ConnectionID(UInt64(open)), by: first, "reset by the network", noticedAfter: halfOpenFor)
        faultLasts(halfOpenFor)
    }

    private func blockedUntil(_ from: Process, _ to: Process) -> Instant {
        blockedWays.isEmpty ? .zero : blockedWays[Direction(from: from, to: to)] ?? .zero
    }

    private func slowness(_ from: Process, _ to: Process) -> Slowness? {
        guard !slowWays.isEmpty, let found = slowWays[Direction(from: from, to: to)], found.until > now else { return nil }
        return found
    }

    // MARK: Connections

    func connection(_ id: ConnectionID) -> SimulatedConnection { connections[Int(id.number)] }

    /// Opens a connection and carries the hello over it; an unreachable process refuses after the latency.
    mutating func connect(from dialer: Party, to acceptor: Party, hello: Hello, dialledNode: NodeID, peer: PeerTable.Peer?)
        -> ConnectionID
    {
        let id = ConnectionID(UInt64(connections.count))
        var connection = SimulatedConnection(
            dialer: dialer.process, dialerLife: dialer.life, acceptor: acceptor.process, acceptorLife: acceptor.life, hello: hello,
            dialledNode: dialledNode, peer: peer)
        let blocked = max(blockedUntil(dialer.process, acceptor.process), blockedUntil(acceptor.process, dialer.process))
        let isBlocked = blocked > now + Self.tcpTimeout
        connection.isOpen = acceptor.isUp && !isBlocked
        connections.append(connection)
        if connection.isOpen {
            transmit(Packet(message: .hello(hello)), on: id, from: dialer.process, delay: latency * 2)
        } else {
            agenda.add(.connectFailed(id, dialer.process), at: now + (isBlocked ? Self.tcpTimeout : latency * 2))
        }
        return id
    }

    /// In order on each direction of a connection, after the bytes before it, the bandwidth and the latency with some jitter. Where the
    /// direction is blocked, TCP carries it later or gives the connection up.
    /// - Returns: when the last byte has left the sender, or `distantFuture` where the connection is over for it.
    @discardableResult
    mutating func transmit(_ packet: Packet, on id: ConnectionID, from sender: Process, delay: Duration = .zero) -> Instant {
        let index = Int(id.number)
        guard connections[index].isOpen, !connections[index][sender].knowsEnd else { return .distantFuture }
        let receiver = connections[index].other(than: sender)
        connections[index][sender].sentBytes += UInt64(packet.bytes)
        var free = max(now, connections[index][sender].free)
        let outward = blockedUntil(sender, receiver)
        let blocked = max(outward, blockedUntil(receiver, sender))
        if blocked > now + Self.tcpTimeout {
            // The sender gives up; what was not blocked in the receiver's direction has still arrived.
            agenda.add(.connectionClosed(id, at: sender, "timed out"), at: now + Self.tcpTimeout)
            agenda.add(
                .connectionClosed(id, at: receiver, "timed out"), at: now + Self.tcpTimeout + random.duration(.zero, .seconds(1)))
            if outward > now { return free }
        } else if blocked > now {
            free = max(free, blocked)
        }
        let slowed = slowness(sender, receiver)
        let seconds = Double(packet.bytes) * (slowed?.divisor ?? 1) / bytesPerSecond
        let left = free + .nanoseconds(Int64(seconds * 1e9))
        let travel = latency + random.duration(.zero, latency) + delay + (slowed?.added ?? .zero)
        let arrival = max(left + travel, connections[index][receiver].lastArrival)
        connections[index][sender].free = left
        connections[index][receiver].lastArrival = arrival
        agenda.add(.deliver(id, to: receiver, packet, left: left), at: arrival)
        return left
    }

    /// Ends it here at once; the other side learns of it after the latency, behind what had left by now (`afterFlush`: behind everything).
    mutating func close(
        _ id: ConnectionID, by process: Process, _ cause: String, afterFlush: Bool = false, noticedAfter delay: Duration = .zero
    ) {
        let index = Int(id.number)
        guard !connections[index][process].knowsEnd else { return }
        connections[index][process].knowsEnd = true
        let other = connections[index].other(than: process)
        if connections[index].isOpen {
            connections[index].isOpen = false
            if !afterFlush { connections[index].brokenAt = now }
            let last = afterFlush ? max(now + latency, connections[index][other].lastArrival) : now + latency
            agenda.add(.connectionClosed(id, at: other, cause), at: last + delay)
        }
        // A shell is told of the end of its own connection too.
        agenda.add(.connectionClosed(id, at: process, cause), at: now)
    }
}

/// One way between two processes.
struct Direction: Hashable, Sendable {
    var from: Process
    var to: Process
}

/// A way that is slow for a while.
struct Slowness: Sendable {
    var until: Instant
    var added: Duration
    /// Bandwidth is divided by it.
    var divisor: Double
}
