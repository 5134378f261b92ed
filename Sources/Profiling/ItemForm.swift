/// What an item of a made-up batch looks like: items that differ much in scale and sign, since what a batch does to its items may show
/// at one scale only.
public enum ItemForm: Sendable, Hashable, CaseIterable {
    /// Floats in [0, 1), integers 0 or 1, any bytes.
    case unit
    /// About normal, of both signs.
    case normal
    /// Below zero, to -10; integers and bytes at the high end of their range.
    case negative
    /// Normal × 10,000; integers 1.
    case large
    /// Normal × 0.0001; integers 0.
    case small
    /// Normal × 100,000,000.
    case huge
    case zeros
    /// The same value everywhere: ties.
    case repeated
    /// Zero but for one element, which is 10,000.
    case spike
    /// Zero but for one element, which is -10,000.
    case dip

    static let largeScale: Float = 1e4
    static let hugeScale: Float = 1e8
    /// The largest that a 16-bit float holds.
    private static let largestHalf: Float = 65_504

    /// The element at `index` of an item.
    /// - Parameters:
    ///   - random: next bits of a seeded sequence.
    ///   - peak: where the item's spike stands.
    func float(_ random: () -> UInt64, at index: Int, peak: Int) -> Float {
        func unit() -> Float { Float(random() & 0xFFFF) / 65_536 }
        func normal() -> Float { (unit() + unit() + unit() - 1.5) * 2 }
        return switch self {
        case .unit: unit()
        case .normal: normal()
        case .negative: -10 * unit()
        case .large: normal() * Self.largeScale
        case .small: normal() / Self.largeScale
        case .huge: normal() * Self.hugeScale
        case .zeros: 0
        case .repeated: 0.5
        case .spike: index == peak ? Self.largeScale : 0
        case .dip: index == peak ? -Self.largeScale : 0
        }
    }

    func half(_ random: () -> UInt64, at index: Int, peak: Int) -> Float16 {
        Float16(min(max(float(random, at: index, peak: peak), -Self.largestHalf), Self.largestHalf))
    }

    /// An integer of `0...highest`.
    func integer(_ random: () -> UInt64, at index: Int, peak: Int, highest: UInt64) -> UInt64 {
        switch self {
        case .unit, .normal: random() % (highest + 1)
        case .large, .huge, .negative: highest
        case .small, .zeros: 0
        case .repeated: (highest + 1) / 2
        case .spike: index == peak ? highest : 0
        case .dip: index == peak ? 0 : highest
        }
    }
}
