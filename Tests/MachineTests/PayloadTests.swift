import Cluster
import Simulator
import Testing
import Wire

/// Which bytes belong to what was admitted: at a worker, and at the coordinator.
@Suite struct PayloadTests {
    private func key(_ number: UInt32) -> WorkKey {
        WorkKey(session: SessionID(bits: 1), client: 1, request: 1, microBatch: number, attempt: 1)
    }

    @Test func whatIsHeldAndWhatComesHaveTheRoomTogether() {
        var payloads = WorkPayloads<Int>(byteLimit: 100)
        let (a, b) = (ConnectionID(1), ConnectionID(2))
        let first = payloads.admit(60, on: a, heldBytes: 0)
        let tooLarge = payloads.admit(41, on: b, heldBytes: 0)
        let besideTooMuch = payloads.admit(30, on: b, heldBytes: 11)
        let second = payloads.admit(30, on: b, heldBytes: 10)
        #expect(first != nil && tooLarge == nil && besideTooMuch == nil && second != nil && second != first)
        #expect(payloads.receivingBytes == 90)
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func roomComesBackHoweverItEnds(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var payloads = WorkPayloads<Int>(byteLimit: 1_000)
        var expected: [ConnectionID: [UInt64: Int]] = [:]
        for _ in 0..<500 {
            let connection = ConnectionID(UInt64(random.int(in: 1...4)))
            switch random.int(in: 0...9) {
            case 0:
                payloads.closed(connection)
                expected[connection] = nil
            case 1...4:
                // Now and then a ticket that is over, or was never given.
                let ticket = UInt64(random.int(in: 1...500))
                payloads.received(ticket)
                for holder in expected.keys { expected[holder]?[ticket] = nil }
            default:
                let bytes = random.int(in: 0...300)
                let before = expected.values.flatMap(\.values).reduce(0, +)
                let ticket = payloads.admit(bytes, on: connection, heldBytes: 100)
                #expect((ticket != nil) == (before + bytes <= 900), "seed \(seed)")
                if let ticket { expected[connection, default: [:]][ticket] = bytes }
            }
            #expect(payloads.receivingBytes == expected.values.flatMap(\.values).reduce(0, +), "seed \(seed)")
        }
    }

    @Test func whatHasComeStaysUntilItIsReleased() {
        var payloads = WorkPayloads<String>(byteLimit: 1)
        let isHeld = ["first", "second"].map { payloads.hold($0, of: key(1)) }
        #expect(isHeld == [true, false] && payloads[key(1)] == "first")
        payloads.update(key(1)) { $0 += " changed" }
        payloads.update(key(2)) { $0 = "never here" }
        #expect(payloads[key(1)] == "first changed" && payloads[key(2)] == nil && Array(payloads.contents) == ["first changed"])
        let isReleased = [1, 1].map { payloads.release(key($0)) }
        #expect(isReleased == [true, false] && payloads.count == 0 && !payloads.contains(key(1)))
    }

    @Test func inputsAreFilledOnceAndAPieceHasOneResult() {
        var payloads = RequestPayloads<String>()
        let (id, other) = (RequestID(1), RequestID(2))
        let isEarly = payloads.fill(id, "early")
        payloads.admit(id)
        let isFilled = ["inputs", "others"].map { payloads.fill(id, $0) }
        #expect(!isEarly && isFilled == [true, false] && payloads.inputs(of: id) == "inputs")
        for (number, result) in [(1, "b"), (0, "a"), (1, "late")] {
            payloads.hold(result, of: key(UInt32(number)))
            let isTaken = payloads.take(key(UInt32(number)), into: id, piece: number)
            #expect(isTaken == (result != "late"))
        }
        payloads.hold("of nobody", of: key(3))
        let isTaken = payloads.take(key(3), into: other, piece: 0)
        #expect(!isTaken && payloads.resultCount == 0)
        #expect(payloads.parts(of: id) == ["a", "b"])
        payloads.forget(id)
        #expect(payloads.requestCount == 0 && payloads.inputs(of: id) == nil && payloads.parts(of: id).isEmpty)
    }
}
