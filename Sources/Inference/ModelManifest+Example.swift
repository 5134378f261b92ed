public import Tensors

extension ModelManifest {
    /// The inputs with which the model was exported, as a `.npz` inside the archive.
    public static let exampleFileName = "amp4ec-example.npz"
    /// The exporter keeps inputs of up to 4 MiB, and a `.npz` has a header for each of them.
    public static let maximumExampleByteCount = 5 << 20
}
