internal import Files
internal import Glibc
internal import Shell

/// Whole files, with the C library's own calls: a file handle of Foundation's would bring 40 MB of Unicode tables into the command.
enum FileBytes {
    /// Read at once; a file of any size needs no more room than itself and this.
    private static let chunkByteCount = 1 << 20

    /// The whole file.
    /// - Throws: ``CommandFailure`` (bad data) with the path and the system's reason.
    static func read(_ path: String, limit: Int) throws(CommandFailure) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(path, errno) }
        defer { close(descriptor) }
        var information = stat()
        var bytes: [UInt8] = []
        if fstat(descriptor, &information) == 0, information.st_mode & S_IFMT == S_IFREG {
            // Said before anything is read, and read without growing: that would take as much again.
            guard information.st_size <= limit else { throw tooLarge(path, limit) }
            bytes.reserveCapacity(Int(information.st_size))
        }
        while true {
            var problem: Int32 = 0
            let chunk = [UInt8](unsafeUninitializedCapacity: chunkByteCount) { buffer, count in
                let result = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
                count = max(result, 0)
                problem = result < 0 ? errno : 0
            }
            if problem == EINTR { continue }
            guard problem == 0 else { throw unreadable(path, problem) }
            guard !chunk.isEmpty else { return bytes }
            guard bytes.count + chunk.count <= limit else {
                throw tooLarge(path, limit)
            }
            bytes += chunk
        }
    }

    /// Writes all of it.
    /// - Returns: the system's error, or `nil`.
    static func write(_ text: String, to descriptor: Int32) -> Int32? {
        WholeWrite.write([{ Array(text.utf8).withUnsafeBytes($0) }], to: descriptor)
    }

    /// Makes the file, or replaces what is in it.
    /// - Throws: ``CommandFailure`` (bad data) with the path and the system's reason.
    static func write(_ text: String, toFile path: String) throws(CommandFailure) {
        let descriptor = try create(path, describedAs: path)
        defer { close(descriptor) }
        if let problem = write(text, to: descriptor) { throw unwritable(path, problem) }
    }

    /// Opens the file empty, to be closed by the caller.
    /// - Parameter description: what the error calls it.
    static func create(_ path: String, describedAs description: String) throws(CommandFailure) -> Int32 {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw unwritable(description, errno) }
        return descriptor
    }

    /// Whether the folder would take the file: asked before long work, so that its result is not lost.
    static func checkFolder(of path: String) throws(CommandFailure) {
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        guard access(folder, W_OK | X_OK) == 0 else { throw unwritable(path, errno) }
    }

    static func unwritable(_ path: String, _ code: Int32) -> CommandFailure {
        CommandFailure(
            .badData,
            "\(path): it cannot be written (\(String(cString: strerror(code)))); check the folder, its permissions and the free space"
        )
    }

    private static func tooLarge(_ path: String, _ limit: Int) -> CommandFailure {
        CommandFailure(.badData, "\(path): it is over the limit of \(limit) bytes; make it smaller")
    }

    private static func unreadable(_ path: String, _ code: Int32) -> CommandFailure {
        CommandFailure(
            .badData, "\(path): it cannot be read (\(String(cString: strerror(code)))); check the path and its permissions")
    }
}
