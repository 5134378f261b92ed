internal import CWire

/// A Swift type and the C struct that protobuf-c packs and unpacks for it.
///
/// Writing checks what a receiver would refuse; reading checks everything: a peer's bytes can only throw.
protocol WireConvertible {
    associatedtype CStruct
    /// The generated `init` function: sets the descriptor and every field's default.
    static func prepare(_ pointer: UnsafeMutablePointer<CStruct>)
    func write(to c: inout CStruct, in arena: WireArena) throws(WireError)
    init(reading c: CStruct) throws(WireError)
}

/// Checks that both directions make.
enum Bound {
    static func count(_ count: Int, atMost limit: Int, _ field: StaticString) throws(WireError) {
        guard count <= limit else { throw WireError(.limitExceeded, "\(field) has \(count) entries; the limit is \(limit)") }
    }

    /// A layer's position or a count, as the 32 bits that it has on the wire.
    static func layer(_ value: Int, _ field: StaticString) throws(WireError) -> UInt32 {
        guard (0...WireLimits.layers).contains(value) else {
            throw WireError(.invalidValue, "\(field) is \(value); it lies in 0…\(WireLimits.layers)")
        }
        return UInt32(value)
    }

    static let digestByteCount = 64

    /// SHA-256 as 64 lower-case hexadecimal digits: one spelling for one archive.
    static func digest(_ value: UnsafeRawBufferPointer, _ field: StaticString) throws(WireError) {
        var isDigest = value.count == digestByteCount
        for byte in value {
            isDigest = isDigest && (byte &- UInt8(ascii: "0") <= 9 || byte &- UInt8(ascii: "a") <= 5)
        }
        guard isDigest else {
            throw WireError(.invalidValue, "\(field) is no SHA-256 in \(digestByteCount) lower-case hexadecimal digits")
        }
    }

    /// A measured quantity on its way out. Whoever divided by zero measured nothing, and nothing is 0 on the wire.
    static func measured(_ value: Double) -> Double { value.isFinite && value >= 0 ? value : 0 }
}

/// Reads fields of an unpacked C struct.
enum Field {
    static func name(_ pointer: UnsafeMutablePointer<CChar>?, _ field: StaticString) throws(WireError) -> String {
        try string(pointer, atMost: WireLimits.nameByteCount, field)
    }

    /// The name of something that must have one.
    static func identifier(_ pointer: UnsafeMutablePointer<CChar>?, _ field: StaticString) throws(WireError) -> String {
        let value = try name(pointer, field)
        guard !value.isEmpty else { throw WireError(.invalidValue, "\(field) is empty") }
        return value
    }

    static func text(_ pointer: UnsafeMutablePointer<CChar>?, _ field: StaticString) throws(WireError) -> String {
        try string(pointer, atMost: WireLimits.textByteCount, field)
    }

    static func digest(_ pointer: UnsafeMutablePointer<CChar>?, _ field: StaticString) throws(WireError) -> String {
        let bytes = try bytes(pointer, atMost: WireLimits.nameByteCount, field)
        try Bound.digest(bytes, field)
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func string(
        _ pointer: UnsafeMutablePointer<CChar>?, atMost limit: Int, _ field: StaticString
    ) throws(WireError) -> String {
        let bytes = try bytes(pointer, atMost: limit, field)
        // Nearly every name is ASCII, which is valid as it is; the general check costs as much as all the rest of a name.
        if bytes.allSatisfy({ $0 < 0x80 }) { return String(decoding: bytes, as: UTF8.self) }
        guard let value = String(validating: bytes, as: UTF8.self) else {
            throw WireError(.invalidValue, "\(field) is not valid UTF-8")
        }
        return value
    }

    private static func bytes(
        _ pointer: UnsafeMutablePointer<CChar>?, atMost limit: Int, _ field: StaticString
    ) throws(WireError) -> UnsafeRawBufferPointer {
        guard let pointer else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        // protobuf-c ends every string with a zero byte; looking one byte beyond the limit is enough.
        var length = 0
        while length <= limit, pointer[length] != 0 { length += 1 }
        guard length <= limit else { throw WireError(.limitExceeded, "\(field) is over the limit of \(limit) bytes") }
        return UnsafeRawBufferPointer(start: pointer, count: length)
    }

    static func quantity(_ value: Double, _ field: StaticString) throws(WireError) -> Double {
        guard value.isFinite, value >= 0 else {
            throw WireError(.invalidValue, "\(field) is \(value); it must be finite and not negative")
        }
        return value
    }

    static func value<E: RawRepresentable>(_ raw: E.RawValue, _ field: StaticString) throws(WireError) -> E {
        guard let value = E(rawValue: raw) else {
            throw WireError(.invalidValue, "\(field) has the value \(raw), which this version does not know")
        }
        return value
    }

    static func required<T: WireConvertible>(
        _ pointer: UnsafeMutablePointer<T.CStruct>?, _ field: StaticString
    ) throws(WireError) -> T {
        guard let pointer else { throw WireError(.malformedMetadata, "\(field) is missing") }
        return try T(reading: pointer.pointee)
    }

    static func list<T: WireConvertible>(
        _ count: Int, _ array: UnsafeMutablePointer<UnsafeMutablePointer<T.CStruct>?>?, atMost limit: Int, _ field: StaticString
    ) throws(WireError) -> [T] {
        try Bound.count(count, atMost: limit, field)
        var values: [T] = []
        guard count > 0, let array else { return values }
        values.reserveCapacity(count)
        for index in 0..<count { values.append(try required(array[index], field)) }
        return values
    }

    static func names(
        _ count: Int, _ array: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, atMost limit: Int, _ field: StaticString
    ) throws(WireError) -> [String] {
        try Bound.count(count, atMost: limit, field)
        var values: [String] = []
        guard count > 0, let array else { return values }
        values.reserveCapacity(count)
        for index in 0..<count { values.append(try name(array[index], field)) }
        return values
    }
}

extension UInt128 {
    init(high: UInt64, low: UInt64) { self = UInt128(high) << 64 | UInt128(low) }
    var high: UInt64 { UInt64(truncatingIfNeeded: self >> 64) }
    var low: UInt64 { UInt64(truncatingIfNeeded: self) }
}
