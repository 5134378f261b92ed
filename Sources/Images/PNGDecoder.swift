internal import CImages

/// PNG by libspng: all colour types, bit depths and interlacing, checksums verified.
enum PNGDecoder {
    /// Text and profiles are of no use here; a larger one is an attack.
    private static let maximumChunkByteCount = 16 << 20
    /// Deflate's best: 258 bytes for two bits. What declares more than that has no such picture in it.
    private static let maximumInflation = 1_032

    static func read<Sink: RowSink>(
        _ bytes: UnsafeRawBufferPointer, name: String, into makeSink: (_ width: Int, _ height: Int) throws(ImageError) -> Sink
    ) throws(ImageError) -> Sink {
        // Xcode's own kind of PNG has this chunk before the header: another order of colours, and compressed data without zlib's frame.
        guard !bytes.dropFirst(12).starts(with: "CgBI".utf8) else {
            throw ImageError(
                .malformed, file: name, problem: "it is a PNG of an iPhone app (CgBI), which only Apple's programs read",
                fix: "convert it to an ordinary PNG")
        }
        let context = try Context(name: name)
        try context.check(spng_set_chunk_limits(context.pointer, maximumChunkByteCount, maximumChunkByteCount))
        try context.check(spng_set_png_buffer(context.pointer, bytes.baseAddress, bytes.count))
        var header = spng_ihdr()
        try context.check(spng_get_ihdr(context.pointer, &header))
        let (width, height) = (Int(header.width), Int(header.height))
        try ImageDecoder.check(width: width, height: height, name: name)
        let byteCount = width * height * 3
        // libspng takes memory by the header alone, up to two rows of eight bytes a pixel.
        guard width * height / 8 * bitsPerPixel(header) / maximumInflation <= bytes.count else {
            throw ImageDecoder.cannotHold(width: width, height: height, byteCount: bytes.count, name: name)
        }
        let format = Int32(SPNG_FMT_RGB8.rawValue)
        var needed = 0
        try context.check(spng_decoded_image_size(context.pointer, format, &needed))
        guard needed == byteCount else {
            throw ImageError(
                .malformed, file: name,
                problem: "its \(width) × \(height) pixels would take \(needed) bytes instead of \(byteCount)",
                fix: "save the picture again")
        }
        let isInterlaced = header.interlace_method != 0
        if isInterlaced {
            try ImageDecoder.check(held: byteCount, as: "an interlaced PNG", other: "a PNG without interlacing", name: name)
        }
        var sink = try makeSink(width, height)
        var pixels = [UInt8](repeating: 0, count: isInterlaced ? byteCount : width * 3)
        if isInterlaced {
            // Its rows are whole only at the end.
            try context.check(
                pixels.withUnsafeMutableBytes { spng_decode_image(context.pointer, $0.baseAddress, $0.count, format, 0) })
            pixels.withUnsafeBufferPointer { pixels in
                for row in 0..<height { sink.take(UnsafeBufferPointer(rebasing: pixels[row * width * 3..<(row + 1) * width * 3])) }
            }
            return sink
        }
        try context.check(spng_decode_image(context.pointer, nil, 0, format, Int32(SPNG_DECODE_PROGRESSIVE.rawValue)))
        for row in 1...height {
            let result = pixels.withUnsafeMutableBytes { spng_decode_row(context.pointer, $0.baseAddress, $0.count) }
            // The last row says that it is the last.
            if row < height || result != Int32(SPNG_EOI.rawValue) { try context.check(result) }
            pixels.withUnsafeBufferPointer { sink.take($0) }
        }
        return sink
    }

    /// A header that libspng has read has a kind of colour and a depth that are allowed.
    private static func bitsPerPixel(_ header: spng_ihdr) -> Int {
        let channels =
            switch Int(header.color_type) {
            case 2: 3
            case 4: 2
            case 6: 4
            default: 1
            }
        return channels * Int(header.bit_depth)
    }

    /// Owns one decoder.
    private final class Context {
        let pointer: OpaquePointer
        private let name: String

        init(name: String) throws(ImageError) {
            guard let pointer = spng_ctx_new(0) else {
                throw ImageError(.malformed, file: name, problem: "libspng could not start", fix: "check the free memory")
            }
            self.pointer = pointer
            self.name = name
        }

        deinit { spng_ctx_free(pointer) }

        func check(_ result: Int32) throws(ImageError) {
            guard result != 0 else { return }
            guard result != Int32(SPNG_ECHUNK_LIMITS.rawValue) else {
                throw ImageError(
                    .tooLarge, file: name,
                    problem: "a text or a profile in the PNG is over the limit of \(PNGDecoder.maximumChunkByteCount >> 20) MiB",
                    fix: "save it without texts and profiles")
            }
            let message = spng_strerror(result).map { String(cString: $0) } ?? "error \(result)"
            throw ImageError(
                .malformed, file: name, problem: "the PNG cannot be decoded (\(message))",
                fix: "copy the file again, or save it again")
        }
    }
}
