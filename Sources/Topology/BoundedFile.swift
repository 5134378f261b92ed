internal import Glibc

/// Reads small text files whole, with a bound, so that a device or a huge file given by mistake cannot take the memory.
enum BoundedFile {
    /// A compose file of a thousand services is about 200 KiB.
    static let maximumByteCount = 1 << 20

    /// - Parameter mustBeFile: a path that stands in a file: a pipe or a device there would be waited for without end.
    static func text(path: String, mustBeFile: Bool = false) throws(TopologyError) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | (mustBeFile ? O_NONBLOCK : 0))
        guard descriptor >= 0 else { throw unreadable(path) }
        defer { close(descriptor) }
        if mustBeFile {
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw unreadable(path) }
            guard status.st_mode & S_IFMT == S_IFREG else {
                throw TopologyError(file: path, problem: "it is not a file", fix: "give the path of a file")
            }
        }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw unreadable(path) }
            guard count > 0 else { break }
            bytes.append(contentsOf: chunk[..<count])
            try check(byteCount: bytes.count, file: path)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw TopologyError(file: path, problem: "the file is not UTF-8 text", fix: "save it as UTF-8")
        }
        return text
    }

    static func check(byteCount: Int, file: String) throws(TopologyError) {
        guard byteCount <= maximumByteCount else {
            throw TopologyError(
                file: file, problem: "the file is over the limit of \(maximumByteCount) bytes",
                fix: "give the YAML file itself, or split it")
        }
    }

    static func kind(_ path: String) -> ProjectFiles.Kind {
        var status = stat()
        guard stat(path, &status) == 0 else { return .absent }
        return status.st_mode & S_IFMT == S_IFDIR ? .folder : .file
    }

    static var workingDirectory: String {
        guard let working = getcwd(nil, 0) else { return "/" }
        defer { free(working) }
        return String(cString: working)
    }

    private static func unreadable(_ path: String) -> TopologyError { unreadable(path, String(cString: strerror(errno))) }

    static func unreadable(_ path: String, _ cause: String) -> TopologyError {
        TopologyError(
            file: path, problem: "the file cannot be read (\(cause))", fix: "give the path of a file that this user can read")
    }
}
