public import Tensors

/// Where the segments of some tensors stand in a payload: in order, each at a multiple of ``TensorHeader/segmentAlignment``.
public struct PayloadLayout: Sendable, Hashable {
    public let headers: [TensorHeader]
    /// The first byte of each segment.
    public let offsets: [Int]
    /// Length of the payload: the last segment's end.
    public let byteCount: Int
    /// What the tensors take once they are decoded.
    public let decodedByteCount: Int
    /// Whether all tensors stand there as they are.
    public let isRaw: Bool

    /// - Throws: ``WireError`` for more than ``WireLimits/tensors`` segments, a length that its tensor cannot have, or a sum over
    ///   ``WireLimits/payloadByteCount``.
    public init(_ headers: [TensorHeader]) throws(WireError) {
        guard headers.count <= WireLimits.tensors else {
            throw WireError(.limitExceeded, "\(headers.count) tensors are over the limit of \(WireLimits.tensors) in a message")
        }
        var offsets: [Int] = []
        offsets.reserveCapacity(headers.count)
        var end = 0
        var decoded = 0
        var isRaw = true
        for header in headers {
            decoded += try header.validate()
            if header.encoding != .raw { isRaw = false }
            // Each term is bounded (a tensor's largest size and the running sum), so nothing overflows.
            let start = (end + TensorHeader.segmentAlignment - 1) / TensorHeader.segmentAlignment * TensorHeader.segmentAlignment
            offsets.append(start)
            end = start + header.wireByteCount
            guard end <= WireLimits.payloadByteCount else {
                throw WireError(
                    .limitExceeded, "the tensors' segments take over \(WireLimits.payloadByteCount) bytes, which is the limit")
            }
        }
        self.headers = headers
        self.offsets = offsets
        byteCount = end
        decodedByteCount = decoded
        self.isRaw = isRaw
    }

    public func range(of index: Int) -> Range<Int> { offsets[index]..<(offsets[index] + headers[index].wireByteCount) }

    /// The tensors as views of `storage`, which holds the payload from its first byte. Nothing is copied.
    /// - Throws: ``WireError/Code/corruptPayload`` for a segment that is not raw (``ActivationCodec`` decodes those) and for a
    ///   storage that is too short.
    public func tensors(in storage: TensorStorage) throws(WireError) -> [Tensor] {
        var tensors: [Tensor] = []
        tensors.reserveCapacity(headers.count)
        for index in headers.indices { tensors.append(try rawTensor(index, in: storage)) }
        return tensors
    }

    /// The tensor of one raw segment as a view of `storage`.
    func rawTensor(_ index: Int, in storage: TensorStorage) throws(WireError) -> Tensor {
        let header = headers[index]
        guard header.encoding == .raw else {
            throw WireError(.corruptPayload, "segment \(index) is \(header.encoding), not raw; it must be decoded first")
        }
        guard range(of: index).upperBound <= storage.byteCount else {
            throw WireError(
                .corruptPayload, "segment \(index) ends at byte \(range(of: index).upperBound) of a payload of \(storage.byteCount)"
            )
        }
        do {
            let tensor = try Tensor(dtype: header.dtype, shape: header.shape, storage: storage, byteOffset: offsets[index])
            try tensor.checkValues()
            return tensor
        } catch let error as WireError {
            throw error
        } catch {
            throw WireError(.corruptPayload, "segment \(index): \(error)")
        }
    }
}

extension Tensor {
    /// A bool that is neither 0 nor 1 is undefined behaviour in C++: libtorch must not see one.
    func checkValues() throws(WireError) {
        guard dtype == .bool else { return }
        guard withUnsafeBytes({ $0.allSatisfy { $0 <= 1 } }) else {
            throw WireError(.corruptPayload, "a bool tensor has a byte that is neither 0 nor 1")
        }
    }
}
