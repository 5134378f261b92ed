internal import Base
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

    /// A measured quantity on its way out. Whoever divided by zero measured nothing, and nothing is 0 on the wire; what is finer than
    /// the range tells is nothing too.
    static func measured(_ value: Double, in range: ClosedRange<Double>) -> Double {
        value.isFinite && value >= range.lowerBound ? min(value, range.upperBound) : 0
    }

    /// A figure of our own on its way out: a meter that ran wild must not end the connection.
    static func measured<N: FixedWidthInteger & UnsignedInteger>(_ value: N, in range: ClosedRange<N>) -> N {
        min(max(value, range.lowerBound), range.upperBound)
    }

    /// What a receiver refuses, on its way in or out.
    @discardableResult
    static func number<N: FixedWidthInteger & UnsignedInteger>(
        _ value: N, in range: ClosedRange<N>, _ field: StaticString
    ) throws(WireError) -> N {
        guard range.contains(value) else {
            throw WireError(.invalidValue, "\(field) is \(value); it lies in \(range.lowerBound)…\(range.upperBound)")
        }
        return value
    }

    /// What may stand in a name, on its way in or out.
    static func name(_ value: String, _ kind: NameKind, _ field: StaticString) throws(WireError) {
        switch kind {
        case .label:
            guard value.unicodeScalars.allSatisfy(\.isPlain) else {
                throw WireError(.invalidValue, "\(field) holds a control character or a line break")
            }
        case .node(let mayBeCoordinator):
            if let problem = NodeName.problem(with: value), !(mayBeCoordinator && value == NodeID.coordinator.name) {
                throw WireError(.invalidValue, "\(field) is no name of a node: \(problem)")
            }
        }
    }
}

/// What a name stands for, which says what may be in it.
enum NameKind {
    /// Something that is shown, compared or looked up: it may be empty.
    case label
    /// A node; in tables of links also the coordinator.
    case node(mayBeCoordinator: Bool)

    static var node: NameKind { .node(mayBeCoordinator: false) }

    /// Nearly every name is printable ASCII, which is told without looking at characters; what this does not allow ``Bound`` may.
    func allowsAtOnce(_ bytes: UnsafeRawBufferPointer) -> Bool {
        switch self {
        case .label: bytes.allSatisfy { $0 &- 0x20 < 0x5F }
        case .node:
            !bytes.isEmpty && bytes.count != NodeID.coordinator.name.utf8.count && bytes.allSatisfy { $0 &- 0x21 < 0x5E }
        }
    }
}

/// Reads fields of an unpacked C struct.
enum Field {
    static func name(_ pointer: UnsafeMutablePointer<CChar>?, _ field: StaticString) throws(WireError) -> String {
        try name(pointer, .label, field)
    }

    static func name(_ pointer: UnsafeMutablePointer<CChar>?, _ kind: NameKind, _ field: StaticString) throws(WireError) -> String {
        let bytes = try bytes(pointer, atMost: WireLimits.nameByteCount, field)
        let value = try string(bytes, field)
        if !kind.allowsAtOnce(bytes) { try Bound.name(value, kind, field) }
        return value
    }

    static func node(
        _ pointer: UnsafeMutablePointer<CChar>?, mayBeCoordinator: Bool = false, _ field: StaticString
    ) throws(WireError) -> NodeID {
        NodeID(try name(pointer, .node(mayBeCoordinator: mayBeCoordinator), field))
    }

    /// A text for people; what a terminal would obey in it has become blanks.
    static func text(_ pointer: UnsafeMutablePointer<CChar>?, _ field: StaticString) throws(WireError) -> String {
        let bytes = try bytes(pointer, atMost: WireLimits.textByteCount, field)
        return try string(bytes, field).withoutControls
    }

    static func address(_ pointer: UnsafeMutablePointer<CChar>?, _ field: StaticString) throws(WireError) -> String {
        let bytes = try bytes(pointer, atMost: WireLimits.addressByteCount, field)
        let value = try string(bytes, field)
        guard AddressText.isPlausible(bytes) else { throw WireError(.invalidValue, "\(field) is not host:port") }
        return value
    }

    static func digest(_ pointer: UnsafeMutablePointer<CChar>?, _ field: StaticString) throws(WireError) -> String {
        let bytes = try bytes(pointer, atMost: WireLimits.nameByteCount, field)
        try Bound.digest(bytes, field)
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func string(_ bytes: UnsafeRawBufferPointer, _ field: StaticString) throws(WireError) -> String {
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

    /// A measured quantity: 0 where nothing was measured, else within its range.
    static func quantity(_ value: Double, in range: ClosedRange<Double>, _ field: StaticString) throws(WireError) -> Double {
        // −0 is nothing too, and goes no further.
        if value == 0 { return 0 }
        guard range.contains(value) else {
            throw WireError(
                .invalidValue, "\(field) is \(value); it is 0 or lies in \(range.lowerBound)…\(range.upperBound)")
        }
        return value
    }

    static func number<N: FixedWidthInteger & UnsignedInteger>(
        _ value: N, in range: ClosedRange<N>, _ field: StaticString
    ) throws(WireError) -> N {
        try Bound.number(value, in: range, field)
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

    static func addresses(
        _ count: Int, _ array: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ field: StaticString
    ) throws(WireError) -> [String] {
        try Bound.count(count, atMost: WireLimits.addresses, field)
        var values: [String] = []
        guard count > 0, let array else { return values }
        values.reserveCapacity(count)
        for index in 0..<count { values.append(try address(array[index], field)) }
        return values
    }
}

extension String {
    /// With a blank in place of each character that a terminal would obey; line ends and tabs stay.
    var withoutControls: String {
        let isClean = utf8.allSatisfy { $0 &- 0x20 < 0x5F || $0 == 0x0A }
        if isClean || unicodeScalars.allSatisfy({ $0.isPlain || $0 == "\n" || $0 == "\t" }) { return self }
        var scalars = String.UnicodeScalarView()
        for scalar in unicodeScalars { scalars.append(scalar.isPlain || scalar == "\n" || scalar == "\t" ? scalar : " ") }
        return String(scalars)
    }
}

extension UInt128 {
    init(high: UInt64, low: UInt64) { self = UInt128(high) << 64 | UInt128(low) }
    var high: UInt64 { UInt64(truncatingIfNeeded: self >> 64) }
    var low: UInt64 { UInt64(truncatingIfNeeded: self) }
}
