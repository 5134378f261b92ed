public import Tensors

/// Where a decoder's rows go.
protocol RowSink {
    /// The next row from the top: red, green and blue of each pixel.
    mutating func take(_ row: UnsafeBufferPointer<UInt8>)
}

/// Keeps them all.
struct WholePicture: RowSink {
    let image: RGBImage
    private var next = 0

    init(width: Int, height: Int) {
        image = RGBImage(width: width, height: height, storage: TensorStorage(byteCount: width * height * 3))
    }

    mutating func take(_ row: UnsafeBufferPointer<UInt8>) {
        let place = next..<next + row.count
        UnsafeMutableRawBufferPointer(rebasing: image.storage.mutableBytes[place]).copyMemory(from: UnsafeRawBufferPointer(row))
        next += row.count
    }
}

/// A decoded picture: 8-bit red, green and blue of each pixel, row after row from the top left, without padding.
public struct RGBImage: Sendable {
    public let width: Int
    public let height: Int
    /// `height × width × 3` bytes.
    public let storage: TensorStorage

    /// - Precondition: the storage has exactly the size that the extents need.
    public init(width: Int, height: Int, storage: TensorStorage) {
        precondition(width > 0 && height > 0 && storage.byteCount == width * height * 3, "an image has three bytes for each pixel")
        self.width = width
        self.height = height
        self.storage = storage
    }
}
