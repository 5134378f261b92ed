internal import Cluster
internal import Inference
internal import Synchronization
public import Tensors

/// Where the check runs whether requests may be cut.
public enum BatchChecking: Sendable, Hashable {
    /// In a process of its own, with limits: `executable` begins with ``BatchCheckChild/runIfAsked(_:)``.
    case process(executable: String, patience: Duration = defaultPatience)
    /// Here: for tools whose only work it is.
    case inProcess

    /// Wall clock: a model that takes a second for a batch of three needs half a minute.
    public static let defaultPatience: Duration = .seconds(120)

    /// This program once more: what was started, though another file may lie in its place by now.
    public static let ownProgram = BatchChecking.process(executable: "/proc/self/exe")
}

extension ModelService {
    /// The owner's word, from the command line before the manifest.
    public var declaration: BatchDeclaration { choices.batch ?? manifest.batch ?? .checked }

    /// Ends a check that is under way, and begins none any more: the process stops.
    public func stopChecking() {
        let check = state.withLock { state in
            state.isStopped = true
            return state.check
        }
        check?.stop()
    }

    /// Begins the check before the file is opened here, where no saved profile can have its verdict.
    static func earlyCheck(
        _ path: String, _ inputs: [TensorSpec], _ example: String?, _ choices: PlanChoices, _ profiles: ProfileFolder?,
        _ checking: BatchChecking
    ) -> BatchCheckProcess? {
        guard case .process(let executable, let patience) = checking, let digest = try? SHA256.hexDigest(ofFile: path),
            profiles?.hasAny(of: digest) != true
        else { return nil }
        return try? BatchCheckProcess(
            executable: executable, patience: patience,
            question: .init(
                path: path, inputs: inputs, example: example, microBatch: choices.microBatch ?? automaticMicroBatch))
    }

    /// The check's verdict: of the process that is under way, or of one that begins now.
    func checked(microBatch: Int) throws -> BatchVerdict {
        guard case .process(let executable, let patience) = checking else { return try checkHere(microBatch: microBatch) }
        do {
            let check = try state.withLock { state in
                guard !state.isStopped else { throw BatchCheckProcess.Failure(what: "the process stops") }
                let check =
                    try state.check
                    ?? BatchCheckProcess(
                        executable: executable, patience: patience,
                        question: .init(path: path, inputs: givenInputs, example: examplePath, microBatch: microBatch))
                state.check = check
                return check
            }
            defer { state.withLock { $0.check = nil } }
            return check.verdict(of: digest)
        } catch {
            let why = (error as? BatchCheckProcess.Failure)?.what ?? "\(error)"
            return .inconclusive("the check whether items influence each other could not be started: \(why)")
        }
    }

    /// In this process.
    func checkHere(microBatch: Int) throws -> BatchVerdict {
        // They come first: whoever finds them out has settled what the model takes.
        let outputs = try outputSpecs(batch: microBatch)
        return try BatchCheck(model: model, samples: samples, inputs: manifest.inputs, outputs: outputs).verdict(
            microBatch: microBatch)
    }

    /// A saved profile without a verdict gets one; what was found out is kept.
    func checkedAgain(_ saved: SavedProfile) -> SavedProfile {
        guard case .inconclusive = saved.batch, let verdict = try? checked(microBatch: saved.key.microBatch) else { return saved }
        var copy = saved
        copy.batch = verdict
        if verdict != saved.batch { profiles?.write(copy) }
        return copy
    }
}
