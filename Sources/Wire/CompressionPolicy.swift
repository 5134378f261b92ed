internal import func Glibc.pow

/// Decides for one link whether activations go compressed.
///
/// In ``CompressionMode/auto`` it compares, per byte of activation, `1 / bandwidth` with `encode + ratio / bandwidth + decode`,
/// from running averages of what was measured on this link. With nothing measured it asks for a sample; while not compressing it
/// samples again, at most every ``sampleInterval`` messages and for at most ``sampleShare`` of the time that transfers take; while compressing
/// every message is a measurement. All times and sizes come in; there is no clock here.
public struct CompressionPolicy: Sendable, Hashable {
    public enum Decision: Sendable, Hashable {
        case raw
        case compress(TensorEncoding, level: Int)
        /// Compress to measure, and send whatever is smaller; still report it with ``observe(codec:)``.
        case sample(TensorEncoding, level: Int)
    }

    /// What compressing one message took and gave.
    public struct CodecSample: Sendable, Hashable {
        public var rawBytes: Int
        /// As it would have gone; `rawBytes` where nothing was gained.
        public var wireBytes: Int
        public var encode: Duration
        /// From the receiver's trace; `nil` while unknown.
        public var decode: Duration?

        public init(rawBytes: Int, wireBytes: Int, encode: Duration, decode: Duration? = nil) {
            self.rawBytes = rawBytes
            self.wireBytes = wireBytes
            self.encode = encode
            self.decode = decode
        }
    }

    /// Activations change slowly: 64 messages are under a second of a busy pipeline.
    public static let sampleInterval = 64
    /// Of the time that the link's transfers take: what finding out may cost.
    public static let sampleShare = 0.02
    /// Below this, per-message costs decide and neither choice matters.
    public static let minimumByteCount = 4 << 10
    /// A shorter transfer measures the link's latency, not its bandwidth.
    public static let minimumTransferByteCount = 16 << 10
    /// Compression starts when it promises a tenth, and stops when it gains nothing: measurements scatter by a few per cent.
    public static let startBelow = 0.9
    public static let stopAbove = 1.0
    /// Messages between two changes of mind.
    public static let minimumDwell = 8
    /// The newest measurement's part in an average: an outlier is felt, not believed; after ten messages a change is nearly whole.
    private static let weight = 0.25
    /// While the receiver has not said what decoding takes: zstd's is twice as fast or better.
    private static let assumedDecodeShare = 0.5

    public let mode: CompressionMode
    public let encoding: TensorEncoding
    public let level: Int

    /// What `auto` does at the moment.
    public private(set) var isCompressing = false
    /// Running average; `nil` while nothing was measured.
    public private(set) var bandwidthBytesPerSecond: Double?
    /// Wire bytes by raw bytes, running average.
    public private(set) var ratio: Double?
    private var encodeSecondsPerByte: Double?
    private var decodeSecondsPerByte: Double?
    private var messagesSinceSample = 0
    private var transferSecondsSinceSample = 0.0
    private var awaitsSample = false
    private var messagesSinceChange = minimumDwell

    public init(mode: CompressionMode, encoding: TensorEncoding = .shuffledZstd, level: Int = 1) {
        precondition(encoding != .raw, "the encoding says how to compress")
        self.mode = mode
        self.encoding = encoding
        self.level = level
    }

    /// The choice for the next message of `rawBytes` bytes of activations.
    public mutating func decide(rawBytes: Int) -> Decision {
        switch mode {
        case .always: return .compress(encoding, level: level)
        case .never: return .raw
        case .auto: break
        }
        guard rawBytes >= Self.minimumByteCount else { return .raw }
        messagesSinceSample += 1
        messagesSinceChange += 1
        if let bandwidthBytesPerSecond { transferSecondsSinceSample += Double(rawBytes) / bandwidthBytesPerSecond }
        reconsider()
        if isCompressing { return .compress(encoding, level: level) }
        guard shouldSample(rawBytes) else { return .raw }
        awaitsSample = true
        messagesSinceSample = 0
        transferSecondsSinceSample = 0
        return .sample(encoding, level: level)
    }

    public mutating func observe(codec sample: CodecSample) {
        guard sample.rawBytes > 0, sample.wireBytes > 0 else { return }
        let bytes = Double(sample.rawBytes)
        awaitsSample = false
        Self.average(&ratio, min(1, Double(sample.wireBytes) / bytes))
        Self.average(&encodeSecondsPerByte, max(0, sample.encode / .seconds(1)) / bytes)
        if let decode = sample.decode { Self.average(&decodeSecondsPerByte, max(0, decode / .seconds(1)) / bytes) }
    }

    /// What decoding a message of `rawBytes` bytes took, where it becomes known later than ``observe(codec:)``.
    public mutating func observe(decode: Duration, rawBytes: Int) {
        guard rawBytes > 0 else { return }
        Self.average(&decodeSecondsPerByte, max(0, decode / .seconds(1)) / Double(rawBytes))
    }

    /// Bytes that crossed the link and how long the link was busy with them.
    public mutating func observe(transferBytes: Int, duration: Duration) {
        let seconds = duration / .seconds(1)
        guard transferBytes >= Self.minimumTransferByteCount, seconds > 0 else { return }
        observe(bandwidthBytesPerSecond: Double(transferBytes) / seconds)
    }

    /// A bandwidth that someone else measured (the kernel's delivery rate).
    public mutating func observe(bandwidthBytesPerSecond sample: Double) {
        guard sample.isFinite, sample > 0 else { return }
        // Bandwidths differ by factors: averaged by their logarithm, a link that becomes fast is noticed as soon as one that becomes slow.
        guard let average = bandwidthBytesPerSecond else {
            bandwidthBytesPerSecond = sample
            return
        }
        bandwidthBytesPerSecond = average * pow(sample / average, Self.weight)
    }

    /// Time with compression by time without, as estimated now; `nil` while something was not measured.
    public var relativeTime: Double? {
        guard let bandwidthBytesPerSecond, let ratio, let encodeSecondsPerByte else { return nil }
        let decode = decodeSecondsPerByte ?? encodeSecondsPerByte * Self.assumedDecodeShare
        return ratio + (encodeSecondsPerByte + decode) * bandwidthBytesPerSecond
    }

    private mutating func reconsider() {
        guard let relativeTime, messagesSinceChange >= Self.minimumDwell else { return }
        let wanted = isCompressing ? relativeTime < Self.stopAbove : relativeTime <= Self.startBelow
        guard wanted != isCompressing else { return }
        isCompressing = wanted
        messagesSinceChange = 0
    }

    private func shouldSample(_ rawBytes: Int) -> Bool {
        // A sample that was asked for and never reported (its message was cancelled) is asked for again in the next round.
        guard let encodeSecondsPerByte else { return !awaitsSample || messagesSinceSample >= Self.sampleInterval }
        guard messagesSinceSample >= Self.sampleInterval else { return false }
        let decode = decodeSecondsPerByte ?? encodeSecondsPerByte * Self.assumedDecodeShare
        let cost = (encodeSecondsPerByte + decode) * Double(rawBytes)
        return cost <= Self.sampleShare * transferSecondsSinceSample
    }

    private static func average(_ value: inout Double?, _ sample: Double) {
        value = value.map { $0 + weight * (sample - $0) } ?? sample
    }
}
