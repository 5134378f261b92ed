/// JSON text, appended piece by piece.
struct JSONWriter {
    private(set) var bytes: [UInt8] = []

    mutating func reserve(_ byteCount: Int) { bytes.reserveCapacity(bytes.count + byteCount) }

    /// What is JSON already: punctuation, numbers.
    mutating func raw(_ text: some StringProtocol) { bytes.append(contentsOf: text.utf8) }

    mutating func raw(_ text: UnsafeBufferPointer<UInt8>) { bytes.append(contentsOf: text) }

    @inline(__always) mutating func byte(_ byte: UInt8) { bytes.append(byte) }

    mutating func key(_ name: String) {
        string(name)
        byte(UInt8(ascii: ":"))
    }

    mutating func string(_ text: String) { string(utf8: text.utf8) }

    /// `utf8` must be valid.
    mutating func string(utf8: some Sequence<UInt8>) {
        byte(UInt8(ascii: "\""))
        for unit in utf8 {
            switch unit {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                byte(UInt8(ascii: "\\"))
                byte(unit)
            case 0..<0x20, 0x7F:
                raw("\\u00")
                byte(Self.digits[Int(unit >> 4)])
                byte(Self.digits[Int(unit & 15)])
            default: byte(unit)
            }
        }
        byte(UInt8(ascii: "\""))
    }

    private static let digits = Array("0123456789abcdef".utf8)
}
