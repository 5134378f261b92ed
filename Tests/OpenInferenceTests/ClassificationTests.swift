import OpenInference
import Tensors
import Testing

@Suite("The best classes")
struct ClassificationTests {
    private func rows(
        _ tensor: Tensor, _ count: Int, _ labels: [String]? = nil
    ) throws(OpenInferenceError) -> (shape: [Int], texts: [String]) {
        let (shape, elements) = try Classification.rows(of: tensor, count: count, labels: labels)
        return (shape, elements.map { String(decoding: $0, as: UTF8.self) })
    }

    @Test func theBestOfEachRow() throws {
        let tensor = try Tensor(shape: [2, 4], values: [0.25, 1, -3, 0.5, 2, 2, 7, 2] as [Float])
        let (shape, texts) = try rows(tensor, 2)
        #expect(shape == [2, 2])
        #expect(texts == ["1.0:1", "0.5:3", "7.0:2", "2.0:0"])
        #expect(try rows(tensor, 1, ["cat", "dog"]).texts == ["1.0:1:dog", "7.0:2"])
        let all = try rows(tensor, 100)
        #expect(all.shape == [2, 4])
        #expect(all.texts == ["1.0:1", "0.5:3", "0.25:0", "-3.0:2", "7.0:2", "2.0:0", "2.0:1", "2.0:3"])
    }

    @Test func everyTypeOfNumber() throws {
        #expect(try rows(Tensor(shape: [3], values: [1, 255, 7] as [UInt8]), 2).texts == ["255:1", "7:2"])
        #expect(
            try rows(Tensor(shape: [1, 3], values: [Int32.min, 0, .max]), 3).texts == ["2147483647:2", "0:1", "-2147483648:0"])
        #expect(try rows(Tensor(shape: [1, 1, 2], values: [Int64.min, .max]), 1).shape == [1, 1, 1])
        #expect(try rows(Tensor(shape: [2], values: [0.1, 0.2] as [Float16]), 1).texts == ["0.2:1"])
        #expect(throws: OpenInferenceError.self) { try rows(Tensor(shape: [1], values: [true]), 1) }
    }

    @Test func whatIsNoNumberComesLast() throws {
        let tensor = try Tensor(shape: [5], values: [.nan, -.infinity, .nan, 1, .infinity] as [Float])
        for count in [1, 3, 5] {
            #expect(try rows(tensor, count).texts == Array(["inf:4", "1.0:3", "-inf:1", "nan:0", "nan:2"].prefix(count)))
        }
    }

    /// Few are kept in order, many are sorted: both agree, with equal values among them.
    @Test func fewAndManyAgree() throws {
        var random = Seeded(4)
        let values = (0..<300).map { _ in Float(Int.random(in: 0...40, using: &random)) }
        let tensor = try Tensor(shape: [3, 100], values: values)
        let whole = try rows(tensor, 100).texts
        for count in 1...99 {
            let expected = (0..<3).flatMap { whole[($0 * 100)..<($0 * 100 + count)] }
            #expect(try rows(tensor, count).texts == expected, "\(count)")
        }
    }

    @Test func tensorsWithoutClasses() throws {
        #expect(throws: OpenInferenceError.self) { try rows(Tensor(shape: [], values: [1] as [Float]), 1) }
        for count in [0, -1, .min] {
            #expect(throws: OpenInferenceError.self) { try rows(Tensor(shape: [1], values: [1] as [Float]), count) }
        }
        for shape in [[2, 0], [0, 3]] {
            let (kept, texts) = try rows(Tensor(shape: shape, values: [Float]()), 2)
            #expect(kept == [shape[0], min(shape[1], 2)])
            #expect(texts.isEmpty)
        }
        let many = try Tensor(
            shape: [OpenInferenceLimits.elements, 2], values: [UInt8](repeating: 0, count: 2 * OpenInferenceLimits.elements))
        let error = Heads.error { () throws(OpenInferenceError) in _ = try rows(many, 2) }
        #expect(error?.code == .tooLarge)
    }
}
