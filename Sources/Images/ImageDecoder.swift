internal import Base
internal import Tensors

/// Decodes JPEG (libjpeg-turbo) and PNG (libspng) into 8-bit RGB, as Pillow's `Image.open(…).convert("RGB")` does.
///
/// Grey becomes three equal channels, palettes are looked up, alpha is dropped, 16 bits keep their high byte, and CMYK is taken for Adobe's
/// inverted kind. (Pillow clips 16-bit *grey* at 255 instead, which whitens nearly every such picture.) Colour profiles and gamma are not applied. **The EXIF orientation is not obeyed**: the reference preprocessing of
/// torchvision and timm does not either, and a turned picture would give another result than the reference.
public enum ImageDecoder {
    /// 100 megapixels: above nearly every camera's picture, and far below what a forged header can declare.
    public static let maximumPixelCount = 100_000_000
    /// What is stored in passes over the whole picture is held until the last one: an interlaced PNG's pixels, a progressive JPEG's
    /// coefficients. Everything else takes a few rows.
    public static let maximumHeldByteCount = 256 << 20
    /// A decoder holds whole rows; no picture that is one is as wide or as high.
    public static let maximumSide = 1 << 20

    /// Decodes a file's bytes into a picture of `width × height × 3` bytes. ``ImagePreprocessor/tensor(fromFile:name:preprocessing:dtype:)``
    /// takes less memory.
    /// - Parameter name: the file, for messages.
    package static func decode(_ bytes: UnsafeRawBufferPointer, name: String) throws(ImageError) -> RGBImage {
        try read(bytes, name: name) { width, height in WholePicture(width: width, height: height) }.image
    }

    /// Hands a file's rows to a sink, one after another.
    /// - Parameter makeSink: called once the file's head is read and in bounds.
    static func read<Sink: RowSink>(
        _ bytes: UnsafeRawBufferPointer, name: String, into makeSink: (_ width: Int, _ height: Int) throws(ImageError) -> Sink
    ) throws(ImageError) -> Sink {
        switch ImageKind(of: bytes) {
        case .jpeg: return try JPEGDecoder.read(bytes, name: name, into: makeSink)
        case .png: return try PNGDecoder.read(bytes, name: name, into: makeSink)
        case .other(let looks, let fix):
            throw ImageError(.notAnImage, file: name, problem: "it is neither a JPEG nor a PNG image: \(looks)", fix: fix)
        }
    }

    package static func decode(_ bytes: [UInt8], name: String) throws(ImageError) -> RGBImage {
        do {
            return try bytes.withUnsafeBytes { try decode($0, name: name) }
        } catch let error as ImageError {
            throw error
        } catch {
            throw ImageError(.malformed, file: name, problem: "\(error)", fix: "save the picture again")
        }
    }

    /// The file is too short for what its header declares.
    static func cannotHold(width: Int, height: Int, byteCount: Int, name: String) -> ImageError {
        ImageError(
            .malformed, file: name, problem: "its \(byteCount) bytes cannot hold the declared \(width) × \(height) pixels",
            fix: "copy the file again, or save it again")
    }

    /// - Parameters:
    ///   - kind: what makes it hold so much.
    ///   - other: a kind that would not.
    static func check(held byteCount: Int, as kind: String, other: String, name: String) throws(ImageError) {
        guard byteCount <= maximumHeldByteCount else {
            throw ImageError(
                .tooLarge, file: name,
                problem: "as \(kind) it takes \(byteCount >> 20) MiB to decode; the limit is \(maximumHeldByteCount >> 20) MiB",
                fix: "save it as \(other), or make it smaller")
        }
    }

    static func check(width: Int, height: Int, name: String) throws(ImageError) {
        let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
        guard width > 0, height > 0 else {
            throw ImageError(
                .malformed, file: name, problem: "it declares \(width) × \(height) pixels", fix: "save the picture again")
        }
        guard !overflow, pixels <= maximumPixelCount else {
            throw ImageError(
                .tooLarge, file: name, problem: "its \(width) × \(height) pixels are over the limit of \(maximumPixelCount)",
                fix: "make it smaller")
        }
        guard max(width, height) <= maximumSide else {
            throw ImageError(
                .tooLarge, file: name,
                problem: "one of its sides of \(width) × \(height) pixels is over the limit of \(maximumSide)",
                fix: "cut it into parts")
        }
    }
}

/// What a file's first bytes say that it is.
enum ImageKind {
    case jpeg
    case png
    /// In words for a message, and what to do.
    case other(String, fix: String)

    private static let conversion = "convert it to JPEG or PNG"
    private static let signatures: [(offset: Int, bytes: [UInt8], name: String)] = [
        (0, Array("GIF8".utf8), "it looks like a GIF"), (8, Array("WEBP".utf8), "it looks like a WebP picture"),
        (0, Array("BM".utf8), "it looks like a BMP picture"), (0, [0x49, 0x49, 0x2a, 0], "it looks like a TIFF picture"),
        (0, [0x4d, 0x4d, 0, 0x2a], "it looks like a TIFF picture"),
        (4, Array("ftyp".utf8), "it looks like a HEIC, AVIF or video file"),
        (0, Array("%PDF".utf8), "it looks like a PDF document"),
        (0, [0x93] + Array("NUMPY".utf8), "it looks like a numpy array (use --input)"),
        (0, [0x50, 0x4b, 3, 4], "it looks like a zip archive, such as .npz (use --input) or a model"),
        (0, [0x1f, 0x8b], "it looks like a gzip file"), (0, Array("<".utf8), "it looks like a web page or an SVG drawing"),
    ]

    init(of bytes: UnsafeRawBufferPointer) {
        func has(_ signature: [UInt8], at offset: Int = 0) -> Bool { bytes.dropFirst(offset).starts(with: signature) }
        if has([0xff, 0xd8, 0xff]) {
            self = .jpeg
        } else if has([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) {
            self = .png
        } else if bytes.isEmpty {
            self = .other("it is empty", fix: "copy the file again")
        } else if has([0x89, 0x50, 0x4e, 0x47]) {
            self = .other("a copy in text mode changed the line ends of a PNG", fix: "copy the file again, in binary mode")
        } else if has(GitLFSPointer.firstBytes) {
            self = .other("it is \(GitLFSPointer.description)", fix: GitLFSPointer.fix)
        } else if let match = ImageKind.signatures.first(where: { has($0.bytes, at: $0.offset) }) {
            self = .other(match.name, fix: ImageKind.conversion)
        } else if bytes.prefix(256).allSatisfy({ (0x20..<0x7f).contains($0) || [0x09, 0x0a, 0x0d].contains($0) }) {
            self = .other("it looks like text", fix: ImageKind.conversion)
        } else {
            self = .other(
                "it begins with \(bytes.prefix(4).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " "))",
                fix: ImageKind.conversion)
        }
    }
}
