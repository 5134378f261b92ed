/// What is wrong with an element's text.
enum ElementProblem: Error {
    case noNumber
    case noBoolean
    case noInteger
    case outOfRange
}

/// An element as JSON has it.
protocol TextElement: BitwiseCopyable {
    /// - Parameter scanner: at the element's first byte; it is moved over the element.
    init(reading scanner: inout JSONScanner) throws(ElementProblem)
}

/// BOOL: true and false, and 1 and 0, which numpy's users send as well.
struct BooleanElement: TextElement {
    let byte: UInt8

    init(reading scanner: inout JSONScanner) throws(ElementProblem) {
        if scanner.literal("true") || scanner.literal("1") {
            byte = 1
        } else if scanner.literal("false") || scanner.literal("0") {
            byte = 0
        } else {
            throw .noBoolean
        }
    }
}

extension TextElement where Self: FixedWidthInteger {
    /// Exact, or refused.
    @inline(__always) init(reading scanner: inout JSONScanner) throws(ElementProblem) {
        var index = scanner.position
        let isNegative = scanner.byte(at: index) == UInt8(ascii: "-")
        if isNegative { index += 1 }
        let start = index
        var magnitude: UInt64 = 0
        var isOver = false
        while case let digit = scanner.byte(at: index) &- 0x30, digit <= 9 {
            // 19 digits fit; from there on it is looked at.
            if index - start < 19 {
                magnitude = magnitude &* 10 &+ UInt64(digit)
            } else {
                let (product, first) = magnitude.multipliedReportingOverflow(by: 10)
                let (sum, second) = product.addingReportingOverflow(UInt64(digit))
                isOver = isOver || first || second
                magnitude = sum
            }
            index += 1
        }
        guard index > start, index == start + 1 || scanner.byte(at: start) != UInt8(ascii: "0") else { throw .noNumber }
        let next = scanner.byte(at: index)
        guard next != UInt8(ascii: "."), next | 0x20 != UInt8(ascii: "e") else { throw .noInteger }
        guard !isOver else { throw .outOfRange }
        if isNegative {
            // The least number is one further from 0 than the greatest.
            guard magnitude <= UInt64(Int64.max) + 1, let value = Self(exactly: Int64(truncatingIfNeeded: 0 &- magnitude)) else {
                throw .outOfRange
            }
            self = value
        } else {
            guard let value = Self(exactly: magnitude) else { throw .outOfRange }
            self = value
        }
        scanner.advance(to: index)
    }
}

extension Int8: TextElement {}
extension Int16: TextElement {}
extension Int32: TextElement {}
extension Int64: TextElement {}
extension UInt8: TextElement {}
extension UInt16: TextElement {}
extension UInt32: TextElement {}
extension UInt64: TextElement {}
