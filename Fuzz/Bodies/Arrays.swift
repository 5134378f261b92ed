internal import Arrays
internal import Tensors

extension FuzzBody {
    enum Arrays {
        /// All arrays of one archive. Far below what the command allows, so that an input that makes more memory out of few bytes is seen.
        private static let limit = 1 << 20

        static func run(_ bytes: UnsafeRawBufferPointer) -> Outcome {
            do {
                switch try ArrayFile.decode(TensorStorage(copying: bytes), name: "input", limit: limit) {
                case .single(let tensor): check(tensor)
                case .named(let arrays, _):
                    let total = arrays.reduce(0) { $0 + $1.tensor.byteCount }
                    expect(total <= limit, "the arrays of an archive take \(total) bytes, over the limit")
                    for array in arrays { check(array.tensor) }
                }
                return .accepted
            } catch {
                return .refused
            }
        }

        /// What was read can be written, and is then the same.
        private static func check(_ tensor: Tensor) {
            _ = tensor.bytes.readAll()
            guard let again = try? NPY.decode(TensorStorage(copying: NPY.encode(tensor)), name: "written") else {
                fatalError("\(tensor.dtype.name)\(tensor.shape) was read, but not again after it was written")
            }
            expect(again.isBitIdentical(to: tensor), "\(tensor.dtype.name)\(tensor.shape) was written as something else")
        }
    }
}
