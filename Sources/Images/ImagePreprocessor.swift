public import Tensors

/// Turns a picture into a model's input as the model's reference preprocessing does (torchvision's `Resize`, `CenterCrop`, `ToTensor`,
/// `Normalize`): the shorter side is resized with antialiasing, a square is cut from the middle, and the pixels are laid out.
public enum ImagePreprocessor {
    /// Larger inputs than any image model takes.
    public static let maximumSide = 16_384

    /// One item without a batch dimension: `[crop, crop, 3]` for HWC, `[3, crop, crop]` for CHW.
    ///
    /// `uint8` gives the pixels themselves; `float32` and `float16` give `(pixel / 255 − mean) / std`, or `pixel / 255` without mean and std.
    /// - Throws: ``ImageError`` where the preprocessing is out of bounds or does not fit the dtype.
    package static func tensor(
        from image: RGBImage, preprocessing: ImagePreprocessing, dtype: DType
    ) throws(ImageError) -> Tensor {
        let normalization = try check(preprocessing, dtype)
        var crop = Crop(of: image.width, image.height, preprocessing)
        withExtendedLifetime(image.storage) {
            let pixels = image.storage.bytes.assumingMemoryBound(to: UInt8.self)
            let length = image.width * 3
            for row in 0..<image.height { crop.take(UnsafeBufferPointer(rebasing: pixels[row * length..<(row + 1) * length])) }
        }
        return try layOut(crop.pixels(), preprocessing, dtype, normalization)
    }

    /// The same of a file's bytes. The picture's rows are resized as they are decoded: of one of 100 megapixels a few are held.
    /// - Parameter name: the file, for messages.
    /// - Throws: ``ImageError`` also where the file is no picture, or one that is not read.
    public static func tensor(
        fromFile bytes: UnsafeRawBufferPointer, name: String, preprocessing: ImagePreprocessing, dtype: DType
    ) throws(ImageError) -> Tensor {
        let normalization = try check(preprocessing, dtype)
        let crop = try ImageDecoder.read(bytes, name: name) { width, height in Crop(of: width, height, preprocessing) }
        return try layOut(crop.pixels(), preprocessing, dtype, normalization)
    }

    /// The same of a part of an array that holds several files.
    public static func tensor(
        fromFile bytes: [UInt8], _ range: Range<Int>, name: String, preprocessing: ImagePreprocessing, dtype: DType
    ) throws(ImageError) -> Tensor {
        let result = bytes.withUnsafeBytes { bytes -> Result<Tensor, ImageError> in
            let file = UnsafeRawBufferPointer(rebasing: bytes[range])
            do throws(ImageError) {
                return .success(try tensor(fromFile: file, name: name, preprocessing: preprocessing, dtype: dtype))
            } catch { return .failure(error) }
        }
        return try result.get()
    }

    private static func layOut(
        _ pixels: RGBImage, _ preprocessing: ImagePreprocessing, _ dtype: DType, _ normalization: Normalization
    ) throws(ImageError) -> Tensor {
        let side = preprocessing.cropSize
        let isPlanar = preprocessing.layout == .chw
        let shape = isPlanar ? [3, side, side] : [side, side, 3]
        let storage: TensorStorage
        switch dtype {
        case .uint8:
            storage = isPlanar ? spread(pixels, side: side, isPlanar: true) { pixel, _ in pixel } : pixels.storage
        case .float32:
            storage = spread(pixels, side: side, isPlanar: isPlanar) { normalization.apply($0, channel: $1) }
        default:
            storage = spread(pixels, side: side, isPlanar: isPlanar) { Float16(normalization.apply($0, channel: $1)) }
        }
        do { return try Tensor(dtype: dtype, shape: shape, storage: storage) } catch {
            throw refused(error.message, "use a smaller crop_size")
        }
    }

    /// Items of ``tensor(from:preprocessing:dtype:)`` as one batch: `[n, crop, crop, 3]` or `[n, 3, crop, crop]`; one item gives `n` = 1.
    public static func batch(_ items: [Tensor]) throws(TensorError) -> Tensor {
        var parts: [Tensor] = []
        for item in items {
            parts.append(
                try Tensor(dtype: item.dtype, shape: [1] + item.shape, storage: item.storage, byteOffset: item.byteOffset))
        }
        return try Tensor.concatenate(parts, dimension: 0)
    }

    /// Mean and standard deviation in single precision, in the order of operations that torchvision has.
    private struct Normalization {
        var mean: [Float] = [0, 0, 0]
        var std: [Float] = [1, 1, 1]

        func apply(_ pixel: UInt8, channel: Int) -> Float { (Float(pixel) / 255 - mean[channel]) / std[channel] }
    }

    private static func refused(_ problem: String, _ fix: String) -> ImageError {
        ImageError(.badPreprocessing, file: ModelManifest.fileName, problem: "preprocessing: \(problem)", fix: fix)
    }

    private static func check(_ preprocessing: ImagePreprocessing, _ dtype: DType) throws(ImageError) -> Normalization {
        for (field, side) in [("resizeShorterSide", preprocessing.resizeShorterSide), ("cropSize", preprocessing.cropSize)] {
            guard (1...maximumSide).contains(side) else {
                throw refused("\(field) is \(side), outside 1 to \(maximumSide)", "export the model again")
            }
        }
        guard [.uint8, .float32, .float16].contains(dtype) else {
            throw refused("a picture cannot become \(dtype.name)", "declare the input as uint8, float32 or float16")
        }
        guard preprocessing.mean != nil || preprocessing.std != nil else { return Normalization() }
        guard dtype != .uint8 else {
            throw refused("mean and std are given for a uint8 input", "leave them out: a uint8 model normalises inside")
        }
        let mean = (preprocessing.mean ?? [0, 0, 0]).map { Float($0) }
        let std = (preprocessing.std ?? [1, 1, 1]).map { Float($0) }
        guard mean.count == 3, std.count == 3, (mean + std).allSatisfy(\.isFinite), std.allSatisfy({ $0 != 0 }) else {
            throw refused("mean and std must be three finite numbers each, std not 0", "export the model again")
        }
        return Normalization(mean: mean, std: std)
    }

    /// Resize and centre crop. Only the crop's pixels are computed. Where the crop is larger than the resized picture, black is added
    /// around it, as torchvision does.
    private struct Crop: RowSink {
        private let side: Int
        private let left: Int
        private let top: Int
        private var resampler: Resampler

        init(of inputWidth: Int, _ inputHeight: Int, _ preprocessing: ImagePreprocessing) {
            let (width, height) = resizedSize(width: inputWidth, height: inputHeight, shorterSide: preprocessing.resizeShorterSide)
            side = preprocessing.cropSize
            let columns, rows: Range<Int>
            (columns, left) = window(length: width, crop: side)
            (rows, top) = window(length: height, crop: side)
            resampler = Resampler(
                inputWidth: inputWidth, inputHeight: inputHeight, width: width, height: height, columns: columns, rows: rows,
                filter: preprocessing.interpolation == .bilinear ? .bilinear : .bicubic)
        }

        mutating func take(_ row: UnsafeBufferPointer<UInt8>) { resampler.take(row) }

        /// `side × side` of them.
        func pixels() -> RGBImage {
            let resized = resampler.resized()
            guard resized.width < side || resized.height < side else { return resized }
            let padded = TensorStorage(byteCount: side * side * 3)
            padded.mutableBytes.initializeMemory(as: UInt8.self, repeating: 0)
            withExtendedLifetime(resized.storage) {
                for row in 0..<resized.height {
                    (padded.pointer + ((top + row) * side + left) * 3).copyMemory(
                        from: resized.storage.pointer + row * resized.width * 3, byteCount: resized.width * 3)
                }
            }
            return RGBImage(width: side, height: side, storage: padded)
        }
    }

    /// The shorter side exactly, the longer one cut to a whole number (torchvision's `int()`).
    static func resizedSize(width: Int, height: Int, shorterSide: Int) -> (width: Int, height: Int) {
        let (short, long) = (min(width, height), max(width, height))
        let longer = Int(Double(shorterSide * long) / Double(short))
        return width <= height ? (shorterSide, longer) : (longer, shorterSide)
    }

    /// Which part of `length` the crop takes, and how much is added before it. Halves round to even (Python's `round`).
    private static func window(length: Int, crop: Int) -> (range: Range<Int>, paddingBefore: Int) {
        guard crop < length else { return (0..<length, (crop - length) / 2) }
        let first = Int((Double(length - crop) / 2).rounded(.toNearestOrEven))
        return (first..<(first + crop), 0)
    }

    /// Lays the pixels out, each passed through `convert(pixel, channel)`.
    private static func spread<Element>(
        _ image: RGBImage, side: Int, isPlanar: Bool, convert: (UInt8, Int) -> Element
    ) -> TensorStorage {
        let count = side * side
        let target = TensorStorage(byteCount: count * 3 * MemoryLayout<Element>.stride)
        let elements = target.pointer.bindMemory(to: Element.self, capacity: count * 3)
        withExtendedLifetime(image.storage) {
            let pixels = image.storage.pointer.assumingMemoryBound(to: UInt8.self)
            for channel in 0..<3 {
                // 256 values at most: one division for each instead of one for each pixel.
                let table = (0...255).map { convert(UInt8($0), channel) }
                for position in 0..<count {
                    elements[isPlanar ? channel * count + position : position * 3 + channel] =
                        table[Int(pixels[position * 3 + channel])]
                }
            }
        }
        return target
    }
}
