public import Wire

extension ExitStatus {
    /// How a command ends that was refused by a coordinator or a worker, or found none: the one place for it, so that the same cause ends
    /// every command alike.
    /// - Parameter invalidArgument: what was refused as wrong: a file's contents, or ``usage`` where the command sends nothing but its
    ///   arguments (a node's name).
    public init(_ code: StatusCode, invalidArgument: ExitStatus) {
        switch code {
        case .invalidArgument: self = invalidArgument
        // Nobody is there whom the command could talk with: the health check says the same of a wrong process.
        case .unavailable, .unauthenticated, .incompatible: self = .unreachable
        case .internalError, .resourceExhausted, .deadlineExceeded, .cancelled, .failedPrecondition, .superseded: self = .failure
        }
    }
}
