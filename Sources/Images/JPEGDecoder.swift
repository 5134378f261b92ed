internal import CImages

/// JPEG by libjpeg-turbo, with the accurate DCT and smooth upsampling that Pillow uses too, and refused where Pillow refuses it: at the library's
/// errors and at an end that comes too early, not at its warnings. Every sampling of the colours is read.
enum JPEGDecoder {
    /// Every 8 × 8 block of the finest component takes a bit or more, a Huffman code's least: what declares more pixels than that has no such
    /// picture in it. libjpeg-turbo would paint it grey to the end, and hold the coefficients of a progressive one beside the pixels.
    private static let maximumPixelsPerByte = 8 * 64

    static func read<Sink: RowSink>(
        _ bytes: UnsafeRawBufferPointer, name: String, into makeSink: (_ width: Int, _ height: Int) throws(ImageError) -> Sink
    ) throws(ImageError) -> Sink {
        guard let jpeg = amp_jpeg_open(bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count) else { throw noMemory(name) }
        defer { amp_jpeg_close(jpeg) }
        var (columns, rows, channels): (UInt32, UInt32, UInt32) = (0, 0, 0)
        var held: UInt64 = 0
        try check(amp_jpeg_read_header(jpeg, &columns, &rows, &channels, &held), jpeg, name)
        let (width, height) = (Int(columns), Int(rows))
        try ImageDecoder.check(width: width, height: height, name: name)
        guard width * height / maximumPixelsPerByte <= bytes.count else {
            throw ImageDecoder.cannotHold(width: width, height: height, byteCount: bytes.count, name: name)
        }
        // 65,535 × 65,535 pixels of four components at most: it fits.
        try ImageDecoder.check(held: Int(held), as: "a progressive JPEG", other: "a JPEG that is not progressive", name: name)
        var sink = try makeSink(width, height)
        try check(amp_jpeg_start(jpeg), jpeg, name)
        var row = [UInt8](repeating: 0, count: width * Int(channels))
        for _ in 0..<height {
            try check(row.withUnsafeMutableBufferPointer { amp_jpeg_read_row(jpeg, $0.baseAddress) }, jpeg, name)
            if channels == 4 { makeRGB(ofInvertedCMYK: &row, width: width) }
            row.withUnsafeBufferPointer { sink.take(UnsafeBufferPointer(rebasing: $0.prefix(width * 3))) }
        }
        try check(amp_jpeg_finish(jpeg), jpeg, name)
        return sink
    }

    private static func check(_ status: amp_jpeg_status, _ jpeg: OpaquePointer, _ name: String) throws(ImageError) {
        guard status != AMP_JPEG_DONE else { return }
        let words = amp_jpeg_message(jpeg).map { String(cString: $0) } ?? ""
        switch status {
        case AMP_JPEG_CUT_SHORT:
            throw ImageError(.malformed, file: name, problem: "the JPEG is cut short", fix: "copy the file again, or save it again")
        case AMP_JPEG_UNSUPPORTED:
            throw ImageError(
                .malformed, file: name, problem: "JPEGs of this kind are not read (\(words))",
                fix: "save it as an ordinary JPEG, 8 bits a channel")
        case AMP_JPEG_NO_MEMORY: throw noMemory(name)
        default:
            throw ImageError(
                .malformed, file: name, problem: "the JPEG cannot be decoded (\(words))",
                fix: "copy the file again, or save it again")
        }
    }

    private static func noMemory(_ name: String) -> ImageError {
        ImageError(.tooLarge, file: name, problem: "there is no memory to decode the JPEG", fix: "check the free memory")
    }

    /// Adobe stores 255 − ink. A channel is what the black ink leaves of what the coloured ink leaves, rounded as Pillow does. In place: no
    /// byte is written before it was read.
    private static func makeRGB(ofInvertedCMYK row: inout [UInt8], width: Int) {
        for pixel in 0..<width {
            let light = Int(row[pixel * 4 + 3])
            for channel in 0..<3 {
                let product = (255 - Int(row[pixel * 4 + channel])) * light + 128
                let ink = (product >> 8 + product) >> 8
                row[pixel * 3 + channel] = UInt8(clamping: light - ink)
            }
        }
    }
}
