internal import Files
internal import Glibc
internal import Shell

/// A small file that an option names, read whole before the server starts.
package enum OptionFile {
    /// - Parameters:
    ///   - option: `--http-tls-key`, for messages.
    ///   - isPrivate: others must be able neither to read nor to write it.
    /// - Throws: ``GatewayError`` that names option, file and fix, and nothing of what is in it.
    static func read(_ path: String, option: String, byteLimit: Int, isPrivate: Bool) throws(GatewayError) -> [UInt8] {
        func refused(_ reason: String, _ fix: String) -> GatewayError {
            GatewayError(.badData, "\(option): \(path): \(reason); \(fix)")
        }
        // Without O_NONBLOCK a pipe that nobody writes to would hold us here.
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else {
            let reason = errno
            throw refused(
                "it cannot be opened (\(describe(reason)))",
                reason == ENOENT ? "correct the path" : "make it readable for the user of this process, who alone should own it")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw refused("it cannot be read (\(describe(errno)))", "check the disk") }
        guard status.st_mode & S_IFMT == S_IFREG else { throw refused("it is no regular file", "give the path of a file") }
        if isPrivate, let problem = problem(withMode: status.st_mode, realPath: realPath(path)) {
            throw refused(problem, "type: chmod 600 \(path)")
        }
        // One more than it may have: a file that grew meanwhile, or one whose size the system does not say.
        var bytes = [UInt8](repeating: 0, count: byteLimit + 1)
        let (count, failure) = bytes.withUnsafeMutableBytes { WholeRead.read(descriptor, into: $0) }
        if let failure { throw refused("it cannot be read (\(describe(failure)))", "check the disk") }
        guard count <= byteLimit else {
            throw refused("it is over the limit of \(byteLimit) bytes", "give the file that the option is for")
        }
        return Array(bytes[..<count])
    }

    /// What is wrong with the mode of a file that holds a secret.
    ///
    /// Orchestrators mount secrets with modes of their own below `/run/secrets`, where only the container sees them.
    /// - Parameter realPath: without links, so that none of them leads out of that folder.
    package static func problem(withMode mode: UInt32, realPath: String?) -> String? {
        guard mode & 0o077 != 0, realPath?.hasPrefix("/run/secrets/") != true else { return nil }
        return "other users can \(mode & 0o022 != 0 ? "write" : "read") it"
    }

    private static func realPath(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }

    private static func describe(_ code: Int32) -> String { String(cString: strerror(code)) }
}
