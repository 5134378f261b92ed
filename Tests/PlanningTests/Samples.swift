import Base
import Planning

/// Small models and clusters that a reader can work out by hand.
enum Samples {
    static let instant = LinkTable(common: Link(bandwidthBytesPerSecond: .infinity))
    static let plentiful = ByteCount(8 << 30)

    /// One layer for each cost; cuts before `cuts` (all inner boundaries where absent) with `cutBytes` each.
    static func profile(
        _ milliseconds: [Double], cuts: [Int]? = nil, cutBytes: Int = 0, parameterBytes: [Int] = [], inputBytes: Int = 0,
        outputBytes: Int = 0, batch: Int = 1
    ) -> ModelProfile {
        let layers = milliseconds.enumerated().map { index, time in
            Layer(
                name: "l\(index)", operatorName: "aten::relu",
                parameterBytes: ByteCount(index < parameterBytes.count ? parameterBytes[index] : 0), milliseconds: time)
        }
        return ModelProfile(
            layers: layers,
            cuts: (cuts ?? Array(1..<max(milliseconds.count, 1))).map { Cut(before: $0, bytes: ByteCount(cutBytes)) },
            inputBytes: ByteCount(inputBytes), outputBytes: ByteCount(outputBytes), batch: batch, level: .o0)
    }

    /// Nodes `w0`, `w1`, … of these capabilities, one core each.
    static func nodes(_ speeds: [Double], memory: [ByteCount] = []) -> [PlanningNode] {
        speeds.enumerated().map { index, speed in
            PlanningNode(
                id: NodeID("w\(index)"), effectiveCores: 1, speed: speed,
                freeMemory: index < memory.count ? memory[index] : plentiful)
        }
    }

    static func request(
        _ profile: ModelProfile, _ nodes: [PlanningNode], links: LinkTable = instant, shape: PlanShape = .pipeline,
        strategy: PlanStrategy = .optimal
    ) -> PlanRequest {
        var request = PlanRequest(profile: profile, nodes: nodes, links: links, strategy: strategy, shape: shape)
        // Sums that a reader does in his head; the copying has a test of its own.
        request.settings.transferCPUNanosecondsPerByte = 0
        return request
    }
}

/// A generator whose sequence depends on its seed alone (SplitMix64: Steele, Lea, Flood 2014).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
