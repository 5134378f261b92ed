/// `GET /v2/models/M/config`: as much of Triton's as load generators read.
public struct ModelConfiguration: Sendable, Hashable, Encodable {
    public struct Tensor: Sendable, Hashable, Encodable {
        public var name: String
        public var datatype: Datatype
        /// Without the batch where `maximumBatchSize` is over 0; -1 is an extent that each request chooses.
        public var extents: [Int]

        public init(name: String, datatype: Datatype, extents: [Int]) {
            self.name = name
            self.datatype = datatype
            self.extents = extents
        }

        private enum CodingKeys: String, CodingKey { case name, dims, dataType = "data_type" }

        public func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(name, forKey: .name)
            try container.encode(datatype.configurationName, forKey: .dataType)
            try container.encode(extents, forKey: .dims)
        }
    }

    public var name: String
    public var platform: String
    public var backend: String
    /// 0: the model has no batch dimension at the front of every input and output.
    public var maximumBatchSize: Int
    public var inputs: [Tensor]
    public var outputs: [Tensor]

    public init(
        name: String, platform: String = ModelMetadata.platform, backend: String = "pytorch", maximumBatchSize: Int,
        inputs: [Tensor],
        outputs: [Tensor]
    ) {
        self.name = name
        self.platform = platform
        self.backend = backend
        self.maximumBatchSize = maximumBatchSize
        self.inputs = inputs
        self.outputs = outputs
    }

    private enum CodingKeys: String, CodingKey {
        case name, platform, backend
        case maximumBatchSize = "max_batch_size"
        case inputs = "input"
        case outputs = "output"
    }
}
