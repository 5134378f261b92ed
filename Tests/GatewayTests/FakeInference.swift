import Gateway
import Synchronization
import Tensors
import Wire

/// A coordinator that computes at once, or does what a test tells it: `sum` is `a` with each item's `id` added, `same` is the ids.
final class FakeInference: InferenceSource {
    enum Answer: Sendable {
        case computes
        case refuses(InferError)
        /// Admits, and then ends the request when that many bytes of it have come.
        case endsAfter(Int, InferError)
        /// Admits, and never answers.
        case waits
    }

    struct State {
        var begun: [InferRequest] = []
        var begunNumbers: Set<UInt64> = []
        var completed = 0
        var ended: Set<UInt64> = []
        var inputs: [Tensor] = []
    }

    static let manifest = ModelManifest(
        name: "sum model",
        inputs: [
            TensorSpec(name: "a", dtype: .float32, shape: [.batch, .fixed(2)]),
            TensorSpec(name: "id", dtype: .int64, shape: [.batch]),
        ],
        outputs: [
            TensorSpec(name: "sum", dtype: .float32, shape: [.batch, .fixed(2)]),
            TensorSpec(name: "same", dtype: .int64, shape: [.batch]),
        ], labels: ["zero", "one"])

    let answer: Answer
    let manifest: ModelManifest?
    let state = Mutex(State())

    init(_ answer: Answer = .computes, manifest: ModelManifest? = FakeInference.manifest) {
        self.answer = answer
        self.manifest = manifest
    }

    func model() async -> ModelAnswer? { manifest.map { .known($0) } ?? .notYet("the model is still being analysed; try again") }

    func begin(_ request: InferRequest, _ call: InferenceCall) async -> Bool? {
        let hasGone = state.withLock {
            $0.begun.append(request)
            $0.begunNumbers.insert(call.number)
            return $0.ended.contains(call.number)
        }
        guard !hasGone, !call.isSettled else {
            call.settle(.failed(InferError(id: 1, code: .cancelled, message: "gone", retryAfterMilliseconds: 0)))
            return false
        }
        switch answer {
        case .refuses(let error):
            call.settle(.failed(error))
            return false
        case .endsAfter(let count, let error):
            Task {
                while call.arrivedByteCount < count { await Task.yield() }
                call.settle(.failed(error))
            }
            return true
        case .computes, .waits: return true
        }
    }

    func complete(_ call: InferenceCall, _ inputs: [Tensor]) {
        state.withLock {
            $0.completed += 1
            $0.inputs = inputs
        }
        guard case .computes = answer else { return }
        do {
            let (a, ids) = (inputs[0], inputs[1])
            let sum = TensorStorage(byteCount: a.byteCount)
            let target = sum.mutableBytes.bindMemory(to: Float.self)
            a.withUnsafeBytes { a in
                ids.withUnsafeBytes { ids in
                    for (index, value) in a.bindMemory(to: Float.self).enumerated() {
                        target[index] = value + Float(ids.bindMemory(to: Int64.self)[index / 2])
                    }
                }
            }
            call.settle(.outputs([try Tensor(dtype: .float32, shape: a.shape, storage: sum), ids], RequestTiming()))
        } catch {
            call.settle(.failed(InferError(id: 1, code: .internalError, message: "\(error)", retryAfterMilliseconds: 0)))
        }
    }

    func end(_ call: InferenceCall) { state.withLock { _ = $0.ended.insert(call.number) } }

    /// Begun and not ended.
    var openCount: Int { state.withLock { $0.begunNumbers.subtracting($0.ended).count } }
    var endedCount: Int { state.withLock { $0.ended.count } }
}
