internal import CChecksum

/// CRC32C (Castagnoli, RFC 3720 B.4), computed piece by piece.
///
/// ISA-L's function takes and gives the register without the customary inversions and a length as `int`; both are hidden here.
public struct CRC32C: Sendable, Hashable {
    /// ISA-L counts in `int`.
    private static let maximumPieceByteCount = 1 << 30

    private var register: UInt32 = 0xFFFF_FFFF

    public init() {}

    /// The checksum of everything so far.
    public var value: UInt32 { ~register }

    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(Self.maximumPieceByteCount)
            let start = UnsafeRawBufferPointer(rebasing: piece)
            // The function only reads; its parameter lacks `const`.
            let pointer = UnsafeMutableRawPointer(mutating: start.baseAddress)?.assumingMemoryBound(to: UInt8.self)
            register = crc32_iscsi(pointer, Int32(start.count), register)
            rest = rest.dropFirst(piece.count)
        }
    }

    public static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var crc = CRC32C()
        crc.update(bytes)
        return crc.value
    }
}
