public import Tensors

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
