public import Base
internal import Files
internal import Glibc
internal import Loops

/// Where a key was found.
public enum KeyPlace: Sendable, Hashable {
    /// `--cluster-secret-file`.
    case option
    /// `AMP4EC_CLUSTER_SECRET_FILE`.
    case environment
    /// ``KeyPlaces/mountedPath``.
    case mounted
    /// `amp4ec/secret` in the user's configuration folder.
    case home

    /// Whom a message sends the reader to.
    fileprivate func description(of path: String) -> String {
        switch self {
        case .option: "\(KeyPlaces.option) \(path)"
        case .environment: "\(path), given by \(KeyPlaces.environmentVariable)"
        case .mounted, .home: "the cluster secret \(path)"
        }
    }
}

/// A key and its file.
public struct KeyFile: Sendable {
    public let path: String
    public let place: KeyPlace
    public let key: ClusterKey

    /// Reads and checks one file.
    ///
    /// Waits for nothing: what is no file (a pipe, a device) is refused and not read.
    /// - Throws: an error whose message names the path and the fix, and no part of what is in the file.
    public static func read(_ path: String, at place: KeyPlace) throws(ValueError) -> KeyFile {
        do throws(Problem) {
            let found = try inspect(path)
            // What the orchestrator mounts has the mode that it gives; only the container sees it.
            if place != .mounted, !isMounted(path), let problem = problem(withMode: found.mode, of: path) { throw problem }
            return KeyFile(path: path, place: place, key: found.key)
        } catch {
            throw ValueError("\(place.description(of: path)): \(error.reason); \(error.fix)", reason: error.reason)
        }
    }

    /// What is wrong with a file, and what to do.
    package struct Problem: Error {
        package let reason: String
        package let fix: String
    }

    // MARK: The parts

    /// The key in a file, and the file's permission bits, whatever they are.
    package static func inspect(_ path: String) throws(Problem) -> (key: ClusterKey, mode: UInt32) {
        // Without O_NONBLOCK a pipe that nobody writes to would hold us here.
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { throw unopened(path, errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw unreadable(errno) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            let what = status.st_mode & S_IFMT == S_IFDIR ? "it is a folder" : "it is no regular file"
            throw Problem(reason: what, fix: "give the path of the file that the key is in")
        }
        guard status.st_size <= ClusterKey.textByteLimit else { throw tooLong("\(status.st_size) bytes") }
        // One more than a key may have: a file that grew meanwhile, or one whose size the system does not say.
        var bytes = [UInt8](repeating: 0, count: ClusterKey.textByteLimit + 1)
        let (count, failure) = bytes.withUnsafeMutableBytes { WholeRead.read(descriptor, into: $0) }
        if let failure { throw unreadable(failure) }
        guard count <= ClusterKey.textByteLimit else { throw tooLong("more than \(ClusterKey.textByteLimit) bytes") }
        guard let text = String(validating: bytes[..<count], as: UTF8.self) else { throw noKey("it is not text") }
        do { return (try ClusterKey(parsing: text), status.st_mode & 0o7777) } catch { throw noKey(error.reason ?? "it is none") }
    }

    /// Others than the owner must not read a key, and must not put theirs in its place.
    package static func problem(withMode mode: UInt32, of path: String) -> Problem? {
        guard mode & 0o077 != 0 else { return nil }
        return Problem(
            reason: "other users can \(mode & 0o022 != 0 ? "write" : "read") it (its mode is \(octal(mode)))",
            fix: "type: chmod 600 \(path)")
    }

    /// Whether the path, as it is given, is one of those that orchestrators mount secrets at.
    package static func isMounted(_ path: String) -> Bool {
        path.hasPrefix("/run/secrets/") && !path.split(separator: "/").contains("..")
    }

    /// Whether there is anything at that path: a link that leads nowhere is.
    static func isAnything(at path: String) throws(Problem) -> Bool {
        var status = stat()
        if lstat(path, &status) == 0 { return true }
        let reason = errno
        guard reason == ENOENT || reason == ENOTDIR else { throw unopened(path, reason) }
        return false
    }

    private static func unopened(_ path: String, _ code: Int32) -> Problem {
        guard code == ENOENT else { return unreadable(code) }
        var status = stat()
        return lstat(path, &status) == 0
            ? Problem(reason: "it is a link to a file that is not there", fix: "put the key there, or remove the link")
            : Problem(reason: "it is not there", fix: "correct the path, or make a key there: amp4ec secret --output \(path)")
    }

    private static func unreadable(_ code: Int32) -> Problem {
        Problem(
            reason: "it cannot be read (\(Syscall.describe(code)))",
            fix: "make it readable for the user of this process, who alone should own it")
    }

    private static func tooLong(_ size: String) -> Problem {
        noKey("it has \(size), a key has at most \(ClusterKey.textByteLimit)")
    }

    private static func noKey(_ reason: String) -> Problem {
        Problem(
            reason: "it is no AMP4EC key: \(reason)",
            fix: "a key is one line, amp4ec-KIND:SECRET; amp4ec secret makes one")
    }

    package static func octal(_ mode: UInt32) -> String {
        let digits = String(mode, radix: 8)
        return String(repeating: "0", count: max(4 - digits.count, 0)) + digits
    }
}
