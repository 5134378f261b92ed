internal import CZstd
public import Tensors

/// Compresses tensors for slow links and takes them apart again.
///
/// A decoded tensor has exactly its declared size: zstd gets room for that and no more, so a bomb ends as an error after the last
/// byte that was declared.
///
/// ## Concurrency model
/// Not `Sendable`: it owns zstd contexts and scratch memory. Each codec thread makes its own.
public final class ActivationCodec {
    /// Below this a segment's fixed costs outweigh what is saved on any link.
    public static let minimumByteCount = 1 << 10
    /// Scratch memory kept between tensors; a larger one is let go after use.
    private static let keptScratchByteCount = 64 << 20

    private let compressor: OpaquePointer
    private let decompressor: OpaquePointer
    private var scratch = TensorStorage(byteCount: 0)
    private var block = TensorStorage(byteCount: 0)

    public init() throws(WireError) {
        guard let compressor = ZSTD_createCCtx() else { throw WireError(.limitExceeded, "zstd found no memory for its contexts") }
        guard let decompressor = ZSTD_createDCtx() else {
            ZSTD_freeCCtx(compressor)
            throw WireError(.limitExceeded, "zstd found no memory for its contexts")
        }
        ZSTD_DCtx_setParameter(decompressor, ZSTD_d_windowLogMax, Int32(WireLimits.zstdWindowLog))
        self.compressor = compressor
        self.decompressor = decompressor
    }

    deinit {
        ZSTD_freeCCtx(compressor)
        ZSTD_freeDCtx(decompressor)
    }

    // MARK: Encoding

    /// One tensor's segment.
    /// - Parameter level: zstd's, within ``WireLimits/zstdLevels``; others are taken to the nearest of them.
    /// - Returns: `nil` when the result would not be smaller than the tensor: send that as it is.
    public func encode(_ tensor: Tensor, as encoding: TensorEncoding, level: Int) throws(WireError) -> EncodedSegment? {
        guard encoding != .raw else { return EncodedSegment(raw: tensor) }
        let rawByteCount = tensor.byteCount
        guard rawByteCount >= Self.minimumByteCount else { return nil }
        ZSTD_CCtx_reset(compressor, ZSTD_reset_session_and_parameters)
        let clamped = min(max(level, WireLimits.zstdLevels.lowerBound), WireLimits.zstdLevels.upperBound)
        ZSTD_CCtx_setParameter(compressor, ZSTD_c_compressionLevel, Int32(clamped))
        reserve(&scratch, rawByteCount)
        defer { release(&scratch) }
        let width = tensor.dtype.byteWidth
        let written = try tensor.withUnsafeBytes { source throws(WireError) -> Int? in
            if encoding == .shuffledZstd, width > 1 {
                return try compressShuffled(source, width: width)
            }
            // One byte less than the tensor: zstd itself stops when nothing is gained.
            let result = ZSTD_compress2(compressor, scratch.pointer, rawByteCount - 1, source.baseAddress, rawByteCount)
            return ZSTD_isError(result) == 0 ? result : nil
        }
        guard let written else { return nil }
        let storage = TensorStorage(copying: UnsafeRawBufferPointer(start: scratch.pointer, count: written))
        return EncodedSegment(
            header: TensorHeader(dtype: tensor.dtype, shape: tensor.shape, encoding: encoding, wireByteCount: written),
            storage: storage)
    }

    /// All tensors of a message: each compressed where that makes it smaller, else as it is.
    public func encode(
        _ tensors: [Tensor], as encoding: TensorEncoding, level: Int
    ) throws(WireError) -> (payload: OutgoingPayload, headers: [TensorHeader]) {
        var segments: [EncodedSegment] = []
        segments.reserveCapacity(tensors.count)
        for tensor in tensors {
            segments.append(try encode(tensor, as: encoding, level: level) ?? EncodedSegment(raw: tensor))
        }
        return try OutgoingPayload.encoded(segments)
    }

    /// Shuffles block by block into a buffer that stays in cache and compresses each from there, as one zstd frame.
    private func compressShuffled(_ source: UnsafeRawBufferPointer, width: Int) throws(WireError) -> Int? {
        guard let start = source.baseAddress else { return nil }
        ZSTD_CCtx_setPledgedSrcSize(compressor, UInt64(source.count))
        let blockByteCount = min(ByteShuffle.blockElementCount * width, source.count)
        reserve(&block, blockByteCount)
        var output = ZSTD_outBuffer(dst: scratch.pointer, size: source.count - 1, pos: 0)
        var position = 0
        while position < source.count {
            let byteCount = min(blockByteCount, source.count - position)
            ByteShuffle.shuffle(start + position, to: block.pointer, count: byteCount / width, width: width)
            position += byteCount
            let directive = position == source.count ? ZSTD_e_end : ZSTD_e_continue
            var input = ZSTD_inBuffer(src: block.pointer, size: byteCount, pos: 0)
            while true {
                let remaining = ZSTD_compressStream2(compressor, &output, &input, directive)
                guard ZSTD_isError(remaining) == 0 else {
                    throw WireError(.corruptPayload, "zstd failed to compress: \(String(cString: ZSTD_getErrorName(remaining)))")
                }
                if directive == ZSTD_e_end ? remaining == 0 : input.pos == input.size { break }
                // Room for one byte less than the tensor is all that it gets: beyond it nothing is gained.
                guard output.pos < output.size else { return nil }
            }
        }
        return output.pos
    }

    // MARK: Decoding

    /// The tensor of one segment.
    /// - Throws: ``WireError/Code/corruptPayload`` unless `bytes` decode to exactly the declared tensor.
    public func decode(_ header: TensorHeader, _ bytes: UnsafeRawBufferPointer) throws(WireError) -> Tensor {
        let byteCount = try header.validate()
        guard bytes.count == header.wireByteCount else {
            throw WireError(
                .corruptPayload, "a segment of \(header.wireByteCount) bytes was declared, but \(bytes.count) are there")
        }
        let storage: TensorStorage
        switch header.encoding {
        case .raw:
            storage = TensorStorage(copying: bytes)
        case .zstd, .shuffledZstd:
            try checkFrame(bytes, decodesTo: byteCount)
            storage = TensorStorage(byteCount: byteCount)
            let width = header.dtype.byteWidth
            if header.encoding == .shuffledZstd, width > 1 {
                try decompressShuffled(bytes, into: storage.mutableBytes, width: width)
            } else {
                let result = ZSTD_decompressDCtx(decompressor, storage.pointer, byteCount, bytes.baseAddress, bytes.count)
                try check(result)
                guard result == byteCount else { throw wrongSize(result, byteCount) }
            }
        }
        do {
            let tensor = try Tensor(dtype: header.dtype, shape: header.shape, storage: storage)
            try tensor.checkValues()
            return tensor
        } catch let error as WireError {
            throw error
        } catch {
            throw WireError(.corruptPayload, "\(error)")
        }
    }

    /// All tensors of a payload: raw segments as views of `storage`, the others decoded.
    public func decode(_ layout: PayloadLayout, in storage: TensorStorage) throws(WireError) -> [Tensor] {
        guard layout.byteCount <= storage.byteCount else {
            throw WireError(
                .corruptPayload, "the tensors take \(layout.byteCount) bytes of payload, but \(storage.byteCount) are there")
        }
        var tensors: [Tensor] = []
        tensors.reserveCapacity(layout.headers.count)
        for (index, header) in layout.headers.enumerated() {
            if header.encoding == .raw {
                tensors.append(try layout.rawTensor(index, in: storage))
            } else {
                tensors.append(try decode(header, UnsafeRawBufferPointer(rebasing: storage.bytes[layout.range(of: index)])))
            }
        }
        return tensors
    }

    /// Exactly one zstd frame, which says itself that it decodes to `byteCount` bytes: anything else is refused before work is done.
    private func checkFrame(_ bytes: UnsafeRawBufferPointer, decodesTo byteCount: Int) throws(WireError) {
        let declared = ZSTD_getFrameContentSize(bytes.baseAddress, bytes.count)
        guard declared == UInt64(byteCount) else {
            throw WireError(
                .corruptPayload, "a segment is no zstd frame of the tensor's \(byteCount) bytes (its header gives \(declared))")
        }
        let length = ZSTD_findFrameCompressedSize(bytes.baseAddress, bytes.count)
        try check(length)
        guard length == bytes.count else {
            throw WireError(.corruptPayload, "a segment's zstd frame ends after \(length) of its \(bytes.count) bytes")
        }
    }

    private func decompressShuffled(
        _ bytes: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer, width: Int
    ) throws(WireError) {
        guard let start = target.baseAddress else { return }
        ZSTD_DCtx_reset(decompressor, ZSTD_reset_session_only)
        let blockByteCount = min(ByteShuffle.blockElementCount * width, target.count)
        reserve(&block, blockByteCount)
        var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
        var position = 0
        var remaining = 1
        while position < target.count {
            let byteCount = min(blockByteCount, target.count - position)
            var output = ZSTD_outBuffer(dst: block.pointer, size: byteCount, pos: 0)
            while output.pos < output.size {
                let before = (input.pos, output.pos)
                remaining = ZSTD_decompressStream(decompressor, &output, &input)
                try check(remaining)
                guard (input.pos, output.pos) != before else { throw wrongSize(position + output.pos, target.count) }
            }
            ByteShuffle.unshuffle(block.pointer, to: start + position, count: byteCount / width, width: width)
            position += byteCount
        }
        // The frame's end may still be to come (an empty last block), but no further byte of content.
        var nothing = ZSTD_outBuffer(dst: block.pointer, size: 0, pos: 0)
        while remaining != 0 {
            let before = input.pos
            remaining = ZSTD_decompressStream(decompressor, &nothing, &input)
            try check(remaining)
            guard remaining == 0 || input.pos != before else { throw wrongSize(target.count, target.count) }
        }
    }

    private func check(_ result: Int) throws(WireError) {
        guard ZSTD_isError(result) == 0 else {
            throw WireError(
                .corruptPayload, "a compressed segment cannot be decoded: \(String(cString: ZSTD_getErrorName(result)))")
        }
    }

    private func wrongSize(_ actual: Int, _ expected: Int) -> WireError {
        WireError(
            .corruptPayload, "a compressed segment does not decode to exactly \(expected) bytes (\(actual) before it stopped)")
    }

    // MARK: Scratch memory

    private func reserve(_ storage: inout TensorStorage, _ byteCount: Int) {
        if storage.byteCount < byteCount { storage = TensorStorage(byteCount: byteCount) }
    }

    private func release(_ storage: inout TensorStorage) {
        if storage.byteCount > Self.keptScratchByteCount { storage = TensorStorage(byteCount: 0) }
    }
}
