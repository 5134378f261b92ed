internal import Base
internal import OpenInference
internal import Tensors
internal import Transport
internal import Wire

/// One request against the model that is served: what is announced to the coordinator, where each input comes from, and which outputs are wanted.
struct InferencePlan {
    enum Origin {
        /// In binary, at this place among the binary parts.
        case binary(position: Int)
        /// In the head.
        case text(Range<Int>, Datatype)
        /// JPEG or PNG files, at this place among the binary parts.
        case pictures(position: Int, count: Int)
    }

    struct Input {
        let spec: TensorSpec
        let shape: [Int]
        let byteCount: Int
        let origin: Origin
    }

    struct Output {
        let position: Int
        let isBinary: Bool
        let classCount: Int?
    }

    /// Whether the tensors' size says nothing of the body's: then a place is asked for when the body is here, not on its head's word.
    var hasPictures: Bool { inputs.contains { if case .pictures = $0.origin { true } else { false } } }

    let id: String?
    let deadlineMilliseconds: UInt32
    /// In the model's order.
    let inputs: [Input]
    /// Sizes of the binary parts, in the body's order.
    let binaryByteCounts: [Int]
    let outputs: [Output]

    var announcement: InferRequest {
        InferRequest(
            id: 1, deadlineMilliseconds: deadlineMilliseconds, names: inputs.map(\.spec.name),
            tensors: inputs.map { TensorHeader(dtype: $0.spec.dtype, shape: $0.shape, encoding: .raw, wireByteCount: $0.byteCount) }
        )
    }

    init(_ request: InferenceRequest, for model: ModelManifest) throws(InferenceRefusal) {
        id = request.id
        deadlineMilliseconds = Self.milliseconds(request.timeoutMicroseconds)
        var binaryByteCounts: [Int] = []
        var found: [String: Input] = [:]
        for input in request.inputs {
            guard let spec = model.inputs.first(where: { $0.name == input.name }) else {
                throw InferenceRefusal(
                    400,
                    "the model has no input \"\(input.name)\"; it takes \(model.inputs.map { "\"\($0.name)\"" }.joined(separator: ", "))"
                )
            }
            let isBinary = if case .binary = input.values { true } else { false }
            found[input.name] = try Self.input(input, spec, model, position: binaryByteCounts.count)
            if isBinary, case .binary(let count) = input.values { binaryByteCounts.append(count) }
        }
        var ordered: [Input] = []
        for spec in model.inputs {
            guard let input = found[spec.name] else {
                throw InferenceRefusal(
                    400,
                    "input \"\(spec.name)\" is missing; the model takes \(model.inputs.map(\.description).joined(separator: ", "))")
            }
            ordered.append(input)
        }
        inputs = ordered
        self.binaryByteCounts = binaryByteCounts
        outputs = try Self.outputs(request, model)
    }

    private init(_ input: Input, byteCount: Int, outputs: [Output]) {
        id = nil
        deadlineMilliseconds = 0
        inputs = [input]
        binaryByteCounts = [byteCount]
        self.outputs = outputs
    }

    /// A body that is one picture, as a file. Where the model has labels the best classes are the answer, as the command shows them.
    static func picture(byteCount: Int, for model: ModelManifest) throws(InferenceRefusal) -> InferencePlan {
        guard model.preprocessing != nil, let spec = model.inputs.first else { throw noPictures(model) }
        let input = try pictures(1, spec, model, position: 0)
        return InferencePlan(
            input, byteCount: byteCount,
            outputs: model.outputs.enumerated().map { position, output in
                let isClassified = model.labels != nil && position == 0 && output.dtype != .bool
                return Output(position: position, isBinary: false, classCount: isClassified ? Self.shownClasses : nil)
            })
    }

    /// A PNG of one pixel, and its length before it.
    private static let leastPictureByteCount = 4 + 67
    /// As many as `amp4ec infer` shows.
    static let shownClasses = 5

    // MARK: Parts

    private static func milliseconds(_ microseconds: UInt64?) -> UInt32 {
        guard let microseconds, microseconds > 0 else { return 0 }
        return UInt32(clamping: (microseconds - 1) / 1_000 + 1)
    }

    private static func input(
        _ input: InferenceRequest.Input, _ spec: TensorSpec, _ model: ModelManifest, position: Int
    ) throws(InferenceRefusal) -> Input {
        if input.datatype == .bytes {
            guard case .binary(let byteCount) = input.values else {
                throw InferenceRefusal(
                    400, "input \"\(spec.name)\": a picture is bytes, which JSON text cannot carry; send it with binary_data_size")
            }
            guard byteCount / leastPictureByteCount >= input.elementCount else {
                throw InferenceRefusal(
                    400,
                    "input \"\(spec.name)\": \(input.elementCount) pictures cannot be in \(byteCount) bytes; give the shape that they have"
                )
            }
            return try pictures(input.elementCount, spec, model, position: position)
        }
        guard input.datatype.dtype == spec.dtype else {
            throw InferenceRefusal(
                400,
                "input \"\(spec.name)\" takes \(Datatype(spec.dtype).rawValue), but \(input.datatype.rawValue) was given; convert it first"
            )
        }
        let byteCount: Int
        do {
            try spec.check(dtype: spec.dtype, shape: input.shape)
            byteCount = try Tensor.byteCount(of: spec.dtype, shape: input.shape)
        } catch { throw InferenceRefusal(400, error.message) }
        switch input.values {
        case .text(let range):
            return Input(spec: spec, shape: input.shape, byteCount: byteCount, origin: .text(range, input.datatype))
        case .binary(let count):
            guard count == byteCount else {
                throw InferenceRefusal(
                    400,
                    "input \"\(spec.name)\": binary_data_size is \(count), but \(input.datatype.rawValue)\(input.shape) has \(byteCount) bytes"
                )
            }
            return Input(spec: spec, shape: input.shape, byteCount: byteCount, origin: .binary(position: position))
        }
    }

    private static func pictures(
        _ count: Int, _ spec: TensorSpec, _ model: ModelManifest, position: Int
    ) throws(InferenceRefusal) -> Input {
        guard model.preprocessing != nil, model.inputs.count == 1 else { throw noPictures(model) }
        guard count > 0 else { throw InferenceRefusal(400, "input \"\(spec.name)\" has no picture; send at least one") }
        guard count == 1 || spec.batchDimension == 0 else {
            throw InferenceRefusal(400, "the model takes one picture at a time, but \(count) were given")
        }
        let shape = spec.concreteShape(batch: count)
        do {
            let byteCount = try Tensor.byteCount(of: spec.dtype, shape: shape)
            return Input(spec: spec, shape: shape, byteCount: byteCount, origin: .pictures(position: position, count: count))
        } catch { throw InferenceRefusal(400, error.message) }
    }

    private static func noPictures(_ model: ModelManifest) -> InferenceRefusal {
        InferenceRefusal(
            400,
            "the model does not say how a picture becomes its input; send the tensor \(model.inputs.map(\.description).joined(separator: ", "))"
        )
    }

    private static func outputs(_ request: InferenceRequest, _ model: ModelManifest) throws(InferenceRefusal) -> [Output] {
        guard !request.outputs.isEmpty else {
            return model.outputs.indices.map { Output(position: $0, isBinary: request.wantsBinaryOutputs, classCount: nil) }
        }
        var outputs: [Output] = []
        for wanted in request.outputs {
            guard let position = model.outputs.firstIndex(where: { $0.name == wanted.name }) else {
                throw InferenceRefusal(
                    400,
                    "the model has no output \"\(wanted.name)\"; it gives \(model.outputs.map { "\"\($0.name)\"" }.joined(separator: ", "))"
                )
            }
            outputs.append(
                Output(position: position, isBinary: wanted.isBinary ?? request.wantsBinaryOutputs, classCount: wanted.classCount))
        }
        return outputs
    }
}
