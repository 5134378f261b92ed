public import Tensors

/// An answer: a JSON head, and behind it the outputs that were asked for in binary, in their order.
public struct InferenceReply: Sendable {
    /// A member of the answer's `parameters`.
    public enum Parameter: Sendable, Hashable {
        case int(Int)
        case string(String)
        case bool(Bool)
    }

    public enum Values: Sendable {
        case tensor(Tensor)
        /// A BYTES output: as many elements as the shape says.
        case bytes(shape: [Int], elements: [[UInt8]])
    }

    public struct Output: Sendable {
        public var name: String
        public var values: Values
        public var isBinary: Bool

        public init(name: String, values: Values, isBinary: Bool) {
            self.name = name
            self.values = values
            self.isBinary = isBinary
        }
    }

    /// What follows the head, without a copy of tensors.
    public enum Part: Sendable {
        case tensor(Tensor)
        case bytes([UInt8])

        public var byteCount: Int {
            switch self {
            case .tensor(let tensor): tensor.byteCount
            case .bytes(let bytes): bytes.count
            }
        }

        public func withUnsafeBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
            switch self {
            case .tensor(let tensor): try tensor.withUnsafeBytes(body)
            case .bytes(let bytes):
                try bytes.withUnsafeBufferPointer { (buffer) throws(E) -> R in try body(UnsafeRawBufferPointer(buffer)) }
            }
        }
    }

    private let model: String
    private let version: String
    private let id: String?
    private let parameters: [(String, Parameter)]
    private let outputs: [Output]

    public init(model: String, version: String, id: String?, parameters: [(String, Parameter)], outputs: [Output]) {
        self.model = model
        self.version = version
        self.id = id
        self.parameters = parameters
        self.outputs = outputs
    }

    /// Whether anything follows the head, which then has its length in `Inference-Header-Content-Length`. (An output without elements too: its
    /// reader looks for the header.)
    public var hasBinary: Bool { outputs.contains(where: \.isBinary) }

    public var binaryParts: [Part] {
        outputs.filter(\.isBinary).map { output in
            switch output.values {
            case .tensor(let tensor): .tensor(tensor)
            case .bytes(_, let elements): .bytes(BytesElements.encode(elements))
            }
        }
    }

    /// - Throws: ``OpenInferenceError`` (`invalid`) where a value has no form in JSON; the message says to ask for it in binary.
    public func head() throws(OpenInferenceError) -> [UInt8] {
        var writer = JSONWriter()
        writer.byte(UInt8(ascii: "{"))
        if let id {
            writer.key("id")
            writer.string(id)
            writer.byte(UInt8(ascii: ","))
        }
        writer.key("model_name")
        writer.string(model)
        writer.raw(",")
        writer.key("model_version")
        writer.string(version)
        if !parameters.isEmpty {
            writer.raw(",")
            writer.key("parameters")
            for (index, (name, parameter)) in parameters.enumerated() {
                writer.raw(index == 0 ? "{" : ",")
                writer.key(name)
                switch parameter {
                case .int(let number): writer.raw("\(number)")
                case .string(let text): writer.string(text)
                case .bool(let isTrue): writer.raw(isTrue ? "true" : "false")
                }
            }
            writer.raw("}")
        }
        writer.raw(",")
        writer.key("outputs")
        writer.raw("[")
        for (index, output) in outputs.enumerated() {
            if index > 0 { writer.raw(",") }
            try writer.output(output)
        }
        writer.raw("]}")
        return writer.bytes
    }
}
