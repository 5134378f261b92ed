import Simulator

/// Metadata taken apart field by field, changed by chance, and put together again: what comes out is mostly a message of the same kind whose
/// figures, names and lists are those at the ends of their types.
enum FieldMutation {
    indirect enum Value {
        case varint(UInt64)
        case fixed64(UInt64)
        case fixed32(UInt32)
        case bytes([UInt8])
        case nested([Field])
    }

    struct Field {
        var number: UInt64
        var value: Value
    }

    private static let integers: [UInt64] = [
        0, 1, 2, 127, 128, 1 << 16, UInt64(UInt32.max) - 1, UInt64(UInt32.max), 1 << 32, 1 << 53, UInt64(Int64.max), 1 << 63,
        .max - 1, .max,
    ]
    private static let quantities: [Double] = [
        0, -0.0, 1, -1, 1e-300, 1e30, 1e200, .greatestFiniteMagnitude, .nan, .infinity, -.infinity, .leastNonzeroMagnitude,
    ]
    /// Lengths around the bounds of names, addresses, messages and lists.
    private static let lengths = [0, 1, 63, 64, 255, 256, 1_024, 4_096, 65_536]
    private static let highestField = 18

    /// The same metadata with one to four changes.
    static func mutate(_ metadata: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        guard !random.chance(0.1), var fields = parse(metadata[...]) else { return scramble(metadata, &random) }
        for _ in 0..<random.int(in: 1...4) { change(&fields, &random) }
        return encode(fields)
    }

    // MARK: Apart and together

    /// - Returns: `nil` where the bytes are no fields.
    static func parse(_ bytes: ArraySlice<UInt8>) -> [Field]? {
        var rest = bytes
        var fields: [Field] = []
        while !rest.isEmpty {
            guard let tag = varint(&rest), tag >> 3 > 0, tag >> 3 < 1 << 29 else { return nil }
            let value: Value
            switch tag & 7 {
            case 0:
                guard let number = varint(&rest) else { return nil }
                value = .varint(number)
            case 1:
                guard rest.count >= 8 else { return nil }
                value = .fixed64(rest.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) })
                rest = rest.dropFirst(8)
            case 2:
                guard let length = varint(&rest), length <= UInt64(rest.count) else { return nil }
                let content = rest.prefix(Int(length))
                rest = rest.dropFirst(Int(length))
                value = parse(content).flatMap { $0.isEmpty ? nil : .nested($0) } ?? .bytes(Array(content))
            case 5:
                guard rest.count >= 4 else { return nil }
                value = .fixed32(rest.prefix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) })
                rest = rest.dropFirst(4)
            default: return nil
            }
            fields.append(Field(number: tag >> 3, value: value))
        }
        return fields
    }

    private static func varint(_ bytes: inout ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let byte = bytes.popFirst() else { return nil }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }

    static func encode(_ fields: [Field]) -> [UInt8] {
        fields.reduce(ProtoBytes()) { bytes, field in
            let number = Int(field.number)
            switch field.value {
            case .varint(let value): return bytes.varint(number, value)
            case .fixed64(let value): return bytes.fixed64(number, value)
            case .fixed32(let value): return bytes.fixed32(number, value)
            case .bytes(let value): return bytes.bytes(number, value)
            case .nested(let inner): return bytes.bytes(number, encode(inner))
            }
        }.bytes
    }

    // MARK: Changes

    private static func change(_ fields: inout [Field], _ random: inout SeededRandom) {
        guard let index = fields.indices.randomElement(using: &random), !random.chance(0.15) else {
            fields.append(made(&random))
            return
        }
        if case .nested(var inner) = fields[index].value, !random.chance(0.2) {
            change(&inner, &random)
            fields[index].value = .nested(inner)
            return
        }
        switch random.int(in: 0...9) {
        case 0: fields.remove(at: index)
        case 1: fields.insert(fields[index], at: index)
        // So often that lists pass their bounds.
        case 2: fields.insert(contentsOf: repeatElement(fields[index], count: pick([2, 40, 300], &random)), at: index)
        case 3: fields[index] = made(&random, number: fields[index].number)
        default: fields[index].value = other(fields[index].value, &random)
        }
    }

    /// Another value of the same kind.
    private static func other(_ value: Value, _ random: inout SeededRandom) -> Value {
        switch value {
        case .varint(let value): .varint(random.chance(0.2) ? value &+ 1 : pick(integers, &random))
        case .fixed64: .fixed64(random.chance(0.5) ? pick(quantities, &random).bitPattern : pick(integers, &random))
        case .fixed32: .fixed32(UInt32(truncatingIfNeeded: pick(integers, &random)))
        case .bytes(let bytes):
            .bytes(
                random.chance(0.3)
                    ? scramble(bytes, &random)
                    : [UInt8](repeating: pick([0, 0x20, 0x61, 0xff], &random), count: pick(lengths, &random)))
        case .nested: .bytes([UInt8](repeating: 0, count: pick(lengths, &random)))
        }
    }

    /// A field that was not there.
    private static func made(_ random: inout SeededRandom, number: UInt64? = nil) -> Field {
        let value: Value =
            switch random.int(in: 0...3) {
            case 0: .varint(pick(integers, &random))
            case 1: .fixed64(pick(quantities, &random).bitPattern)
            case 2: .bytes([UInt8](repeating: 0x61, count: pick(lengths, &random)))
            default: .nested([Field(number: 1, value: .varint(pick(integers, &random)))])
            }
        return Field(number: number ?? UInt64(random.int(in: 1...highestField)), value: value)
    }

    /// Bytes changed without regard to what they mean.
    static func scramble(_ bytes: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<random.int(in: 1...3) {
            let at = random.int(in: 0...bytes.count)
            switch random.int(in: 0...3) {
            case 0 where at < bytes.count: bytes[at] = UInt8(truncatingIfNeeded: random.next())
            case 1: bytes.removeSubrange(at...)
            case 2:
                bytes.insert(contentsOf: (0..<random.int(in: 1...9)).map { _ in UInt8(truncatingIfNeeded: random.next()) }, at: at)
            default: bytes.insert(contentsOf: [UInt8](repeating: 0xff, count: random.int(in: 1...10)), at: at)
            }
        }
        return bytes
    }

    static func pick<T>(_ values: [T], _ random: inout SeededRandom) -> T { values[random.int(in: 0...values.count - 1)] }
}
