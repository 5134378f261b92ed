/// What TorchScript does not say about a model: its inputs and outputs, and how pictures become inputs.
///
/// The exporter writes it as `amp4ec.json` into the archive's extra files.
public struct ModelManifest: Sendable, Hashable, Codable {
    /// The name of the extra file inside the archive.
    public static let fileName = "amp4ec.json"
    /// A manifest with 100,000 labels is under 4 MiB.
    public static let maximumByteCount = 8 << 20

    public var name: String
    public var inputs: [TensorSpec]
    public var outputs: [TensorSpec]
    /// For image models: how a picture becomes the (single) input.
    public var preprocessing: ImagePreprocessing?
    /// For classifiers: the name of each class, in the order of the output's last dimension.
    public var labels: [String]?
    /// Whether requests may be cut along N: the owner's word where there is one, else the check's.
    public var batch: BatchDeclaration?

    public init(
        name: String, inputs: [TensorSpec], outputs: [TensorSpec], preprocessing: ImagePreprocessing? = nil,
        labels: [String]? = nil,
        batch: BatchDeclaration? = nil
    ) {
        self.name = name
        self.inputs = inputs
        self.outputs = outputs
        self.preprocessing = preprocessing
        self.labels = labels
        self.batch = batch
    }
}

/// What decides whether a request may be cut into micro-batches.
public enum BatchDeclaration: String, Sendable, Hashable, Codable, CaseIterable {
    /// The check of the model.
    case checked
    /// The model's owner says that no item sees another; the check only warns.
    case independent
}

/// Resize, crop and scale, as in the model's reference preprocessing.
public struct ImagePreprocessing: Sendable, Hashable, Codable {
    public enum Layout: String, Sendable, Hashable, Codable {
        /// Height, width, channel: bytes as they are in the picture.
        case hwc = "HWC"
        case chw = "CHW"
    }
    public enum Interpolation: String, Sendable, Hashable, Codable { case bilinear, bicubic }

    /// The shorter side's length in pixels after the resize (aspect ratio kept).
    public var resizeShorterSide: Int
    /// Side of the square cut from the middle.
    public var cropSize: Int
    public var interpolation: Interpolation
    public var layout: Layout
    /// For floating-point inputs: `(pixel / 255 − mean) / std` for each of R, G, B. Absent where the model normalises inside.
    public var mean: [Double]?
    public var std: [Double]?

    public init(
        resizeShorterSide: Int, cropSize: Int, interpolation: Interpolation, layout: Layout, mean: [Double]? = nil,
        std: [Double]? = nil
    ) {
        self.resizeShorterSide = resizeShorterSide
        self.cropSize = cropSize
        self.interpolation = interpolation
        self.layout = layout
        self.mean = mean
        self.std = std
    }
}
