internal import Base
internal import DequeModule
internal import Wire

/// The life of a micro-batch on a worker.
extension WorkerMachine {
    mutating func arrived(_ connection: ConnectionID, _ header: Work, _ bytes: Int, _ now: Instant, _ out: inout [Directive]) {
        let key = header.key
        if connection == resultChannel { lastHeardFromCoordinator = now }
        guard takesWork(from: connection) else {
            // A stranger, or a process that the coordinator has given up. The end of the connection tells whoever sent it in good faith, and
            // the coordinator hears of it from there.
            out.append(.release(key))
            if connections[connection] != nil { drop(connection, "work from somebody who is not in the peer table", &out) }
            return
        }
        guard key.session == claim?.session else {
            // From before a restart of the coordinator: nobody waits for it.
            out.append(.release(key))
            return
        }
        if work[key] != nil {
            // The same attempt twice can only be a peer's mistake; the first one is being answered.
            out.append(.close(connection, "micro-batch \(key) came twice"))
            return
        }
        guard !tombstones.contains(key) else {
            refuseArrived(key, .workDropped(WorkDropped(key: key, node: name)), &out)
            return
        }
        if let problem = obstacle(to: header, bytes: bytes) {
            refuseArrived(
                key, .workRejected(WorkRejected(key: key, node: name, code: problem.code, message: problem.message)), &out)
            return
        }
        work[key] = WorkItem(
            header: header, bytes: bytes, deadline: now + .milliseconds(Int64(header.deadlineMilliseconds)), phase: .preparing)
        heldBytes += bytes
        out.append(.prepare(key))
    }

    /// Where it came from nobody learns of it; the coordinator does, and tries it again.
    mutating func turnedAway(_ connection: ConnectionID, _ header: Work, _ bytes: Int, _ out: inout [Directive]) {
        guard takesWork(from: connection), header.key.session == claim?.session, work[header.key] == nil else { return }
        let problem = noRoom(for: bytes)
        tell(.workRejected(WorkRejected(key: header.key, node: name, code: problem.code, message: problem.message)), &out)
    }

    private func noRoom(for bytes: Int) -> (code: StatusCode, message: String) {
        (
            .resourceExhausted,
            "\(name) holds \(heldBytes) bytes of activations; \(bytes) more would pass its limit of \(configuration.slotBytes)"
        )
    }

    /// Why an arrived micro-batch cannot be taken; it may be tried elsewhere.
    private func obstacle(to header: Work, bytes: Int) -> (code: StatusCode, message: String)? {
        guard !isDraining else { return (.unavailable, "\(name) is shutting down and takes no new work") }
        guard let hop = header.route.first, hop.node == name else {
            return (
                .failedPrecondition, "the route's first hop is \"\(header.route.first?.node.name ?? "")\", but this is \"\(name)\""
            )
        }
        guard partitions[hop.partition] == .loaded else {
            return (.failedPrecondition, "partition \(hop.partition) is not loaded on \(name)")
        }
        guard work.count < configuration.slots else {
            return (.resourceExhausted, "\(name) holds \(work.count) micro-batches, which is its limit")
        }
        guard bytes <= configuration.slotBytes - heldBytes else {
            return noRoom(for: bytes)
        }
        return nil
    }

    private mutating func refuseArrived(_ key: WorkKey, _ answer: Message, _ out: inout [Directive]) {
        tell(answer, &out)
        out.append(.release(key))
    }

    mutating func prepared(_ key: WorkKey, _ now: Instant, _ out: inout [Directive]) {
        guard let item = work[key] else { return }
        if item.isCancelled {
            finishCancelled(key, &out)
        } else {
            work[key]?.phase = .queued
            ready.append(key)
        }
    }

    mutating func startExecutions(_ now: Instant, _ out: inout [Directive]) {
        while executing < configuration.executors, let key = ready.popFirst() {
            guard let item = work[key], let hop = item.header.route.first else { continue }
            guard item.deadline > now else {
                // Nobody waits any more; the coordinator has answered for it.
                tell(.workDropped(WorkDropped(key: key, node: name)), &out)
                end(key, &out)
                continue
            }
            work[key]?.phase = .executing
            executing += 1
            out.append(.execute(key, hop.partition))
        }
    }

    mutating func executed(_ key: WorkKey, _ now: Instant, _ out: inout [Directive]) {
        executing -= 1
        overruns.remove(key)
        guard let item = work[key] else { return }
        countCompleted()
        if item.isCancelled {
            finishCancelled(key, &out)
            return
        }
        work[key]?.phase = .forwarding
        guard item.header.route.count > 1 else {
            if let channel = resultChannel {
                work[key]?.connection = channel
                out.append(.giveResult(key, channel))
            } else {
                // The coordinator is away; when it comes back it replays what it still wants.
                end(key, &out)
            }
            return
        }
        passOn(key, to: item.header.route[1].node, &out)
    }

    private mutating func passOn(_ key: WorkKey, to node: NodeID, _ out: inout [Directive]) {
        work[key]?.nextNode = node
        guard var state = peers[node] else {
            lose(node, "\(name) has no address of \(node)", [key], &out)
            return
        }
        switch state.link {
        case .connected(let connection):
            guard let route = work[key]?.header.route else { return }
            work[key]?.connection = connection
            out.append(.forward(key, peer: node, connection, route: Array(route.dropFirst())))
        case .dialing:
            state.waiting.append(key)
            peers[node] = state
        case .idle, .failed:
            state.waiting.append(key)
            state.link = .dialing
            peers[node] = state
            out.append(.dial(state.peer))
        }
    }

    mutating func forwarded(_ key: WorkKey, _ sentBytes: UInt64, _ now: Instant, _ out: inout [Directive]) {
        guard let item = work[key] else { return }
        passedOn.insert(key, sentBytes, now)
        if item.isCancelled {
            finishCancelled(key, &out)
        } else {
            end(key, &out)
        }
    }

    /// A failure of this micro-batch alone. What was missing here (memory, room, the partition) may be there elsewhere: that is a rejection,
    /// after which the coordinator tries again; everything else is the input's or the model's and ends the request.
    mutating func fail(_ key: WorkKey, _ code: StatusCode, _ message: String, _ now: Instant, _ out: inout [Directive]) {
        guard let item = work[key] else { return }
        if item.isCancelled {
            finishCancelled(key, &out)
            return
        }
        switch code {
        case .resourceExhausted, .failedPrecondition, .unavailable:
            tell(.workRejected(WorkRejected(key: key, node: name, code: code, message: message)), &out)
        default: tell(.workFailed(WorkFailed(key: key, node: name, code: code, message: message)), &out)
        }
        end(key, &out)
    }

    /// Lets go of a micro-batch that could not be passed on; the coordinator replays it, where it still wants it.
    mutating func giveBack(_ key: WorkKey, _ out: inout [Directive]) { finish(key, report: key.session == claim?.session, &out) }

    /// What is preparing, executing or on the socket is ended when that step ends; the rest at once.
    mutating func cancel(_ key: WorkKey, report: Bool, _ out: inout [Directive]) {
        tombstones.insert(key)
        guard let item = work[key], !item.isCancelled else { return }
        switch item.phase {
        case .queued:
            ready.removeAll { $0 == key }
            finish(key, report: report, &out)
        case .forwarding where isWaitingForPeer(key, item):
            if let node = item.nextNode { peers[node]?.waiting.removeAll { $0 == key } }
            finish(key, report: report, &out)
        case .preparing, .executing, .forwarding:
            work[key]?.isCancelled = true
        }
    }

    func isWaitingForPeer(_ key: WorkKey, _ item: WorkItem) -> Bool {
        guard let node = item.nextNode else { return false }
        return peers[node]?.waiting.contains(key) ?? false
    }

    private mutating func finishCancelled(_ key: WorkKey, _ out: inout [Directive]) {
        finish(key, report: key.session == claim?.session, &out)
    }

    private mutating func finish(_ key: WorkKey, report: Bool, _ out: inout [Directive]) {
        if report { tell(.workDropped(WorkDropped(key: key, node: name)), &out) }
        end(key, &out)
    }

    mutating func end(_ key: WorkKey, _ out: inout [Directive]) {
        guard let item = work.removeValue(forKey: key) else { return }
        heldBytes -= item.bytes
        out.append(.release(key))
    }

    /// Says it to the coordinator, if there is one to hear it.
    func tell(_ message: Message, _ out: inout [Directive]) {
        if let control { out.append(.send(control, message)) }
    }
}
