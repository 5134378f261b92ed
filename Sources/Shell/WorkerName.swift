internal import Wire

/// The names that a topology gives to workers: they go into every message about them.
public enum WorkerName {
    /// A service of several workers calls each `NAME@[address]:port`, which has to be a name too.
    public static let maximumServiceByteCount = 200

    /// Why a worker cannot be called that; `nil` where it can.
    public static func problem(withWorker name: String) -> String? { NodeName.problem(with: name) }

    /// The same for a name that several workers may share.
    public static func problem(withService name: String) -> String? {
        if let problem = NodeName.problem(with: name) { return problem }
        let count = name.utf8.count
        return count > maximumServiceByteCount ? "\(count) bytes are over the limit of \(maximumServiceByteCount)" : nil
    }
}
