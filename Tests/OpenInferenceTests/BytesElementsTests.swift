import OpenInference
import Testing

@Suite("BYTES elements in binary")
struct BytesElementsTests {
    private func ranges(_ bytes: [UInt8], _ count: Int) throws(OpenInferenceError) -> [Range<Int>] {
        try bytes.withUnsafeBufferPointer { buffer throws(OpenInferenceError) in
            try BytesElements.ranges(in: UnsafeRawBufferPointer(buffer), count: count)
        }
    }

    @Test func whatIsEncodedIsFound() throws {
        let elements: [[UInt8]] = [[1, 2, 3], [], [UInt8](repeating: 7, count: 300)]
        let bytes = BytesElements.encode(elements)
        #expect(bytes.prefix(7) == [3, 0, 0, 0, 1, 2, 3])
        #expect(try ranges(bytes, 3).map { Array(bytes[$0]) } == elements)
        #expect(try ranges([], 0).isEmpty)
        #expect(BytesElements.encode([]).isEmpty)
    }

    private static let wrong: [(String, [UInt8], Int, String)] = [
        ("too few", [0, 0, 0, 0], 2, "end before the length of element 1"),
        ("too many", [0, 0, 0, 0, 0, 0, 0, 0], 1, "4 bytes follow the last of 1"),
        ("none", [], 1, "end before the length of element 0"),
        ("something for nothing", [0], 0, "1 bytes follow the last of 0"),
        ("half a length", [1, 0, 0], 1, "end before the length"),
        ("too short", [2, 0, 0, 0, 9], 1, "element 0 has 2 bytes by its length, but 1 follow"),
        ("the longest", [255, 255, 255, 255, 9], 1, "element 0 has 4294967295 bytes"),
        ("a length of the other end", [0, 0, 0, 1, 9], 1, "element 0 has 16777216 bytes"),
        ("a byte behind", [1, 0, 0, 0, 9, 9], 1, "1 bytes follow"),
    ]

    @Test func lengthsThatLie() {
        for (name, bytes, count, says) in Self.wrong {
            let error = Heads.error { () throws(OpenInferenceError) in _ = try ranges(bytes, count) }
            #expect(error?.code == .invalid, "\(name)")
            #expect(error?.message.contains(says) == true, "\(name): \(error?.message ?? "accepted")")
        }
        for count in [-1, OpenInferenceLimits.elements + 1, .max] {
            #expect(Heads.error { () throws(OpenInferenceError) in _ = try ranges([], count) }?.code == .tooLarge)
        }
    }
}
