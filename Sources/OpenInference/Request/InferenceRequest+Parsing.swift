internal import Tensors

extension InferenceRequest {
    /// Reads a request's head: the whole body, or its first `Inference-Header-Content-Length` bytes.
    ///
    /// Members that we do not know are skipped, but must be JSON; a known one stands once.
    public init(parsing head: [UInt8]) throws(OpenInferenceError) {
        guard (try? UTF8Span(validating: head.span)) != nil else {
            throw OpenInferenceError(.invalid, "the request's JSON is not valid UTF-8; encode it as UTF-8")
        }
        self = try head.withUnsafeBufferPointer { bytes throws(OpenInferenceError) in
            var scanner = JSONScanner(bytes, in: 0..<bytes.count)
            return try InferenceRequest(reading: &scanner)
        }
    }

    private init(reading scanner: inout JSONScanner) throws(OpenInferenceError) {
        self.init()
        // Closures cannot change `self` while it is made.
        var request = InferenceRequest()
        var hasInputs = false
        try scanner.object("the request") { scanner, key throws(OpenInferenceError) in
            switch key {
            case "id":
                request.id = String(decoding: try scanner.string("\"id\"", limit: OpenInferenceLimits.idByteCount), as: UTF8.self)
            case "parameters": try request.readParameters(&scanner)
            case "inputs":
                hasInputs = true
                try scanner.array("\"inputs\"") { scanner throws(OpenInferenceError) in
                    try request.append(Input(reading: &scanner))
                }
            case "outputs":
                try scanner.array("\"outputs\"") { scanner throws(OpenInferenceError) in
                    try request.append(Output(reading: &scanner))
                }
            default: try scanner.skipValue()
            }
        }
        scanner.skipBlanks()
        guard scanner.position == scanner.end else {
            throw OpenInferenceError(
                .invalid,
                "\(scanner.error("the end of the JSON").message); where tensors follow in binary, set Inference-Header-Content-Length"
            )
        }
        guard hasInputs, !request.inputs.isEmpty else {
            throw OpenInferenceError(.invalid, "the request has no \"inputs\"; send one for each of the model's")
        }
        guard request.binaryByteCount < Int.max else {
            throw OpenInferenceError(.tooLarge, "the inputs' binary_data_size are together more than 64 bits hold; send less")
        }
        self = request
    }

    private mutating func readParameters(_ scanner: inout JSONScanner) throws(OpenInferenceError) {
        var request = self
        try scanner.object("\"parameters\"") { scanner, key throws(OpenInferenceError) in
            switch key {
            case "timeout": request.timeoutMicroseconds = try scanner.amount("\"timeout\"")
            case "priority": request.priority = try scanner.amount("\"priority\"")
            case "binary_data_output": request.wantsBinaryOutputs = try scanner.boolean("\"binary_data_output\"")
            default: try scanner.skipValue()
            }
        }
        self = request
    }

    private mutating func append(_ input: Input) throws(OpenInferenceError) {
        guard !inputs.contains(where: { $0.name == input.name }) else {
            throw OpenInferenceError(.invalid, "input \(quoted(input.name)) stands twice; send it once")
        }
        guard inputs.count < OpenInferenceLimits.tensors else {
            throw OpenInferenceError(.tooLarge, "the request has more than \(OpenInferenceLimits.tensors) inputs; send fewer")
        }
        inputs.append(input)
    }

    private mutating func append(_ output: Output) throws(OpenInferenceError) {
        guard !outputs.contains(where: { $0.name == output.name }) else {
            throw OpenInferenceError(.invalid, "output \(quoted(output.name)) stands twice; ask for it once")
        }
        guard outputs.count < OpenInferenceLimits.tensors else {
            throw OpenInferenceError(
                .tooLarge, "the request asks for more than \(OpenInferenceLimits.tensors) outputs; ask for fewer")
        }
        outputs.append(output)
    }
}

extension InferenceRequest.Output {
    fileprivate init(reading scanner: inout JSONScanner) throws(OpenInferenceError) {
        var name: String?
        var isBinary: Bool?
        var classCount: Int?
        try scanner.object("an output") { scanner, key throws(OpenInferenceError) in
            switch key {
            case "name": name = try scanner.tensorName("an output's name")
            case "parameters":
                try scanner.object("an output's parameters") { scanner, key throws(OpenInferenceError) in
                    switch key {
                    case "binary_data": isBinary = try scanner.boolean("\"binary_data\"")
                    case "classification":
                        let count = try scanner.count("\"classification\"")
                        classCount = count == 0 ? nil : Int(clamping: count)
                    default:
                        try OpenInferenceError.refuseSharedMemory(key, "outputs come in the answer's body")
                        try scanner.skipValue()
                    }
                }
            default: try scanner.skipValue()
            }
        }
        guard let name else { throw OpenInferenceError(.invalid, "an output has no \"name\"; give it one") }
        self.init(name: name, isBinary: isBinary, classCount: classCount)
    }
}

extension JSONScanner {
    /// The name of an input or output, as a model may call one.
    mutating func tensorName(_ what: String) throws(OpenInferenceError) -> String {
        let name = String(decoding: try string(what, limit: OpenInferenceLimits.nameByteCount), as: UTF8.self)
        guard !name.isEmpty, !name.unicodeScalars.contains(where: \.isObeyedByTerminals) else {
            throw OpenInferenceError(
                .invalid,
                "\(what) is \(quoted(name)): no tensor has an empty name, or one with control characters; use the model's names")
        }
        return name
    }

    /// A number, or a string of digits, as some clients send it; `nil` for 0.
    fileprivate mutating func amount(_ what: String) throws(OpenInferenceError) -> UInt64? {
        guard peek == UInt8(ascii: "\"") else {
            let value = try count(what)
            return value == 0 ? nil : value
        }
        let text = String(decoding: try string(what, limit: 64), as: UTF8.self)
        guard text.utf8.allSatisfy({ $0 &- 0x30 <= 9 }), let value = UInt64(text) else {
            throw OpenInferenceError(.invalid, "\(what) is \(quoted(text)); write an integer from 0 to \(UInt64.max)")
        }
        return value == 0 ? nil : value
    }
}

extension OpenInferenceError {
    static func refuseSharedMemory(_ key: String, _ instead: String) throws(OpenInferenceError) {
        guard !key.hasPrefix("shared_memory") else {
            throw OpenInferenceError(.unsupported, "\(quoted(key)): this server has no shared memory with clients; \(instead)")
        }
    }
}
