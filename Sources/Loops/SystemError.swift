internal import Glibc

/// Why the operating system did not let us. The message names what was tried, what came of it and the fix.
public struct SystemError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// A name that does not resolve.
        case unresolvedName
        /// Another process listens there.
        case addressInUse
        /// Nobody listens there.
        case connectionRefused
        /// No answer in time.
        case timedOut
        /// No way to the host.
        case unreachable
        /// The peer or the network ended the connection.
        case connectionLost
        /// Out of descriptors, memory or threads.
        case resourceExhausted
        /// Not allowed, for example a port below 1024.
        case notPermitted
        /// Anything else that a system call said.
        case system
    }

    public let code: Code
    public let message: String
    /// The system call's `errno`, 0 where none was involved.
    public let systemError: Int32

    public init(_ code: Code, _ message: String, systemError: Int32 = 0) {
        self.code = code
        self.message = message
        self.systemError = systemError
    }

    /// The code that an `errno` stands for, and its text after `what`, with the fix where it is the same whatever was tried.
    public init(_ what: String, systemError: Int32) {
        self.init(Self.code(of: systemError), "\(what): \(Self.reason(systemError))", systemError: systemError)
    }

    /// What the system says, without what was tried.
    package var reason: String { Self.reason(systemError) }

    private static func reason(_ systemError: Int32) -> String {
        "\(Syscall.describe(systemError))\(fix(of: systemError).map { "; \($0)" } ?? "")"
    }

    public var description: String { message }

    /// Of a process's open files.
    package static let whereLimitIsSet = "ulimit -n; LimitNOFILE= in systemd; ulimits: in compose"

    private static func fix(of systemError: Int32) -> String? {
        switch systemError {
        case EMFILE: "raise the process's limit of open files (\(whereLimitIsSet))"
        case ENFILE: "raise the machine's limit of open files (sysctl fs.file-max)"
        default: nil
        }
    }

    private static func code(of systemError: Int32) -> Code {
        switch systemError {
        case EADDRINUSE: .addressInUse
        case ECONNREFUSED: .connectionRefused
        case ETIMEDOUT: .timedOut
        case EHOSTUNREACH, ENETUNREACH, ENETDOWN, EHOSTDOWN, EADDRNOTAVAIL: .unreachable
        case ECONNRESET, EPIPE, ECONNABORTED, ENOTCONN: .connectionLost
        case EMFILE, ENFILE, ENOMEM, ENOBUFS, EAGAIN: .resourceExhausted
        case EACCES, EPERM: .notPermitted
        default: .system
        }
    }
}
