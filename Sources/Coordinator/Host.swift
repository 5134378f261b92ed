internal import Inference
internal import Tensors

enum ArchiveDigest {
    static func of(_ storage: TensorStorage) -> String { SHA256.hexDigest(of: storage.bytes) }
}
