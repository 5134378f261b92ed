/// Reads the one Python literal that a `.npy` header is. Strict: exactly the three keys, each once, nothing behind but blanks.
struct PythonLiteral {
    struct Header {
        /// `nil` for a structured dtype (a list, or a tuple with the shape of its parts).
        let descr: String?
        let isFortranOrder: Bool
        let shape: [Int]
    }

    private let text: [UInt8]
    private var position = 0

    init(_ text: [UInt8]) { self.text = text }

    mutating func headerDictionary() -> Header? {
        var descr: String??
        var isFortranOrder: Bool?
        var shape: [Int]?
        guard take("{") else { return nil }
        while !take("}") {
            guard let key = string(), take(":") else { return nil }
            switch key {
            case "descr" where descr == nil:
                if peek() == UInt8(ascii: "[") || peek() == UInt8(ascii: "(") {
                    // The inside of a list or tuple is not looked at: the array is refused in any case.
                    return Header(descr: nil, isFortranOrder: false, shape: [])
                }
                guard let value = string() else { return nil }
                descr = .some(value)
            case "fortran_order" where isFortranOrder == nil:
                if takeWord("True") {
                    isFortranOrder = true
                } else if takeWord("False") {
                    isFortranOrder = false
                } else {
                    return nil
                }
            case "shape" where shape == nil:
                guard let value = tuple() else { return nil }
                shape = value
            default: return nil
            }
            guard take(",") || peek() == UInt8(ascii: "}") else { return nil }
        }
        skipBlanks()
        guard position == text.count, let descr, let isFortranOrder, let shape else { return nil }
        return Header(descr: descr, isFortranOrder: isFortranOrder, shape: shape)
    }

    /// `()`, `(3,)`, `(2, 3)`, and `(2L, 3L)` of Python 2.
    private mutating func tuple() -> [Int]? {
        var extents: [Int] = []
        guard take("(") else { return nil }
        var hasComma = true
        while !take(")") {
            guard hasComma, let extent = number() else { return nil }
            extents.append(extent)
            _ = take("L")
            hasComma = take(",")
        }
        return extents.count == 1 && !hasComma ? nil : extents
    }

    private mutating func number() -> Int? {
        skipBlanks()
        let digits = text[position...].prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        position += digits.count
        return Int(String(decoding: digits, as: UTF8.self))
    }

    /// A string without escapes in either kind of quotes, also with the `u` before it that Python 2 writes.
    private mutating func string() -> String? {
        _ = take("u")
        guard let quote = peek(), quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else { return nil }
        let start = position + 1
        guard let end = text[start...].firstIndex(of: quote) else { return nil }
        position = end + 1
        let inside = text[start..<end]
        guard inside.allSatisfy({ (0x20..<0x7f).contains($0) && $0 != UInt8(ascii: "\\") }) else { return nil }
        return String(decoding: inside, as: UTF8.self)
    }

    private mutating func takeWord(_ word: String) -> Bool {
        skipBlanks()
        guard text[position...].starts(with: word.utf8) else { return false }
        position += word.utf8.count
        return true
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard peek() == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func peek() -> UInt8? {
        skipBlanks()
        return position < text.count ? text[position] : nil
    }

    /// Python's own blanks between the parts of a literal: tabs, and the line ends of other systems, too.
    private mutating func skipBlanks() {
        while position < text.count, [0x20, 0x0a, 0x0d, 0x09, 0x0c].contains(text[position]) { position += 1 }
    }
}
