import Testing
import Wire

@Suite struct FrameSchedulerTests {
    private let frame = WireLimits.frameByteCount

    @Test func payloadsOfEveryLengthArriveWhole() throws {
        var link = Link()
        let lengths = [0, 1, 4_096, 4_097, frame - 1, frame, frame + 1, 3 * frame, 3 * frame + 17]
        for (index, length) in lengths.enumerated() {
            _ = try link.send(document(UInt64(index)), payload: pattern(length, UInt8(index)))
        }
        try link.drain()
        #expect(link.arrived.count == lengths.count)
        for (message, payload) in link.arrived {
            let id = try #require(documentID(message))
            #expect(payload == pattern(lengths[Int(id)], UInt8(id)))
        }
        #expect(link.scheduler.isEmpty && link.reassembler.isIdle)
        #expect(link.scheduler.queuedByteCount == 0 && link.reassembler.openByteCount == 0)
    }

    @Test func messagesUnderWayTakeTurns() throws {
        var link = Link(FrameScheduler(interleaving: 3))
        for id in 1...4 { _ = try link.send(document(UInt64(id)), payload: pattern(3 * frame)) }
        try link.drain()
        // Three share the link; the fourth waits until there is room, and then has it to itself.
        #expect(link.order == [1, 2, 3, 1, 2, 3, 1, 2, 3, 4, 4, 4])
        #expect(link.largestOpenStreamCount == 3)
    }

    @Test func smallMessagesGoFirst() throws {
        var link = Link()
        _ = try link.send(document(1), payload: pattern(4 * frame))
        #expect(try link.step())
        _ = try link.send(.ping(Ping(sequence: 1, sentAtNanoseconds: 0)))
        _ = try link.send(document(2), payload: pattern(WireLimits.smallPayloadByteCount))
        #expect(try link.step())
        #expect(try link.step())
        #expect(link.arrived.count == 2)
        try link.drain()
        #expect(link.arrived.map { documentID($0.message) } == [nil, 2, 1])
    }

    @Test func aFloodOfSmallMessagesDoesNotStarveALargeOne() throws {
        var link = Link()
        _ = try link.send(document(0), payload: pattern(4 * frame))
        var steps = 0
        while !link.arrived.contains(where: { documentID($0.message) == 0 }) {
            _ = try link.send(.ping(Ping(sequence: 1, sentAtNanoseconds: 0)))
            #expect(try link.step())
            steps += 1
            try #require(steps <= 4 * (WireLimits.smallMessagesInARow + 1))
        }
    }

    @Test func smallMessagesKeepTheirOrder() throws {
        var link = Link()
        for id in 0..<1_000 { _ = try link.send(document(UInt64(id))) }
        try link.drain()
        #expect(link.arrived.map { documentID($0.message) } == (0..<1_000).map { UInt64($0) })
    }

    @Test func whatHasNotStartedIsTakenBack() throws {
        var link = Link()
        let large = try link.send(document(1), payload: pattern(2 * frame))
        let small = try link.send(document(2))
        let kept = try link.send(document(3), payload: pattern(2 * frame))
        #expect(link.scheduler.cancel(large) == .removed)
        #expect(link.scheduler.cancel(small) == .removed)
        #expect(link.scheduler.cancel(small) == .notQueued)
        try link.drain()
        #expect(link.arrived.map { documentID($0.message) } == [3])
        #expect(link.aborted.isEmpty && link.scheduler.queuedByteCount == 0)
        #expect(link.scheduler.cancel(kept) == .notQueued)
    }

    @Test func whatHasStartedIsAborted() throws {
        var link = Link(FrameScheduler(interleaving: 2))
        let first = try link.send(document(1), payload: pattern(4 * frame))
        _ = try link.send(document(2), payload: pattern(4 * frame, 1))
        _ = try link.send(document(3), payload: pattern(2 * frame, 2))
        for _ in 0..<3 { #expect(try link.step()) }
        #expect(link.scheduler.cancel(first) == .aborting)
        #expect(!link.scheduler.isEmpty)
        try link.drain()
        #expect(link.aborted == [1])
        #expect(Set(link.arrived.map { documentID($0.message) }) == [2, 3])
        #expect(link.arrived.allSatisfy { $0.payload == pattern($0.payload.count, UInt8(documentID($0.message) ?? 0) - 1) })
        #expect(link.reassembler.isIdle && link.reassembler.openByteCount == 0 && link.scheduler.queuedByteCount == 0)
    }

    @Test func theReceiversBoundOnBytesIsKeptBySending() throws {
        let bound = 5 * frame
        var link = Link(
            FrameScheduler(interleaving: 8, maximumOpenByteCount: bound), FrameReassembler(maximumOpenByteCount: bound))
        for id in 0..<6 { _ = try link.send(document(UInt64(id)), payload: pattern(2 * frame)) }
        try link.drain()
        #expect(link.arrived.count == 6 && link.largestOpenStreamCount == 2)
    }

    @Test func whatCannotBeSentIsRefusedByTheQueue() throws {
        var scheduler = FrameScheduler()
        let large = EncodedMessage(kind: 1, metadata: [UInt8](repeating: 0, count: WireLimits.metadataByteCount + 1))
        #expect(errorCode { _ = try scheduler.enqueue(large, payloadByteCount: 0) } == .limitExceeded)
        let small = EncodedMessage(kind: 1, metadata: [])
        #expect(errorCode { _ = try scheduler.enqueue(small, payloadByteCount: WireLimits.payloadByteCount + 1) } == .limitExceeded)
        #expect(errorCode { _ = try scheduler.enqueue(small, payloadByteCount: -1) } == .limitExceeded)
        for _ in 0..<WireLimits.queuedMessages { _ = try scheduler.enqueue(small, payloadByteCount: 0) }
        #expect(errorCode { _ = try scheduler.enqueue(small, payloadByteCount: 0) } == .limitExceeded)
    }

    @Test func manyMessagesInAnyOrderWithCancelsArriveOnceOrNever() throws {
        for seed in 0..<30 {
            var generator = Generator(seed: UInt64(seed))
            var link = Link(FrameScheduler(interleaving: generator.integer(1...6)))
            var open: [UInt64: FrameScheduler.Tag] = [:]
            var cancelled: Set<UInt64> = []
            var id: UInt64 = 0
            for _ in 0..<200 {
                switch generator.integer(0...4) {
                case 0, 1:
                    let length = generator.pick([0, 100, 5_000, frame, 2 * frame + 1])
                    open[id] = try link.send(document(id), payload: pattern(length, UInt8(truncatingIfNeeded: id)))
                    id += 1
                case 2:
                    guard let victim = open.keys.sorted().randomElement(using: &generator), let tag = open[victim] else { continue }
                    if link.scheduler.cancel(tag) != .notQueued { cancelled.insert(victim) }
                default: _ = try link.step(pieceByteCount: generator.integer(1...300_000))
                }
            }
            try link.drain()
            let arrived = link.arrived.compactMap { documentID($0.message) }
            #expect(Set(arrived) == Set(0..<id).subtracting(cancelled), "seed \(seed)")
            #expect(arrived.count == Set(arrived).count, "seed \(seed)")
            for (message, payload) in link.arrived {
                #expect(payload == pattern(payload.count, UInt8(truncatingIfNeeded: documentID(message) ?? 0)), "seed \(seed)")
            }
            #expect(link.reassembler.isIdle && link.scheduler.queuedByteCount == 0, "seed \(seed)")
        }
    }
}
