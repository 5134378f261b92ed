extension DecimalText {
    /// Reads a number in JSON's form and moves the scanner over it.
    @inline(__always) init(reading scanner: inout JSONScanner) throws(ElementProblem) {
        var index = scanner.position
        if scanner.byte(at: index) == UInt8(ascii: "-") {
            isNegative = true
            index += 1
        }
        let first = index
        var count = 0
        while case let digit = scanner.byte(at: index) &- 0x30, digit <= 9 {
            if count < Self.maximumDigits {
                digits = digits &* 10 &+ UInt64(digit)
                if digits != 0 { count += 1 }
            } else {
                exponent += 1
                isCut = isCut || digit != 0
            }
            index += 1
        }
        guard index > first, index == first + 1 || scanner.byte(at: first) != UInt8(ascii: "0") else { throw .noNumber }
        if scanner.byte(at: index) == UInt8(ascii: ".") {
            index += 1
            let start = index
            while case let digit = scanner.byte(at: index) &- 0x30, digit <= 9 {
                if count < Self.maximumDigits {
                    digits = digits &* 10 &+ UInt64(digit)
                    exponent -= 1
                    if digits != 0 { count += 1 }
                } else {
                    isCut = isCut || digit != 0
                }
                index += 1
            }
            guard index > start else { throw .noNumber }
        }
        if scanner.byte(at: index) | 0x20 == UInt8(ascii: "e") {
            index += 1
            let sign = scanner.byte(at: index)
            if sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { index += 1 }
            let start = index
            var power = 0
            while case let digit = scanner.byte(at: index) &- 0x30, digit <= 9 {
                // Further than any text has digits that could bring it back.
                if power < 1 << 48 { power = power * 10 + Int(digit) }
                index += 1
            }
            guard index > start else { throw .noNumber }
            exponent += sign == UInt8(ascii: "-") ? -power : power
        }
        scanner.advance(to: index)
    }
}
