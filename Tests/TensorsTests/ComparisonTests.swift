import Tensors
import Testing

@Suite("How far results are apart")
struct ComparisonTests {
    private func error<T: TensorElement>(_ actual: [T], _ reference: [T]) throws -> Double {
        Comparison.relativeError(
            [try Tensor(shape: [actual.count], values: actual)], [try Tensor(shape: [reference.count], values: reference)])
    }

    @Test func roundingIsRelativeToTheLargestValue() throws {
        #expect(try error([Float(1), 100.001], [1, 100]) < 2e-5)
        #expect(try error([Float(1), 101], [1, 100]) == Double(Float(0.01)))
        #expect(try error([Float16(1), 2.002], [1, 2]) < 2e-3)
        #expect(try error([Float16(1), 3], [1, 2]) == 0.5)
        #expect(try error([Float](), []) == 0)
    }

    @Test func integersAreRightOrWrong() throws {
        #expect(try error([Int64(1), 2], [1, 2]) == 0)
        #expect(try error([Int64(1), 2], [1, 3]) == .infinity)
        #expect(try error([UInt8(1)], [2]) == .infinity)
        #expect(try error([true], [false]) == .infinity)
    }

    @Test func whatIsNoNumberMustBeTheSame() throws {
        #expect(try error([Float.nan, 1], [.nan, 1]) == 0)
        #expect(try error([Float.nan, 1], [0, 1]) == .infinity)
        #expect(try error([Float(0), 1], [.nan, 1]) == .infinity)
        #expect(try error([Float.infinity, 1], [.infinity, 1]) == 0)
        #expect(try error([-Float.infinity, 1], [.infinity, 1]) == .infinity)
        #expect(try error([Float(5), 1], [.infinity, 1]) == .infinity)
        // An infinite value beside it does not make a wrong one small.
        #expect(try error([Float.infinity, 2], [.infinity, 1]) == 1)
        #expect(try error([Float16.infinity, 2], [.infinity, 1]) == 1)
    }

    @Test func anotherShapeOrTypeIsWrong() throws {
        let one = try Tensor(shape: [1], values: [Float(1)])
        #expect(Comparison.relativeError([one], [one, one]) == .infinity)
        #expect(Comparison.relativeError([one], [try Tensor(shape: [1, 1], values: [Float(1)])]) == .infinity)
        #expect(Comparison.relativeError([one], [try Tensor(shape: [1], values: [Float16(1)])]) == .infinity)
    }
}
