internal import CImages
internal import Tensors

/// JPEG by libjpeg-turbo, with the accurate DCT and smooth upsampling that Pillow uses too, and refused where Pillow refuses it: at the library's
/// errors and at an end that comes too early, not at its warnings. Every sampling of the colours is read.
enum JPEGDecoder {
    /// Every 8 × 8 block of the finest component takes a bit or more, a Huffman code's least: what declares more pixels than that has no such
    /// picture in it. libjpeg-turbo would paint it grey to the end, and hold the coefficients of a progressive one beside the pixels.
    private static let maximumPixelsPerByte = 8 * 64

    static func decode(_ bytes: UnsafeRawBufferPointer, name: String) throws(ImageError) -> RGBImage {
        guard let jpeg = amp_jpeg_open(bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count) else { throw noMemory(name) }
        defer { amp_jpeg_close(jpeg) }
        var (width, height, channels): (UInt32, UInt32, UInt32) = (0, 0, 0)
        try check(amp_jpeg_read_header(jpeg, &width, &height, &channels), jpeg, name)
        let (columns, rows) = (Int(width), Int(height))
        let pixels = try ImageDecoder.storage(width: columns, height: rows, channels: Int(channels), name: name)
        guard columns * rows / maximumPixelsPerByte <= bytes.count else {
            throw ImageDecoder.cannotHold(width: columns, height: rows, byteCount: bytes.count, name: name)
        }
        try check(amp_jpeg_read_pixels(jpeg, pixels.pointer.assumingMemoryBound(to: UInt8.self)), jpeg, name)
        return RGBImage(width: columns, height: rows, storage: channels == 4 ? rgb(fromInvertedCMYK: pixels) : pixels)
    }

    private static func check(_ status: amp_jpeg_status, _ jpeg: OpaquePointer, _ name: String) throws(ImageError) {
        let words = amp_jpeg_message(jpeg).map { String(cString: $0) } ?? ""
        switch status {
        case AMP_JPEG_DONE: return
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

    /// Adobe stores 255 − ink. A channel is what the black ink leaves of what the coloured ink leaves, rounded as Pillow does.
    private static func rgb(fromInvertedCMYK source: TensorStorage) -> TensorStorage {
        let pixels = source.byteCount / 4
        let target = TensorStorage(byteCount: pixels * 3)
        let from = source.pointer.assumingMemoryBound(to: UInt8.self)
        let to = target.pointer.assumingMemoryBound(to: UInt8.self)
        for pixel in 0..<pixels {
            let light = Int(from[pixel * 4 + 3])
            for channel in 0..<3 {
                let product = (255 - Int(from[pixel * 4 + channel])) * light + 128
                let ink = (product >> 8 + product) >> 8
                to[pixel * 3 + channel] = UInt8(clamping: light - ink)
            }
        }
        return target
    }
}
