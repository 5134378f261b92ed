import Wire

/// A message's metadata written field by field, so that it can hold what our encoder refuses to write: numbers out of range, names that are
/// none, values of enumerations that do not exist.
struct ProtoBytes: Sendable {
    private(set) var bytes: [UInt8] = []

    func varint(_ field: Int, _ value: UInt64) -> ProtoBytes { tagged(field, 0).raw(Self.varint(value)) }
    func fixed64(_ field: Int, _ value: UInt64) -> ProtoBytes {
        tagged(field, 1).raw((0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) })
    }
    func fixed32(_ field: Int, _ value: UInt32) -> ProtoBytes {
        tagged(field, 5).raw((0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) })
    }
    func double(_ field: Int, _ value: Double) -> ProtoBytes { fixed64(field, value.bitPattern) }
    func bytes(_ field: Int, _ value: [UInt8]) -> ProtoBytes { tagged(field, 2).raw(Self.varint(UInt64(value.count)) + value) }
    func text(_ field: Int, _ value: String) -> ProtoBytes { bytes(field, Array(value.utf8)) }
    func message(_ field: Int, _ value: ProtoBytes) -> ProtoBytes { bytes(field, value.bytes) }
    func messages(_ field: Int, _ values: [ProtoBytes]) -> ProtoBytes { values.reduce(self) { $0.message(field, $1) } }
    func packed(_ field: Int, _ values: [UInt64]) -> ProtoBytes { bytes(field, values.flatMap { Self.varint($0) }) }

    private func tagged(_ field: Int, _ type: UInt64) -> ProtoBytes { raw(Self.varint(UInt64(field) << 3 | type)) }

    private func raw(_ more: [UInt8]) -> ProtoBytes {
        var copy = self
        copy.bytes += more
        return copy
    }

    private static func varint(_ value: UInt64) -> [UInt8] {
        var rest = value
        var out: [UInt8] = []
        while rest > 0x7f {
            out.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        return out + [UInt8(rest)]
    }
}

/// The parts that many messages share, as they stand in `proto/amp4ec.proto`.
extension ProtoBytes {
    static func key(_ key: PartitionKey) -> ProtoBytes {
        ProtoBytes().text(1, key.modelDigest).varint(2, UInt64(key.firstLayer)).varint(3, UInt64(key.endLayer)).text(
            4, key.toolchain
        )
        .varint(5, UInt64(key.optimization.rawValue))
    }

    static func key(_ key: WorkKey) -> ProtoBytes {
        ProtoBytes().fixed64(1, high(key.session.bits)).fixed64(2, UInt64(truncatingIfNeeded: key.session.bits)).varint(
            3, key.client
        )
        .varint(4, key.request).varint(5, UInt64(key.microBatch)).varint(6, UInt64(key.attempt)).fixed64(7, key.token)
    }

    /// - Parameter dtype: the number on the wire: 1 float32, 2 float16, 3 uint8, 4 int32, 5 int64, 6 bool.
    static func tensor(dtype: UInt64, shape: [UInt64], encoding: UInt64 = 0, wireBytes: UInt64) -> ProtoBytes {
        ProtoBytes().varint(1, dtype).packed(2, shape).varint(3, encoding).varint(4, wireBytes)
    }

    static func high(_ bits: UInt128) -> UInt64 { UInt64(truncatingIfNeeded: bits >> 64) }
}
