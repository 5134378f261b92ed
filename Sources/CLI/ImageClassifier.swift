internal import Arrays
internal import Images
internal import Shell
internal import Tensors

/// One class that a picture was given.
struct LabelledScore: Codable, Sendable {
    var label: String
    var index: Int
    var score: Double
}

/// The classes that the model found in a picture, for people and for `--json`.
struct ImageResult: Codable, Sendable {
    var file: String
    var labels: [LabelledScore]

    var line: String {
        let best = labels.map { "\($0.label) \(Self.percent($0.score))" }.joined(separator: ", ")
        return "\(file): \(best)"
    }

    private static func percent(_ score: Double) -> String {
        // A model may give what is no number, and a label's score is whatever it gave.
        guard score.isFinite else { return "\(score)" }
        let tenths = Int(min(max(score * 1000, -1e15), 1e15).rounded())
        return "\(tenths / 10).\(abs(tenths % 10)) %"
    }
}

/// Pictures in, tensors out, and back to labels, by the model's manifest.
struct ImageClassifier {
    let manifest: ModelManifest
    let top: Int

    /// - Throws: ``CommandFailure`` (bad data) where the model does not take pictures.
    init(manifest: ModelManifest, top: Int) throws(CommandFailure) {
        guard manifest.preprocessing != nil, manifest.inputs.count == 1 else {
            throw CommandFailure(
                .badData,
                "model \"\(manifest.name)\" has no image preprocessing in its manifest; give its inputs as --input FILE.npz instead"
            )
        }
        self.manifest = manifest
        self.top = top
    }

    /// One picture as a batch of one.
    func tensor(ofFile path: String) throws(CommandFailure) -> Tensor {
        guard let preprocessing = manifest.preprocessing else { throw CommandFailure(.badData, "the model takes no pictures") }
        do {
            try FileRoom.check(path)
            let bytes = try FileBytes.read(path, limit: 256 << 20)
            let item = try bytes.withUnsafeBytes { bytes throws(ImageError) in
                try ImagePreprocessor.tensor(
                    fromFile: bytes, name: path, preprocessing: preprocessing, dtype: manifest.inputs[0].dtype)
            }
            return try ImagePreprocessor.batch([item])
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure(.badData, "\(error)")
        }
    }

    /// The best classes of the first item.
    func result(file: String, _ outputs: [Tensor]) throws(CommandFailure) -> ImageResult {
        guard let scores = outputs.first?.values(as: Float.self) else {
            throw CommandFailure(.failure, "the model's first output is not float32, so it cannot be read as class scores")
        }
        // What is no number is last: it compares with nothing, and an order by it would be none.
        let ranks = scores.map { $0.isNaN ? -Float.infinity : $0 }
        let order = ranks.indices.sorted { (ranks[$0], $1) > (ranks[$1], $0) }.prefix(top)
        let labels = order.map { index in
            let known = manifest.labels.flatMap { $0.indices.contains(index) ? $0[index] : nil }
            return LabelledScore(label: known ?? "class \(index)", index: index, score: Double(scores[index]))
        }
        return ImageResult(file: file, labels: labels)
    }
}

/// Arrays of a file as the model's inputs, and its outputs as a file.
enum ArrayInputs {
    /// Whether the declared tensors are the model's inputs or its outputs.
    enum Role: String { case input, output }

    /// The arrays that `specs` name, in their order, each checked against its declaration. Other arrays in the file are left alone, whatever
    /// they hold. Where one array is declared, a `.npy`, and a `.npz` whose array has no name, are that one.
    /// - Parameters:
    ///   - model: its name, for messages.
    static func read(
        _ path: String, as specs: [TensorSpec], of model: String, _ role: Role = .input
    ) throws(CommandFailure) -> [Tensor] {
        let choice = ArrayChoice(specs.map(\.name), kind: role.rawValue, of: "model \"\(model)\"")
        let tensors: [Tensor]
        try FileRoom.check(path)
        do {
            let file = try ArrayFile.read(path, wanting: choice.wanted, limit: min(NPZ.defaultLimit, FileRoom.byteCount))
            tensors = try choice.tensors(in: file, from: path)
        } catch {
            throw CommandFailure(.badData, "\(error)")
        }
        switch role {
        case .input:
            do { _ = try TensorSpec.itemCount(specs, of: tensors) } catch {
                throw CommandFailure(.badData, "\(path): \(error.message)")
            }
        case .output:
            for (spec, tensor) in zip(specs, tensors) where spec.dtype != tensor.dtype {
                throw CommandFailure(
                    .badData,
                    "\(path): output \"\(spec.name)\" of model \"\(model)\" is \(spec.dtype.name), but the file has "
                        + "\(tensor.dtype.name); make the reference with amp4ec reference"
                )
            }
        }
        return tensors
    }

    static func write(_ path: String, _ outputs: [Tensor], names: [String]) throws(CommandFailure) {
        let isSingle = path.hasSuffix(".npy")
        guard !isSingle || outputs.count == 1 else {
            let all = names.joined(separator: ", ")
            throw CommandFailure(
                .usage, "--output \(path): a .npy holds one array, but the model gives \(outputs.count) (\(all)); name a .npz")
        }
        do {
            if isSingle {
                try NPY.write(path, outputs[0])
            } else {
                try NPZ.write(path, zip(names, outputs).map { (name: $0, tensor: $1) })
            }
        } catch {
            throw CommandFailure(.badData, "\(error)")
        }
    }
}
