import Testing
import Wire

/// A link and a codec as they behave, for as many messages as wanted.
private struct World {
    var bandwidthBytesPerSecond: Double
    var ratio = 0.6
    var encodeBytesPerSecond = 500e6
    var decodeBytesPerSecond = 1_500e6
    var rawBytes = 600_000
    /// Each measurement is off by up to this share.
    var scatter = 0.0
}

private struct Run {
    var policy: CompressionPolicy
    var generator = Generator(seed: 4)
    var compressed = 0
    var sampled = 0
    var changes = 0
    var transferSeconds = 0.0
    var sampleSeconds = 0.0

    mutating func go(_ world: World, messages: Int) {
        for _ in 0..<messages {
            func scattered(_ value: Double) -> Double {
                value * (1 + world.scatter * (Double(generator.integer(0...2_000)) / 1_000 - 1))
            }
            let raw = Double(world.rawBytes)
            let before = policy.isCompressing
            let decision = policy.decide(rawBytes: world.rawBytes)
            if before != policy.isCompressing { changes += 1 }
            var wire = raw
            if decision != .raw {
                let encode = scattered(raw / world.encodeBytesPerSecond)
                let decode = scattered(raw / world.decodeBytesPerSecond)
                wire = min(raw, scattered(raw * world.ratio))
                if case .sample = decision {
                    sampled += 1
                    sampleSeconds += encode + decode
                } else {
                    compressed += 1
                }
                policy.observe(
                    codec: .init(rawBytes: world.rawBytes, wireBytes: Int(wire), encode: .seconds(encode), decode: .seconds(decode))
                )
            }
            let seconds = scattered(wire / world.bandwidthBytesPerSecond)
            transferSeconds += seconds
            policy.observe(transferBytes: Int(wire), duration: .seconds(seconds))
        }
    }
}

@Suite struct CompressionPolicyTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        fileprivate let world: World
        let compresses: Bool
        var testDescription: String { name }
    }

    static let cases: [Case] = [
        .init(name: "10 Mbit/s", world: World(bandwidthBytesPerSecond: 1.25e6), compresses: true),
        .init(
            name: "10 Mbit/s, small activations", world: World(bandwidthBytesPerSecond: 1.25e6, rawBytes: 20_000), compresses: true),
        .init(name: "100 Mbit/s", world: World(bandwidthBytesPerSecond: 12.5e6), compresses: true),
        .init(name: "1 Gbit/s, a codec of 500 MB/s", world: World(bandwidthBytesPerSecond: 125e6), compresses: false),
        .init(name: "1 Gbit/s, a ratio of 0.2", world: World(bandwidthBytesPerSecond: 125e6, ratio: 0.2), compresses: true),
        .init(name: "loopback, 5 GB/s", world: World(bandwidthBytesPerSecond: 5e9), compresses: false),
        .init(
            name: "10 Mbit/s, data that does not shrink", world: World(bandwidthBytesPerSecond: 1.25e6, ratio: 1), compresses: false
        ),
        .init(
            name: "10 Mbit/s, data that hardly shrinks", world: World(bandwidthBytesPerSecond: 1.25e6, ratio: 0.95),
            compresses: false),
        .init(
            name: "100 Mbit/s, a codec on a hundredth of a core",
            world: World(bandwidthBytesPerSecond: 12.5e6, encodeBytesPerSecond: 5e6, decodeBytesPerSecond: 15e6), compresses: false),
        .init(
            name: "10 Mbit/s, measurements that scatter", world: World(bandwidthBytesPerSecond: 1.25e6, scatter: 0.3),
            compresses: true),
        .init(
            name: "5 GB/s, measurements that scatter", world: World(bandwidthBytesPerSecond: 5e9, scatter: 0.3), compresses: false),
    ]

    @Test(arguments: cases)
    func findsOut(_ one: Case) {
        var run = Run(policy: CompressionPolicy(mode: .auto))
        run.go(one.world, messages: 20)
        #expect(run.policy.isCompressing == one.compresses)
        let before = run.compressed
        run.go(one.world, messages: 1_000)
        #expect(run.compressed - before == (one.compresses ? 1_000 : 0))
        #expect(run.changes == (one.compresses ? 1 : 0))
    }

    @Test func whatFindingOutCostsIsBounded() {
        for bandwidth in [1.25e6, 125e6, 5e9] {
            var run = Run(policy: CompressionPolicy(mode: .auto))
            let world = World(bandwidthBytesPerSecond: bandwidth, ratio: 1)
            // The first sample is the price of knowing anything at all.
            run.go(world, messages: 64)
            (run.sampled, run.sampleSeconds, run.transferSeconds) = (0, 0, 0)
            run.go(world, messages: 20_000)
            #expect(run.sampled > 0, "\(bandwidth) B/s: it must go on looking")
            #expect(run.sampled <= 20_000 / CompressionPolicy.sampleInterval + 1)
            #expect(run.sampleSeconds <= CompressionPolicy.sampleShare * run.transferSeconds * 1.05, "\(bandwidth) B/s")
        }
    }

    @Test func followsALinkThatChanges() {
        var run = Run(policy: CompressionPolicy(mode: .auto))
        let fast = World(bandwidthBytesPerSecond: 5e9)
        let slow = World(bandwidthBytesPerSecond: 1.25e6)
        run.go(fast, messages: 100)
        #expect(!run.policy.isCompressing)
        run.go(slow, messages: 30)
        #expect(run.policy.isCompressing)
        run.go(fast, messages: 30)
        #expect(!run.policy.isCompressing)
        #expect(run.changes == 2)
    }

    @Test func followsDataThatChanges() {
        var run = Run(policy: CompressionPolicy(mode: .auto))
        run.go(World(bandwidthBytesPerSecond: 1.25e6, ratio: 1), messages: 200)
        #expect(!run.policy.isCompressing)
        run.go(World(bandwidthBytesPerSecond: 1.25e6, ratio: 0.4), messages: 4 * CompressionPolicy.sampleInterval)
        #expect(run.policy.isCompressing)
        run.go(World(bandwidthBytesPerSecond: 1.25e6, ratio: 1), messages: 60)
        #expect(!run.policy.isCompressing)
    }

    /// Time with and without is the same here, up to scatter: whatever it does is right, but it must not change its mind all the time.
    @Test func doesNotFlapWhereBothAreAlike() {
        for scatter in [0.01, 0.05, 0.2] {
            var run = Run(policy: CompressionPolicy(mode: .auto))
            let world = World(bandwidthBytesPerSecond: 150e6, scatter: scatter)
            run.go(world, messages: 10_000)
            #expect(run.changes <= 20, "scatter \(scatter): \(run.changes) changes in 10,000 messages")
        }
    }

    @Test func withNothingMeasuredItAsksForOneSample() {
        var policy = CompressionPolicy(mode: .auto)
        let first = policy.decide(rawBytes: 100_000)
        guard case .sample = first else {
            Issue.record("the first message was \(first)")
            return
        }
        // Its result is on the way: the next messages do not wait for it.
        for _ in 1..<CompressionPolicy.sampleInterval { #expect(policy.decide(rawBytes: 100_000) == .raw) }
        // It never came (the message was cancelled): asked once more.
        guard case .sample = policy.decide(rawBytes: 100_000) else {
            Issue.record("a lost sample was not asked for again")
            return
        }
    }

    @Test func modesAreObeyed() {
        var always = CompressionPolicy(mode: .always, encoding: .zstd, level: 3)
        var never = CompressionPolicy(mode: .never)
        for bytes in [0, 10, 1_000_000] {
            #expect(always.decide(rawBytes: bytes) == .compress(.zstd, level: 3))
            #expect(never.decide(rawBytes: bytes) == .raw)
        }
    }

    @Test func smallMessagesAndSenselessMeasurementsChangeNothing() {
        var policy = CompressionPolicy(mode: .auto)
        #expect(policy.decide(rawBytes: CompressionPolicy.minimumByteCount - 1) == .raw)
        let before = policy
        policy.observe(transferBytes: 100, duration: .microseconds(1))
        policy.observe(transferBytes: 1 << 20, duration: .zero)
        policy.observe(bandwidthBytesPerSecond: .nan)
        policy.observe(bandwidthBytesPerSecond: -1)
        policy.observe(codec: .init(rawBytes: 0, wireBytes: 0, encode: .seconds(1)))
        #expect(policy == before)
    }
}
