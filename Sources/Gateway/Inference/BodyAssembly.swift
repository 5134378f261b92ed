internal import OpenInference
internal import Tensors

/// What of a request's body has come, and where the rest goes: first the JSON head, then each input's bytes in their order.
///
/// A value without I/O: its user gives it pieces of any size, and tells it once where the inputs are to be put.
struct BodyAssembly {
    /// Where one input's bytes go.
    enum Target {
        case tensor(TensorStorage, byteCount: Int)
        /// Kept as they come: pictures.
        case bytes(count: Int)

        var byteCount: Int {
            switch self {
            case .tensor(_, let count), .bytes(let count): count
            }
        }
    }

    struct Problem: Error, Hashable {
        let status: Int
        let message: String
    }

    /// `nil`: all of the body is head.
    let headByteCount: Int?
    let limit: Int
    private(set) var head: [UInt8] = []
    /// What came behind the head before it was known where it goes.
    private var early: [UInt8] = []
    private var targets: [Target]?
    private var current = 0
    private var filledOfCurrent = 0
    /// By the targets' positions.
    private(set) var kept: [Int: [UInt8]] = [:]
    private var keptByteCount = 0
    private(set) var arrivedByteCount = 0
    /// Bytes of the inputs that have come.
    private(set) var filledByteCount = 0

    init(headByteCount: Int?, limit: Int) {
        self.headByteCount = headByteCount
        self.limit = limit
    }

    var isHeadComplete: Bool { headByteCount == head.count }
    /// What is held of it outside the tensors.
    var heldByteCount: Int { head.count + early.count + keptByteCount }
    /// What has come behind the head.
    var isFilled: Bool { targets.map { current == $0.count } ?? false }

    mutating func take(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
        arrivedByteCount += bytes.count
        guard arrivedByteCount <= limit else { throw Self.tooLong(limit) }
        var rest = bytes[...]
        if let headByteCount {
            let part = rest.prefix(headByteCount - head.count)
            head.append(contentsOf: part)
            rest = rest.dropFirst(part.count)
        } else {
            head.append(contentsOf: rest)
            rest = rest.dropFirst(rest.count)
        }
        guard !rest.isEmpty else { return }
        guard targets != nil else {
            early.append(contentsOf: rest)
            return
        }
        try fill(UnsafeRawBufferPointer(rebasing: rest))
    }

    static func tooLong(_ limit: Int) -> Problem {
        Problem(
            status: 413,
            message:
                "the body is over the limit of \(limit) bytes; send fewer items at once, or start the coordinator with a larger --http-max-body"
        )
    }

    /// Says where the inputs go. Called once, when the head is complete.
    mutating func aim(at targets: [Target]) throws(Problem) {
        self.targets = targets
        for (position, target) in targets.enumerated() {
            if case .bytes = target { kept[position] = [] }
        }
        skipFilled()
        let waiting = early
        early = []
        var problem: Problem?
        waiting.withUnsafeBytes { bytes in
            do throws(Problem) { try fill(bytes) } catch { problem = error }
        }
        if let problem { throw problem }
    }

    private mutating func fill(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
        guard let targets else { return }
        var rest = bytes
        while !rest.isEmpty {
            guard current < targets.count else {
                throw Problem(
                    status: 400,
                    message:
                        "\(rest.count) bytes stand behind the last input; the sizes in binary_data_size must add up to the body behind its JSON head"
                )
            }
            let count = min(rest.count, targets[current].byteCount - filledOfCurrent)
            let part = UnsafeRawBufferPointer(rebasing: rest[..<count])
            switch targets[current] {
            case .tensor(let storage, _):
                UnsafeMutableRawBufferPointer(rebasing: storage.mutableBytes[filledOfCurrent...]).copyMemory(from: part)
            case .bytes:
                kept[current]?.append(contentsOf: part)
                keptByteCount += count
            }
            filledOfCurrent += count
            filledByteCount += count
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            skipFilled()
        }
    }

    private mutating func skipFilled() {
        guard let targets else { return }
        while current < targets.count, filledOfCurrent == targets[current].byteCount {
            current += 1
            filledOfCurrent = 0
        }
    }

    /// The body has ended.
    func finish() throws(Problem) {
        if let headByteCount, head.count < headByteCount {
            throw Problem(
                status: 400,
                message:
                    "the body has \(head.count) bytes, fewer than the \(headByteCount) of its JSON head that Inference-Header-Content-Length says"
            )
        }
        guard let targets, current < targets.count else { return }
        let wanted = targets.reduce(0) { $0 + $1.byteCount }
        throw Problem(
            status: 400,
            message:
                "the body has \(filledByteCount) bytes behind its JSON head, fewer than the \(wanted) that binary_data_size says")
    }
}
