/// What a process tells the script that started it. Scripts rely on the numbers (those of `sysexits.h`): they never change meaning.
public enum ExitStatus: Int32, Sendable, Hashable, CaseIterable {
    case success = 0
    /// The work failed.
    case failure = 1
    /// Wrong options or arguments.
    case usage = 64
    /// A file (model, image, array, topology) that cannot be used.
    case badData = 65
    /// The coordinator or a worker cannot be reached.
    case unreachable = 69
}

/// An error that knows how the process must end because of it.
public protocol ExitStatusProviding: Error {
    var exitStatus: ExitStatus { get }
}

/// Ends a command: printed as `error: …` on stderr, then the process exits with the status.
public struct CommandFailure: ExitStatusProviding, Hashable, CustomStringConvertible {
    public let exitStatus: ExitStatus
    /// What failed, the limit or the actual value, and the fix.
    public let message: String

    public init(_ exitStatus: ExitStatus, _ message: String) {
        self.exitStatus = exitStatus
        self.message = message
    }

    public var description: String { message }
}
