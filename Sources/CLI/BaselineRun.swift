internal import Dispatch
internal import Inference
internal import Synchronization
internal import Tensors
internal import Wire

/// Requests to one loaded model, in turn and one after another, each cut into parts that run on some threads.
struct BaselineRun {
    /// A request's micro-batches, each with one tensor for each input.
    typealias Request = [[Tensor]]

    let partition: any LoadedPartition
    let requests: [Request]
    let executors: Int
    private var issued = 0
    private let clock = ContinuousClock()

    init(partition: any LoadedPartition, requests: [Request], executors: Int) {
        self.partition = partition
        self.requests = requests
        self.executors = executors
    }

    /// The micro-batches of one request; the last may be smaller.
    static func parts(of inputs: [Tensor], _ specs: [TensorSpec], size: Int) throws(TensorError) -> Request {
        let first = zip(inputs, specs).compactMap { tensor, spec in spec.batchDimension.map { tensor.shape[$0] } }.first
        guard let items = first, size < items else { return [inputs] }
        var parts: Request = []
        for start in stride(from: 0, to: items, by: size) {
            parts.append(try Batching.slice(inputs, specs, start..<min(start + size, items)))
        }
        return parts
    }

    /// Runs the next request to its end.
    /// - Returns: how long it took.
    /// - Throws: what the model said of the first part that it refused.
    mutating func next() throws -> Duration {
        let parts = requests[issued % requests.count]
        issued += 1
        let began = clock.now
        if executors == 1 {
            for part in parts { _ = try partition.run(part) }
        } else {
            try runAtOnce(parts)
        }
        return clock.now - began
    }

    private func runAtOnce(_ parts: Request) throws {
        let taken = Atomic<Int>(0)
        let failure = Mutex<(any Error)?>(nil)
        DispatchQueue.concurrentPerform(iterations: min(executors, parts.count)) { _ in
            while true {
                let index = taken.add(1, ordering: .relaxed).oldValue
                guard index < parts.count else { return }
                do { _ = try partition.run(parts[index]) } catch { failure.withLock { $0 = $0 ?? error } }
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
    }
}
