public import Tensors

/// What a message's payload is made of, where it stands in memory: nothing is copied to send it.
public struct OutgoingPayload: Sendable {
    private struct Segment: Sendable {
        let storage: TensorStorage
        let storageOffset: Int
        /// Where it stands in the payload.
        let range: Range<Int>
    }

    private let segments: [Segment]
    public let byteCount: Int

    public static let empty = OutgoingPayload(segments: [], byteCount: 0)

    private init(segments: [Segment], byteCount: Int) {
        self.segments = segments
        self.byteCount = byteCount
    }

    /// One block: an archive, a document.
    public init(_ storage: TensorStorage) {
        self.init(
            segments: [Segment(storage: storage, storageOffset: 0, range: 0..<storage.byteCount)], byteCount: storage.byteCount)
    }

    /// Tensors as they are.
    /// - Returns: the payload, and the headers for the message.
    public static func raw(_ tensors: [Tensor]) throws(WireError) -> (payload: OutgoingPayload, headers: [TensorHeader]) {
        let layout = try PayloadLayout(tensors.map { TensorHeader(raw: $0) })
        var segments: [Segment] = []
        for (index, tensor) in tensors.enumerated() {
            segments.append(Segment(storage: tensor.storage, storageOffset: tensor.byteOffset, range: layout.range(of: index)))
        }
        return (OutgoingPayload(segments: segments, byteCount: layout.byteCount), layout.headers)
    }

    /// Segments that are encoded already, each from its storage's first byte.
    public static func encoded(_ parts: [EncodedSegment]) throws(WireError) -> (payload: OutgoingPayload, headers: [TensorHeader]) {
        let layout = try PayloadLayout(parts.map(\.header))
        var segments: [Segment] = []
        for (index, part) in parts.enumerated() {
            segments.append(Segment(storage: part.storage, storageOffset: part.storageOffset, range: layout.range(of: index)))
        }
        return (OutgoingPayload(segments: segments, byteCount: layout.byteCount), layout.headers)
    }

    /// Calls `body` with the bytes of `range` in order, piece by piece (for `writev` and checksums): segments and the zeros between.
    ///
    /// The pointers are good as long as this value lives.
    public func forEachPiece(in range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> Void) {
        precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "frames lie within the payload")
        var position = range.lowerBound
        // Segments are in order: the first one that ends behind the position is found by halving.
        var index = segments.partitioningIndex { $0.range.upperBound > position }
        while position < range.upperBound, index < segments.count {
            let segment = segments[index]
            if position < segment.range.lowerBound {
                let gap = min(segment.range.lowerBound, range.upperBound) - position
                body(UnsafeRawBufferPointer(start: Self.zeros, count: gap))
                position += gap
            }
            let end = min(segment.range.upperBound, range.upperBound)
            if position < end {
                let offset = segment.storageOffset + position - segment.range.lowerBound
                body(UnsafeRawBufferPointer(start: segment.storage.pointer + offset, count: end - position))
                position = end
            }
            index += 1
        }
    }

    /// CRC32C of the bytes of `range`, for ``FrameScheduler/Frame/writeHead(to:payloadChecksum:)``.
    public func checksum(of range: Range<Int>) -> UInt32 {
        var crc = CRC32C()
        forEachPiece(in: range) { crc.update($0) }
        return crc.value
    }

    /// Zeros for the gaps, never longer than the alignment; lives as long as the process.
    private nonisolated(unsafe) static let zeros: UnsafeRawPointer = {
        let block = UnsafeMutableRawPointer.allocate(
            byteCount: TensorHeader.segmentAlignment, alignment: TensorHeader.segmentAlignment)
        block.initializeMemory(as: UInt8.self, repeating: 0, count: TensorHeader.segmentAlignment)
        return UnsafeRawPointer(block)
    }()
}

/// One tensor's segment, ready for a payload.
public struct EncodedSegment: Sendable {
    public let header: TensorHeader
    public let storage: TensorStorage
    /// Where the segment's first byte stands in `storage`.
    public let storageOffset: Int

    public init(header: TensorHeader, storage: TensorStorage, storageOffset: Int = 0) {
        self.header = header
        self.storage = storage
        self.storageOffset = storageOffset
    }

    /// A tensor as it is.
    public init(raw tensor: Tensor) {
        self.init(header: TensorHeader(raw: tensor), storage: tensor.storage, storageOffset: tensor.byteOffset)
    }
}

extension Array {
    /// The first index whose element fulfils `predicate`, where all after it do too.
    fileprivate func partitioningIndex(where predicate: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if predicate(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
