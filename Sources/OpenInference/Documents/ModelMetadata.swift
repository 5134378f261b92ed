/// `GET /v2/models/M`.
public struct ModelMetadata: Sendable, Hashable, Encodable {
    public struct Tensor: Sendable, Hashable, Encodable {
        public var name: String
        public var datatype: Datatype
        /// -1 is an extent that each request chooses.
        public var shape: [Int]

        public init(name: String, datatype: Datatype, shape: [Int]) {
            self.name = name
            self.datatype = datatype
            self.shape = shape
        }
    }

    /// As the protocol calls models like ours.
    public static let platform = "pytorch_torchscript"

    public var name: String
    public var versions: [String]
    public var platform: String
    public var inputs: [Tensor]
    public var outputs: [Tensor]

    public init(name: String, versions: [String], platform: String = Self.platform, inputs: [Tensor], outputs: [Tensor]) {
        self.name = name
        self.versions = versions
        self.platform = platform
        self.inputs = inputs
        self.outputs = outputs
    }
}
