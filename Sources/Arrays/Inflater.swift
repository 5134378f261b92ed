internal import CZlib
internal import Tensors

/// Raw deflate into memory of the declared size: never a byte more is written, whatever the stream says.
enum Inflater {
    /// Deflate cannot make more than this of one byte (zlib's own figure), so a larger declaration is false.
    static let maximumRatio = 1_032
    /// zlib counts in 32 bits.
    private static let maximumStep = 1 << 30

    /// - Returns: whether the stream ended exactly at the end of both buffers.
    static func inflate(_ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer) -> Bool {
        var stream = z_stream()
        // Negative: a raw stream without zlib's own header, as zip has it.
        guard inflateInit2_(&stream, -MAX_WBITS, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else { return false }
        defer { inflateEnd(&stream) }
        var (read, written) = (0, 0)
        // zlib wants an address even where there is no room.
        var nowhere: UInt8 = 0
        return withUnsafeMutableBytes(of: &nowhere) { spare in
            while true {
                let input = UnsafeMutableRawBufferPointer(mutating: UnsafeRawBufferPointer(rebasing: source[read...]))
                let output = UnsafeMutableRawBufferPointer(rebasing: target[written...])
                let (offered, room) = (min(input.count, maximumStep), min(output.count, maximumStep))
                stream.next_in = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
                stream.avail_in = UInt32(offered)
                stream.next_out = (output.baseAddress ?? spare.baseAddress)?.assumingMemoryBound(to: UInt8.self)
                stream.avail_out = UInt32(room)
                let result = CZlib.inflate(&stream, Z_NO_FLUSH)
                let (used, made) = (offered - Int(stream.avail_in), room - Int(stream.avail_out))
                read += used
                written += made
                if result == Z_STREAM_END { return read == source.count && written == target.count }
                guard result == Z_OK, used + made > 0 else { return false }
            }
        }
    }

    static func crc32(_ bytes: UnsafeRawBufferPointer, from start: UInt32 = 0) -> UInt32 {
        UInt32(truncatingIfNeeded: crc32_z(UInt(start), bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count))
    }
}
