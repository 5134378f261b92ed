public import Wire

extension ExitStatus {
    /// How a command ends when a coordinator or a worker refused it, or when it found none. This is the only place that decides it, so the same
    /// cause ends every command in the same way.
    /// - Parameter invalidArgument: what was refused as wrong: a file's contents, or ``usage`` where the command sends nothing but its
    ///   arguments (a node's name).
    public init(_ code: StatusCode, invalidArgument: ExitStatus) {
        switch code {
        case .invalidArgument: self = invalidArgument
        // Nobody is there whom the command could talk with: the health check says the same of a wrong process.
        case .unavailable, .unauthenticated, .incompatible: self = .unreachable
        case .internalError, .resourceExhausted, .deadlineExceeded, .cancelled, .failedPrecondition, .superseded, .permissionDenied:
            self = .failure
        }
    }
}
