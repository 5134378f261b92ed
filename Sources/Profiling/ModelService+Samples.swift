internal import Inference
internal import Shell
internal import Synchronization
public import Tensors

/// The inputs with which the model is measured.
extension ModelService {
    /// How long made-up inputs are tried in other forms: a model that runs for seconds before it refuses shall not hold up the error.
    static let samplePatience = Duration.seconds(20)

    /// Inputs that the model has taken, or the ones to begin with.
    public var samples: SampleInputs { settled.withLock { $0 } ?? sampleCandidates[0] }

    var sampleCandidates: [SampleInputs] { SampleInputs.candidates(specs: manifest.inputs, example: example) }

    /// What somebody should know about how the model is served.
    public var notes: [String] {
        let omitted = model.omittedOutputs
        guard !omitted.isEmpty else { return [] }
        let plural = omitted.count == 1 ? "output" : "outputs"
        return [
            "the model returns None for \(plural) \(omitted.joined(separator: ", ")), which \(omitted.count == 1 ? "is" : "are") left out"
        ]
    }

    /// Runs the model with inputs that it takes. Until some have been taken, made-up ones are tried in several forms.
    /// - Throws: ``CommandFailure`` (bad data) where it takes none: whether they were made up, what was tried, and what to give.
    func trying<R>(_ body: (SampleInputs) throws -> R) throws -> R {
        if let known = settled.withLock({ $0 }) { return try body(known) }
        let clock = ContinuousClock()
        let start = clock.now
        var tried: [MadeUpForm] = []
        var refusal: InferenceError?
        for candidate in sampleCandidates {
            if !tried.isEmpty, clock.now - start > Self.samplePatience || candidate.byteCount > MadeUpForm.maximumByteCount {
                continue
            }
            do {
                let result = try body(candidate)
                settled.withLock { $0 = candidate }
                return result
            } catch let error as InferenceError where error.code == .inputRejected {
                refusal = refusal ?? error
            } catch let error as TensorError {
                // Too large in this form; the first one is the declaration's own fault.
                if tried.isEmpty { throw error }
            }
            tried.append(candidate.form)
        }
        throw CommandFailure(.badData, refused(tried, refusal?.message ?? "libtorch gave no reason"))
    }

    /// Inputs that the model takes, found out now where they have not been.
    public func settledSamples() throws -> SampleInputs {
        try trying { candidate in
            if sampleCandidates.count > 1 { _ = try runWhole(candidate.make(batch: preparedBatch)) }
            return candidate
        }
    }

    /// Takes the inputs of a request for an example, where there is no other.
    public func takeExample(_ tensors: [Tensor], from source: String) {
        guard example == nil, let own = try? ExampleInputs(specs: manifest.inputs, tensors: tensors, source: source) else { return }
        settled.withLock { $0 = $0 ?? SampleInputs(own) }
    }

    private func refused(_ tried: [MadeUpForm], _ why: String) -> String {
        let hint =
            oneItemIsTaken
            ? "; one item is taken, so the batch size may be a constant in the model: declare the size that it was exported with in place of N"
            : ""
        if let example {
            return "the model refuses \(example.source) (\(why))\(hint); give other inputs with --example FILE.npz"
        }
        return
            "the model refuses the inputs that were made up to measure it (\(why))\(hint). Tried: \(MadeUpForm.summary(of: tried, for: manifest.inputs)). Correct the declared shapes and types where they are not the model's; else give real inputs with --example FILE.npz (numpy.savez, an array of at least two items for each input), or export the model with scripts/export-model, which keeps its example inputs in the file"
    }

    private var oneItemIsTaken: Bool {
        guard preparedBatch > 1, let first = sampleCandidates.first, let single = try? first.make(batch: 1) else { return false }
        return (try? runWhole(single)) != nil
    }
}

extension SampleInputs {
    /// Of one batch item; as good as without end where no tensor can be so large.
    var byteCount: Int {
        var sum = 0
        for spec in specs {
            guard let bytes = try? Tensor.byteCount(of: spec.dtype, shape: spec.concreteShape(batch: 1) { _ in form.freeExtent })
            else {
                return .max
            }
            sum += bytes
        }
        return sum
    }
}
