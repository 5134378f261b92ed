import OpenInference
import Testing

@Suite("Numbers as text: none is changed")
struct NumberTests {
    private func range<Number: FixedWidthInteger & BitwiseCopyable>(of type: Number.Type, _ datatype: Datatype) throws {
        let (least, greatest) = (Number.min, Number.max)
        for value in [least, least + 1, 0, 1, greatest - 1, greatest] {
            #expect(try Heads.value("\(value)", datatype, as: type) == value)
        }
        #expect(try Heads.value("-0", datatype, as: type) == 0)
        for text in [
            text(justAbove: greatest), text(justBelow: least), "99999999999999999999", "-99999999999999999999",
            "1" + String(repeating: "0", count: 5_000),
        ] {
            let error = Heads.error { () throws(OpenInferenceError) in _ = try Heads.value(text, datatype, as: type) }
            #expect(
                error?.message.contains("out of the range of \(datatype.rawValue)") == true,
                "\(text.prefix(40)) \(error?.message ?? "accepted")")
        }
        for text in ["1.0", "1.5", "1e3", "1E0", "0.0", "-0.0"] {
            let error = Heads.error { () throws(OpenInferenceError) in _ = try Heads.value(text, datatype, as: type) }
            #expect(error?.message.contains("takes integers") == true, "\(text) \(error?.message ?? "accepted")")
        }
    }

    private func text(justAbove value: some FixedWidthInteger) -> String { "\(Int128(value) + 1)" }
    private func text(justBelow value: some FixedWidthInteger) -> String { "\(Int128(value) - 1)" }

    @Test func integersAtTheirLimits() throws {
        try range(of: Int8.self, .int8)
        try range(of: Int16.self, .int16)
        try range(of: Int32.self, .int32)
        try range(of: Int64.self, .int64)
        try range(of: UInt8.self, .uint8)
        try range(of: UInt16.self, .uint16)
        try range(of: UInt32.self, .uint32)
        try range(of: UInt64.self, .uint64)
    }

    @Test(arguments: [
        ("0", 0), ("-0", 0x8000_0000), ("-0.0", 0x8000_0000), ("-0e5", 0x8000_0000), ("0e999999999999999999999", 0),
        ("1", 0x3f80_0000),
        ("3.4028234663852886e38", 0x7f7f_ffff), ("3.40282356779733661e38", 0x7f7f_ffff),
        ("3.40282356779733661637539395458142568447999e38", 0x7f7f_ffff), ("1.17549435e-38", 0x0080_0000),
        // The largest that is below half of the smallest, the half itself (to the even 0), and the first above it.
        ("7.006492321624085e-46", 0), ("7.0064923216240853546186479164495806564013097093825788587853e-46", 0),
        ("7.00649232162408535461864791644958065640130970938257885878534141944895541342930300743319094181060791015625e-46", 0),
        ("7.006492321624085354618647916449580656401309709382578858785341419448955413429303007433190941810607910156250001e-46", 1),
        ("1e-45", 1), ("1.401298464324817e-45", 1), ("1e-46", 0), ("1e-99999999999999999999", 0),
        ("1.1754942106924411e-38", 0x007f_ffff),
        // Half way between 1 and the next: to the even one, and up with the least bit more.
        ("1.00000005960464477539062", 0x3f80_0000), ("1.000000059604644775390625", 0x3f80_0000),
        ("1.00000005960464477539062500000000000000000000000000001", 0x3f80_0001), ("1.000000178813934326171875", 0x3f80_0002),
        ("1.0000001788139343261718749999999999999999999", 0x3f80_0001),
        // By way of a double this is a midpoint, and would go to the even one.
        ("1.000000178813934326171874999999", 0x3f80_0001), ("8589973504.9999999", 0x5000_0026), ("16777217", 0x4b80_0000),
        ("16777217.0000001", 0x4b80_0001), ("16777219", 0x4b80_0002), ("100000000000000000000000000000e-29", 0x3f80_0000),
        ("0.00000000000000000000000000000000000001e38", 0x3f80_0000), ("123456789012345678901234567890e-29", 0x3f9e_0652),
    ])
    func singles(text: String, pattern: UInt32) throws {
        #expect(try Heads.value(text, .float32, as: UInt32.self) == pattern, "\(text)")
    }

    @Test(arguments: [
        ("65504", 0x7bff), ("65519.999", 0x7bff), ("-65504", 0xfbff), ("6.103515625e-05", 0x0400), ("5.9604644775390625e-08", 1),
        ("2.98023223876953125e-08", 0), ("2.98023223876953125000000000000001e-08", 1), ("2.98023223876953124e-08", 0), ("1e-60", 0),
        ("1e-400", 0),
        ("1.00048828125", 0x3c00), ("1.00048828125000000000000000000000000001", 0x3c01),
        ("1.00048828124999999999999999999999", 0x3c00),
        ("1.00146484375", 0x3c02), ("1.0014648437499999999999999999999999999999", 0x3c01), ("0.333251953125", 0x3555),
        ("-0.0", 0x8000),
        ("6.09755516052246093749999e-05", 0x03ff),
    ])
    func halves(text: String, pattern: UInt16) throws {
        #expect(try Heads.value(text, .float16, as: UInt16.self) == pattern, "\(text)")
    }

    @Test(
        arguments: [
            ("1.7976931348623157e308", 0x7fef_ffff_ffff_ffff), ("2.2250738585072014e-308", 0x0010_0000_0000_0000), ("5e-324", 1),
            ("2.4703282292062327e-324", 0), ("2.4703282292062328e-324", 1), ("9007199254740993", 0x4340_0000_0000_0000),
            ("9007199254740993.00000000000000000000000000001", 0x4340_0000_0000_0001), ("0.1", 0x3fb9_9999_9999_999a),
            ("-0", 0x8000_0000_0000_0000),
            // A parser that is wrong at the edge of the subnormal numbers never ends with this.
            ("2.2250738585072012e-308", 0x0010_0000_0000_0000), ("2.2250738585072011e-308", 0x000f_ffff_ffff_ffff),
        ] as [(String, UInt64)])
    func doubles(text: String, pattern: UInt64) throws {
        #expect(try Heads.value(text, .float64, as: UInt64.self) == pattern, "\(text)")
    }

    @Test(arguments: [
        ("3.40282357e38", Datatype.float32), ("3.40282356779733661637539395458142568448e38", .float32), ("1e39", .float32),
        ("-1e39", .float32),
        ("65520", .float16), ("-65520", .float16), ("1e40", .float16), ("1.7976931348623159e308", .float64), ("1e309", .float64),
        ("1e99999999999999999999", .float64), ("-1e99999999999999999999", .float32), ("9e2147483648", .float64),
        ("1e18446744073709551617", .float16),
    ])
    func outOfRange(text: String, datatype: Datatype) {
        let error = Heads.error { () throws(OpenInferenceError) in _ = try Heads.bytes("[\(text)]", datatype, shape: [1]) }
        #expect(error?.message.contains("out of the range of \(datatype.rawValue)") == true, "\(error?.message ?? "accepted")")
    }

    @Test func numbersOfAnyLength() throws {
        let zeros = String(repeating: "0", count: 100_000)
        #expect(try Heads.value("0.\(zeros)1e100001", .float32, as: Float.self) == 1)
        #expect(try Heads.value("1\(zeros)e-100000", .float64, as: Double.self) == 1)
        #expect(try Heads.value("1.00000005960464477539062500\(zeros)1", .float32, as: UInt32.self) == 0x3f80_0001)
        #expect(try Heads.value("1.0000000596046447753906250\(zeros)", .float32, as: UInt32.self) == 0x3f80_0000)
        #expect(try Heads.value("1.00048828125\(zeros)1", .float16, as: UInt16.self) == 0x3c01)
        #expect(try Heads.value(String(repeating: "9", count: 100_000) + "e-100000", .float32, as: Float.self) == 1)
    }

    /// Decimal texts of every length and magnitude, against the C library's rounding (which is right for single and double precision).
    @Test func asTheCLibraryReadsThem() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = Seeded(seed)
        let texts = (0..<60_000).map { _ in
            let digits = Int.random(in: 1...(Bool.random(using: &random) ? 25 : 17), using: &random)
            let significand = String((0..<digits).map { _ in Character("\(Int.random(in: 0...9, using: &random))") })
            let power =
                Bool.random(using: &random)
                ? Int.random(in: -30...12, using: &random) : Int.random(in: -47...37, using: &random) - digits
            return "\(Int.random(in: 0...9, using: &random)).\(significand)e\(power)"
        }
        let data = "[" + texts.joined(separator: ",") + "]"
        let singles = try Heads.values(data, .float32, shape: [texts.count], as: UInt32.self)
        let doubles = try Heads.values(data, .float64, shape: [texts.count], as: UInt64.self)
        let wrong = texts.indices.filter {
            singles[$0] != Float(texts[$0])?.bitPattern || doubles[$0] != Double(texts[$0])?.bitPattern
        }
        #expect(wrong.isEmpty, "seed \(seed): \(wrong.prefix(5).map { texts[$0] })")
    }

    /// Of every exponent that double precision has, and some beyond.
    @Test func everyExponent() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = Seeded(seed)
        var texts: [String] = []
        for power in -345...290 {
            for digits in [1, 5, 17, 19, 20, 30] {
                let significand = (1..<digits).reduce("\(Int.random(in: 1...9, using: &random))") { text, _ in
                    text + "\(Int.random(in: 0...9, using: &random))"
                }
                texts.append("\(significand)e\(power - digits + 10)")
            }
        }
        let doubles = try Heads.values("[" + texts.joined(separator: ",") + "]", .float64, shape: [texts.count], as: UInt64.self)
        let wrong = texts.indices.filter { doubles[$0] != Double(texts[$0])?.bitPattern }
        #expect(wrong.isEmpty, "seed \(seed): \(wrong.prefix(5).map { texts[$0] })")
        // Those of the other formats that are in their range, and no others.
        for text in texts {
            let (single, expected) = (try? Heads.value(text, .float32, as: UInt32.self), Float(text))
            #expect(single == (expected?.isFinite == true ? expected?.bitPattern : nil), "\(text)")
        }
    }

    /// Every half, the exact midpoint to the next, and what is a little to either side of that.
    @Test func everyHalf() throws {
        var (texts, expected): ([String], [UInt16]) = ([], [])
        for pattern in UInt16(0)..<0x7bff {
            let (value, next) = (Double(Float16(bitPattern: pattern)), Double(Float16(bitPattern: pattern + 1)))
            // Exact: a midpoint is a multiple of 2^-25, and 5^25 of those are a power of ten.
            let middle = UInt128(((value + next) / 2) * 33_554_432) * UInt128(298_023_223_876_953_125)
            texts += ["\(value)", "\(middle)e-25", "\(middle)00000000000000000000001e-48", "\(middle - 1)99999999999999999999e-45"]
            expected += [pattern, pattern & 1 == 0 ? pattern : pattern + 1, pattern + 1, pattern]
        }
        let patterns = try Heads.values("[" + texts.joined(separator: ",") + "]", .float16, shape: [texts.count], as: UInt16.self)
        let wrong = texts.indices.filter { patterns[$0] != expected[$0] }
        #expect(wrong.isEmpty, "\(wrong.count): \(wrong.prefix(5).map { (texts[$0], patterns[$0], expected[$0]) })")
    }
}
