internal import Inference
internal import Tensors

extension FuzzBody {
    /// A model file as it is looked at before libtorch sees it, or the manifest that lies in one.
    enum Archives {
        static func run(_ bytes: UnsafeRawBufferPointer) -> Outcome {
            do throws(InferenceError) {
                guard bytes.first == UInt8(ascii: "{") else {
                    try ArchiveInspector.check(TensorStorage(copying: bytes))
                    return .accepted
                }
                let manifest = try ModelManifest(json: bytes)
                let written = TensorStorage(copying: try manifest.json())
                let again = try withExtendedLifetime(written) { () throws(InferenceError) in try ModelManifest(json: written.bytes)
                }
                expect(again == manifest, "a manifest was written as something else: \(manifest)")
                return .accepted
            } catch {
                expect(error.code != .internalError, "\(error)")
                return .refused
            }
        }
    }
}
