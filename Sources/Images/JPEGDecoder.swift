internal import CImages
internal import Tensors

/// JPEG by libjpeg-turbo's TurboJPEG interface, with the accurate DCT and smooth upsampling that Pillow uses too.
enum JPEGDecoder {
    /// Every 8 × 8 block of the finest component takes a bit or more, a Huffman code's least: what declares more pixels than that has no such
    /// picture in it. libjpeg-turbo would paint it grey to the end, and hold the coefficients of a progressive one beside the pixels.
    private static let maximumPixelsPerByte = 8 * 64

    static func decode(_ bytes: UnsafeRawBufferPointer, name: String) throws(ImageError) -> RGBImage {
        let handle = try Handle(name: name)
        let source = bytes.bindMemory(to: UInt8.self)
        var (width, height, subsampling, colorSpace): (Int32, Int32, Int32, Int32) = (0, 0, 0, 0)
        let header = tjDecompressHeader3(
            handle.pointer, source.baseAddress, UInt(source.count), &width, &height, &subsampling, &colorSpace)
        if header != 0 && !handle.isHarmless { throw handle.failure(name) }
        let isCMYK = colorSpace == TJCS_CMYK.rawValue || colorSpace == TJCS_YCCK.rawValue
        let (columns, rows) = (Int(width), Int(height))
        let pixels = try ImageDecoder.storage(width: columns, height: rows, channels: isCMYK ? 4 : 3, name: name)
        guard columns * rows / maximumPixelsPerByte <= source.count else {
            throw ImageError(
                .malformed, file: name, problem: "its \(source.count) bytes cannot hold the declared \(columns) × \(rows) pixels",
                fix: "copy the file again, or save it again")
        }
        let format = isCMYK ? TJPF_CMYK : TJPF_RGB
        // A progressive file with thousands of tiny scans would take minutes: libjpeg-turbo stops it.
        let flags = TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS
        let result = tjDecompress2(
            handle.pointer, source.baseAddress, UInt(source.count), pixels.pointer.assumingMemoryBound(to: UInt8.self), width, 0,
            height,
            Int32(format.rawValue), flags)
        if result != 0 && !handle.isHarmless { throw handle.failure(name) }
        return RGBImage(width: columns, height: rows, storage: isCMYK ? rgb(fromInvertedCMYK: pixels) : pixels)
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

    /// Owns one decompressor.
    private final class Handle {
        let pointer: tjhandle

        init(name: String) throws(ImageError) {
            guard let pointer = tjInitDecompress() else {
                throw ImageError(.malformed, file: name, problem: "libjpeg-turbo could not start", fix: "check the free memory")
            }
            self.pointer = pointer
        }

        deinit { tjDestroy(pointer) }

        /// Whether the failure is only a warning about something beside the picture. Not every warning is: a file that is cut short is
        /// one too, and an error that follows a warning still counts as a warning.
        var isHarmless: Bool {
            let harmless = ["extraneous bytes before marker", "unknown JFIF revision", "Unknown Adobe color transform"]
            return tjGetErrorCode(pointer) == Int32(TJERR_WARNING.rawValue) && harmless.contains { message.contains($0) }
        }

        var message: String { tjGetErrorStr2(pointer).map { String(cString: $0) } ?? "unknown error" }

        func failure(_ name: String) -> ImageError {
            ImageError(
                .malformed, file: name, problem: "the JPEG cannot be decoded (\(message))",
                fix: "copy the file again, or save it again")
        }
    }
}
