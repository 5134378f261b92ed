internal import CLinux
internal import Confinement
internal import FoundationEssentials
internal import Glibc
internal import Inference
internal import Shell
internal import Tensors
internal import Wire

/// The other side of ``BatchCheckProcess``: a program of ours that was started for nothing but this.
public enum BatchCheckChild {
    /// The first argument; no command has this name.
    static let word = "--check-batch-child"
    /// Beside the wall clock, which ``BatchCheckProcess`` watches.
    static let processorSeconds: rlim_t = 120
    /// What libtorch and the activations of a few items may take besides the model.
    static let freeByteCount: rlim_t = 4 << 30
    /// The archive's tensors, frozen, and their copies while it is read.
    static let bytesForEachByteOfTheModel: rlim_t = 6
    /// A crash is an answer here, nobody reads a backtrace; and one thread is what workers use.
    static let environment = ["SWIFT_BACKTRACE": "enable=no", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"]

    struct Question: Codable {
        var path: String
        /// What `--spec` says; empty for the manifest's.
        var inputs: [TensorSpec]
        /// What `--example` says.
        var example: String?
        var microBatch: Int
    }

    struct Answer: Codable {
        var digest: String
        var verdict: BatchVerdict
    }

    /// Comes first in `main`: answers and ends the process where it was started as the check's child, else does nothing.
    public static func runIfAsked(_ arguments: [String]) {
        guard arguments.count == 3, arguments[1] == word else { return }
        guard let question = try? JSONDecoder().decode(Question.self, from: Data(arguments[2].utf8)) else {
            exit(ExitStatus.usage.rawValue)
        }
        limit(to: question)
        do {
            try TorchEngine.configure(threads: 1)
            let answer = try answer(to: question)
            StandardStream.output.write(String(decoding: try JSONEncoder().encode(answer), as: UTF8.self))
            // Nothing is worth the time that clearing up takes.
            _exit(0)
        } catch {
            exit(ExitStatus.failure.rawValue)
        }
    }

    static func answer(to question: Question) throws -> Answer {
        let service = try ModelService(
            path: question.path, inputs: question.inputs, example: question.example, level: .o0,
            choices: .init(microBatch: question.microBatch))
        return Answer(digest: service.digest, verdict: try service.checkHere(microBatch: question.microBatch))
    }

    /// The parent ends, we end; memory runs out, we are the first to go. It gives way to nobody: the start waits for it, and at the lowest
    /// priority a busy machine took 30 s for what is the work of one.
    private static func limit(to question: Question) {
        amp_process_die_with_parent(SIGKILL)
        if let file = fopen("/proc/self/oom_score_adj", "w") {
            fputs("1000", file)
            fclose(file)
        }
        var information = stat()
        let modelBytes = stat(question.path, &information) == 0 ? rlim_t(max(0, information.st_size)) : 0
        set(RLIMIT_CPU, processorSeconds)
        set(RLIMIT_DATA, freeByteCount + modelBytes * bytesForEachByteOfTheModel)
        set(RLIMIT_CORE, 0)
        // It has one thread yet: all of it is confined. Where the kernel cannot, the limits above are what there is.
        _ = Confinement(writableFolders: []).confineThread()
    }

    private static func set(_ kind: __rlimit_resource, _ value: rlim_t) {
        let resource = __rlimit_resource_t(kind.rawValue)
        var now = rlimit()
        guard getrlimit(resource, &now) == 0 else { return }
        var limit = rlimit(rlim_cur: min(value, now.rlim_max), rlim_max: min(value, now.rlim_max))
        _ = setrlimit(resource, &limit)
    }
}
