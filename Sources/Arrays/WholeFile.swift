internal import Files
internal import Glibc
internal import Tensors

/// Reads a file whole into aligned memory, and replaces a file in one step.
enum WholeFile {
    static func read(path: String, limit: Int) throws(ArrayError) -> TensorStorage {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(path, "cannot be opened") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw unreadable(path, "cannot be read") }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ArrayError(
                .unreadable, file: path, problem: "it is not a regular file", fix: "give the path of a .npy or .npz file")
        }
        let size = Int(status.st_size)
        guard size <= limit else {
            throw ArrayError(
                .tooLarge, file: path, problem: "its \(size) bytes are over the limit of \(limit)",
                fix: "split it into several files")
        }
        let storage = TensorStorage(byteCount: size)
        let (count, failure) = WholeRead.read(descriptor, into: storage.mutableBytes)
        if let failure { throw unreadable(path, "cannot be read", failure) }
        guard count == size else {
            throw ArrayError(.unreadable, file: path, problem: "it became shorter while it was read", fix: "try again")
        }
        return storage
    }

    /// Writes the pieces to a temporary file beside `path` and renames it, so that a reader sees the old or the whole new file.
    /// What exists and is no regular file (a pipe, `/dev/stdout`) is written to directly. A symbolic link stays one.
    static func write(path: String, pieces: [Piece]) throws(ArrayError) {
        var status = stat()
        let exists = stat(path, &status) == 0
        if exists && status.st_mode & S_IFMT != S_IFREG {
            let descriptor = open(path, O_WRONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw unwritable(path) }
            defer { close(descriptor) }
            if let failure = WholeWrite.write(pieces.map(\.write), to: descriptor) { throw unwritable(path, failure) }
            return
        }
        var target = path
        if exists, let resolved = realpath(path, nil) {
            target = String(cString: resolved)
            free(resolved)
        }
        let temporary = "\(target).\(getpid())-\(String(UInt64.random(in: 0 ... .max), radix: 36)).tmp"
        let mode = exists ? status.st_mode & 0o777 : 0o666
        if let failure = FileReplacement.write(target, by: temporary, mode: mode, pieces.map(\.write)) {
            throw unwritable(path, failure)
        }
    }

    /// Bytes to write: some of ours, or a tensor's without a copy.
    enum Piece {
        case bytes([UInt8])
        case tensor(Tensor)

        func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
            switch self {
            case .bytes(let bytes): bytes.withUnsafeBytes(body)
            case .tensor(let tensor): tensor.withUnsafeBytes(body)
            }
        }

        fileprivate var write: WholeWrite.Piece { { body in withBytes(body) } }
    }

    private static func unreadable(_ path: String, _ what: String, _ reason: Int32 = errno) -> ArrayError {
        ArrayError(
            .unreadable, file: path, problem: "it \(what) (\(String(cString: strerror(reason))))",
            fix: "check the path and its permissions")
    }

    private static func unwritable(_ path: String, _ reason: Int32 = errno) -> ArrayError {
        ArrayError(
            .unreadable, file: path, problem: "it cannot be written (\(String(cString: strerror(reason))))",
            fix: "check the folder, its permissions and the free space")
    }
}
