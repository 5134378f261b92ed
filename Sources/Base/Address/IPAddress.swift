/// An IPv4 or IPv6 address in numbers.
public enum IPAddress: Sendable, Hashable {
    case v4(UInt32)
    case v6(UInt128)

    /// The textual forms that `inet_pton` takes; a zone (`fe80::1%eth0`) is allowed and left out of the number.
    public init?(_ text: some StringProtocol) {
        var text = String(text)
        guard let address = text.withUTF8({ Self.read(UnsafeRawBufferPointer($0)[...]) }) else { return nil }
        self = address
    }

    /// Whether systems take the text for an IPv4 address that it does not look like: `192.168.1.010` is 192.168.1.8 to `getaddrinfo`, `127.1`
    /// is 127.0.0.1, and `1` is 0.0.0.1.
    public static func isMisread(_ text: some StringProtocol) -> Bool {
        var text = String(text)
        return text.withUTF8 { isMisread(UnsafeRawBufferPointer($0)[...]) }
    }

    public var isVersion6: Bool { if case .v6 = self { true } else { false } }

    public var scope: AddressScope {
        switch self {
        case .v4(let bits): AddressScope(version4: bits)
        case .v6(let bits): AddressScope(version6: bits)
        }
    }

    public var isLoopback: Bool { scope == .loopback }
}

// MARK: - Reading

extension IPAddress {
    typealias Bytes = Slice<UnsafeRawBufferPointer>

    static func read(_ bytes: Bytes) -> IPAddress? {
        if let bits = version4(bytes) { return .v4(bits) }
        return version6(bytes.prefix { $0 != UInt8(ascii: "%") }).map { .v6($0) }
    }

    /// Four numbers up to 255. None of them with a zero before it, which some read as octal.
    private static func version4(_ bytes: Bytes) -> UInt32? {
        let numbers = bytes.split(separator: UInt8(ascii: "."), maxSplits: 4, omittingEmptySubsequences: false)
        guard numbers.count == 4 else { return nil }
        var bits: UInt32 = 0
        for digits in numbers {
            guard (1...3).contains(digits.count), digits.allSatisfy({ $0 &- UInt8(ascii: "0") <= 9 }),
                digits.count == 1 || digits.first != UInt8(ascii: "0")
            else { return nil }
            let number = digits.reduce(0) { $0 * 10 + UInt32($1 - UInt8(ascii: "0")) }
            guard number <= 255 else { return nil }
            bits = bits << 8 | number
        }
        return bits
    }

    static func isMisread(_ bytes: Bytes) -> Bool {
        // Names, of which there are many, rarely begin with one.
        guard let first = bytes.first, first &- UInt8(ascii: "0") <= 9 else { return false }
        return version4(bytes) == nil && isOldVersion4(bytes)
    }

    /// What `inet_aton` takes: one to four numbers, octal behind a 0 and hexadecimal behind 0x, of which the last fills what is left of 32 bits.
    private static func isOldVersion4(_ bytes: Bytes) -> Bool {
        let numbers = bytes.split(separator: UInt8(ascii: "."), maxSplits: 4, omittingEmptySubsequences: false)
        guard let last = numbers.last.flatMap(oldNumber), numbers.count <= 4 else { return false }
        return last <= UInt64(UInt32.max) >> (8 * UInt64(numbers.count - 1))
            && numbers.dropLast().allSatisfy { oldNumber($0).map { $0 <= 255 } == true }
    }

    private static func oldNumber(_ digits: Bytes) -> UInt64? {
        let isHexadecimal =
            digits.count > 2 && digits.first == UInt8(ascii: "0") && digits.dropFirst().first.map { $0 | 0x20 } == UInt8(ascii: "x")
        let radix: UInt8 = isHexadecimal ? 16 : digits.first == UInt8(ascii: "0") ? 8 : 10
        guard !digits.isEmpty else { return nil }
        var number: UInt64 = 0
        for digit in isHexadecimal ? digits.dropFirst(2) : digits {
            guard let value = hexadecimal(digit), value < radix else { return nil }
            // Zeros may stand before it in any number; what is too large stays so.
            number = min(number * UInt64(radix) + UInt64(value), 1 << 33)
        }
        return number
    }

    /// Eight groups of up to four hexadecimal digits; `::` once in place of one or more that are 0; the last two may be written as IPv4.
    private static func version6(_ bytes: Bytes) -> UInt128? {
        let colon = UInt8(ascii: ":")
        let gap = bytes.indices.dropLast().first { bytes[$0] == colon && bytes[$0 + 1] == colon }
        guard let gap else { return groups(bytes, mayEndInVersion4: true).flatMap { $0.count == 8 ? $0.bits : nil } }
        guard let head = groups(bytes[..<gap], mayEndInVersion4: false),
            let tail = groups(bytes[(gap + 2)...], mayEndInVersion4: true), head.count + tail.count < 8
        else { return nil }
        return head.bits << (128 - 16 * head.count) | tail.bits
    }

    private static func groups(_ bytes: Bytes, mayEndInVersion4: Bool) -> (bits: UInt128, count: Int)? {
        guard !bytes.isEmpty else { return (0, 0) }
        let parts = bytes.split(separator: UInt8(ascii: ":"), maxSplits: 8, omittingEmptySubsequences: false)
        var (bits, count): (UInt128, Int) = (0, 0)
        for (index, part) in parts.enumerated() {
            if mayEndInVersion4, index == parts.count - 1, let last = version4(part) {
                return (bits << 32 | UInt128(last), count + 2)
            }
            guard (1...4).contains(part.count) else { return nil }
            var group: UInt128 = 0
            for digit in part {
                guard let value = hexadecimal(digit) else { return nil }
                group = group << 4 | UInt128(value)
            }
            bits = bits << 16 | group
            count += 1
        }
        return count <= 8 ? (bits, count) : nil
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
