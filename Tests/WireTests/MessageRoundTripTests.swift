import Base
import Tensors
import Testing
import Wire

@Suite struct MessageRoundTripTests {
    @Test(arguments: Message.Kind.allCases)
    func everyKindComesBackAsItWas(kind: Message.Kind) throws {
        for seed in 0..<200 {
            var generator = Generator(seed: UInt64(seed) << 16 | UInt64(kind.rawValue))
            let message = generator.message(kind)
            let encoded = try MessageCodec.encode(message)
            #expect(encoded.kind == kind.rawValue)
            #expect(message.kind == kind)
            #expect(try decode(kind, encoded.metadata) == message, "seed \(seed)")
        }
    }

    @Test func anUnknownKindIsTolerated() throws {
        for kind: UInt16 in [0, 4, 47, 74, .max] {
            let bytes: [UInt8] = [0xFF, 0xFF, 0xFF]
            #expect(try bytes.withUnsafeBytes { try MessageCodec.decode(kind: kind, metadata: $0) } == nil)
        }
    }

    @Test func unknownFieldsOfANewerMinorVersionAreTolerated() throws {
        let encoded = try MessageCodec.encode(.ping(Ping(sequence: 7, sentAtNanoseconds: 9)))
        let newer = ProtoWriter(bytes: encoded.metadata).number(99, 5).text(100, "later").bytes
        #expect(try decode(.ping, newer) == .ping(Ping(sequence: 7, sentAtNanoseconds: 9)))
    }

    @Test func theLargestOfEverythingFits() throws {
        var generator = Generator(seed: 1)
        let keys = (0..<WireLimits.workKeys).map { _ in generator.workKey() }
        let cancel = Message.cancelWork(CancelWork(keys: keys))
        #expect(try decode(.cancelWork, try MessageCodec.encode(cancel).metadata) == cancel)

        let asked = keys.prefix(WireLimits.workQuestions)
        let ping = Message.ping(
            Ping(
                sequence: WireRanges.counts.upperBound, sentAtNanoseconds: WireRanges.clockNanoseconds.upperBound,
                questions: asked.map { WorkQuestion(key: $0, from: IncarnationID(bits: .max)) },
                places: asked.map {
                    WorkPlace(
                        key: $0, state: .absent, sentBytes: WireRanges.totalBytes.upperBound,
                        receivedBytes: WireRanges.totalBytes.upperBound, rememberedMilliseconds: .max)
                }))
        #expect(try decode(.ping, try MessageCodec.encode(ping).metadata) == ping)

        let inventory = (0..<WireLimits.inventory).map { _ in
            HeldPartition(key: generator.partitionKey(), archiveBytes: WireRanges.bytes.upperBound, isLoaded: true)
        }
        var profile = generator.profile()
        profile.inventory = inventory
        let welcome = Message.welcome(
            Welcome(role: .worker, name: "w", software: "1", incarnation: IncarnationID(bits: .max), term: 1, worker: profile))
        #expect(try decode(.welcome, try MessageCodec.encode(welcome).metadata) == welcome)
    }

    @Test func longTextsAreCutAtACharacter() throws {
        // Two bytes for each letter, and an odd offset: the limit falls into the middle of one.
        let text = "x" + String(repeating: "ä", count: WireLimits.textByteCount)
        let encoded = try MessageCodec.encode(.refused(Refused(code: .unavailable, message: text)))
        guard case .refused(let refused)? = try decode(.refused, encoded.metadata) else {
            Issue.record("not a refusal")
            return
        }
        #expect(refused.message.utf8.count == WireLimits.textByteCount - 1)
        #expect(text.hasPrefix(refused.message))
    }

    @Test(arguments: [Double.nan, .infinity, -.infinity, -1])
    func whatWasNotMeasuredGoesAsZero(value: Double) throws {
        let encoded = try MessageCodec.encode(.heartbeat(Heartbeat(sequence: 3, cpuUsedCores: value)))
        #expect(try decode(.heartbeat, encoded.metadata) == .heartbeat(Heartbeat(sequence: 3)))
    }

    /// An older coordinator sees a question for its status, which is what it always was on the wire.
    @Test func aQuestionAboutTheHistoryIsAFieldOfTheStatusRequest() throws {
        let plain = try MessageCodec.encode(.statusRequest(StatusRequest(id: 7)))
        #expect(plain.kind == 68 && plain.metadata == [0x08, 7])
        let range = HistoryRange(node: "w1", sinceMilliseconds: 300, limit: 5)
        let asked = try MessageCodec.encode(.statusRequest(StatusRequest(id: 7, history: range)))
        #expect(asked.metadata == [0x08, 7, 0x12, 9, 0x0A, 2, 0x77, 0x31, 0x10, 0xAC, 0x02, 0x18, 5])
    }

    @Test func aWarmUpIsOnlyDescribed() throws {
        var generator = Generator(seed: 5)
        let key = generator.partitionKey()
        func load(_ bytes: Int) -> Message {
            let header = TensorHeader(dtype: .float32, shape: [4, 3], encoding: .raw, wireByteCount: bytes)
            return .loadPartition(LoadPartition(key: key, residentBytes: 1, warmups: [[header]]))
        }
        #expect(try decode(.loadPartition, try MessageCodec.encode(load(0)).metadata) == load(48))
    }

    /// The bytes of one message, so that the format cannot change unnoticed.
    @Test func goldenBytesOfAPingAndAWork() throws {
        let ping = try MessageCodec.encode(.ping(Ping(sequence: 300, sentAtNanoseconds: 5)))
        #expect(ping.kind == 17)
        #expect(ping.metadata == [0x08, 0xAC, 0x02, 0x10, 0x05])

        let digest = String(repeating: "ab", count: 32)
        let work = Work(
            key: WorkKey(session: SessionID(bits: UInt128(1) << 64 | 2), client: 3, request: 4, microBatch: 5, attempt: 6),
            route: [
                Hop(
                    node: "w1",
                    partition: PartitionKey(modelDigest: digest, firstLayer: 7, endLayer: 9, toolchain: "t", optimization: .o1))
            ], items: 4, deadlineMilliseconds: 1_000,
            tensors: [TensorHeader(dtype: .uint8, shape: [4, 300], encoding: .raw, wireByteCount: 1_200)],
            trace: [HopTrace(node: "w0", compute: 10)])
        let key = ProtoWriter(bytes: [0x09, 1, 0, 0, 0, 0, 0, 0, 0, 0x11, 2, 0, 0, 0, 0, 0, 0, 0]).number(3, 3).number(4, 4).number(
            5, 5
        )
        .number(6, 6)
        let partition = ProtoWriter().text(1, digest).number(2, 7).number(3, 9).text(4, "t").number(5, 1)
        let expected = ProtoWriter().message(1, key).message(2, ProtoWriter().text(1, "w1").message(2, partition)).number(3, 4)
            .number(4, 1_000)
            .message(5, ProtoWriter().number(1, 3).raw(2, [4, 0xAC, 0x02]).number(4, 1_200))
            .message(6, ProtoWriter().text(1, "w0").number(5, 10))
        #expect(try MessageCodec.encode(.work(work)).metadata == expected.bytes)
    }

    @Test func theNumbersOfTheKindsDoNotChange() {
        let numbers = Message.Kind.allCases.map { "\($0)=\($0.rawValue)" }.joined(separator: " ")
        #expect(
            numbers == "hello=1 welcome=2 refused=3 heartbeat=16 ping=17 pong=18 peerTable=19 loadPartition=20 partitionReport=21 "
                + "releasePartition=22 cancelWork=23 workDropped=24 workRejected=25 workFailed=26 peerLost=27 register=28 registered=29 leaving=30 released=31 partitionData=48 work=49 "
                + "workResult=50 linkProbe=51 inferRequest=64 inferReply=65 inferError=66 cancelRequest=67 statusRequest=68 statusReply=69 "
                + "modelRequest=70 modelReply=71 drainRequest=72 drainReply=73")
    }
}
