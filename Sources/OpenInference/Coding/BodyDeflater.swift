internal import CZlib

/// Compresses an answer's body.
public enum BodyDeflater {
    /// zlib counts in 32 bits.
    private static let maximumStep = 1 << 30
    /// What the result grows by; zlib writes past nothing.
    private static let pieceByteCount = 64 << 10
    /// zlib's default: 9 takes no more time here, but more memory.
    private static let memoryLevel: Int32 = 8

    /// An answer, head and binary parts.
    public static func encode(head: [UInt8], _ parts: [InferenceReply.Part], _ coding: ContentCoding, level: Int = 1) -> [UInt8] {
        encode(coding, level: level) { write in
            head.withUnsafeBytes(write)
            for part in parts { part.withUnsafeBytes(write) }
        }
    }

    public static func encode(_ parts: [UnsafeRawBufferPointer], _ coding: ContentCoding, level: Int = 1) -> [UInt8] {
        encode(coding, level: level) { write in parts.forEach(write) }
    }

    /// What `body` writes, one after the other, as one stream.
    /// - Parameter level: zlib's, from 1 (the fastest) to 9.
    public static func encode(
        _ coding: ContentCoding, level: Int = 1, _ body: (_ write: (UnsafeRawBufferPointer) -> Void) -> Void
    ) -> [UInt8] {
        var stream = z_stream()
        return withUnsafeMutablePointer(to: &stream) { stream in
            let window = coding == .gzip ? MAX_WBITS + 16 : MAX_WBITS
            let result = deflateInit2_(
                stream, Int32(clamping: min(max(level, 1), 9)), Z_DEFLATED, window, memoryLevel, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
                Int32(MemoryLayout<z_stream>.size))
            // Its arguments are ours, so only memory can lack.
            precondition(result == Z_OK, "zlib has no memory")
            defer { deflateEnd(stream) }
            var output: [UInt8] = []
            body { bytes in
                var rest = bytes[...]
                while !rest.isEmpty {
                    let step = rest.prefix(maximumStep)
                    run(stream, UnsafeRawBufferPointer(rebasing: step), Z_NO_FLUSH, into: &output)
                    rest = rest.dropFirst(step.count)
                }
            }
            run(stream, UnsafeRawBufferPointer(start: nil, count: 0), Z_FINISH, into: &output)
            return output
        }
    }

    private static func run(
        _ stream: UnsafeMutablePointer<z_stream>, _ bytes: UnsafeRawBufferPointer, _ flush: Int32, into output: inout [UInt8]
    ) {
        stream.pointee.next_in = UnsafeMutableRawBufferPointer(mutating: bytes).baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_in = UInt32(bytes.count)
        var made = pieceByteCount
        // A piece that is not full is the last of these bytes.
        while made == pieceByteCount {
            let piece = [UInt8](unsafeUninitializedCapacity: pieceByteCount) { buffer, count in
                stream.pointee.next_out = buffer.baseAddress
                stream.pointee.avail_out = UInt32(buffer.count)
                _ = deflate(stream, flush)
                count = buffer.count - Int(stream.pointee.avail_out)
            }
            output += piece
            made = piece.count
        }
    }
}
