internal import Glibc

/// Reads small text files whole, with a bound, so that a device or a huge file given by mistake cannot take the memory.
enum BoundedFile {
    /// A compose file of a thousand services is about 200 KiB.
    static let maximumByteCount = 1 << 20

    static func text(path: String) throws(TopologyError) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(path) }
        defer { close(descriptor) }
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

    /// The folder that a file's relative paths start from, absolute.
    static func absoluteDirectory(ofFile path: String) -> String {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) }
        if path.hasPrefix("/") { return folder ?? "/" }
        guard let working = getcwd(nil, 0) else { return folder ?? "." }
        defer { free(working) }
        let current = String(cString: working)
        return folder.map { current + "/" + $0 } ?? current
    }

    private static func unreadable(_ path: String) -> TopologyError {
        TopologyError(
            file: path, problem: "the file cannot be read (\(String(cString: strerror(errno))))",
            fix: "give the path of a file that this user can read")
    }
}
